"""Integer products are exact on every processor, both where they are measured and where they serve.

Without VNNI, ONNX Runtime's sums of unsigned times signed bytes saturate at 16 bits unless a
session asks for exact ones: answers that are wrong without a word.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from lingraft.server.engines import open_session as open_served
from lingraft.training.export.runtime import open_session as open_measured

INNER, COLUMNS = 96, 20


@pytest.mark.parametrize(
    "open_graph",
    [lambda path: open_served(path, "cpu", 1), open_measured],
    ids=["serve", "measure"],
)
def test_the_largest_integers_do_not_saturate(
    tmp_path: Path, open_graph: Callable[[Path], Any]
) -> None:
    """255 times 127, again and again, adds up to what it is."""
    path = tmp_path / "product.onnx"
    path.write_bytes(_product().SerializeToString())
    x = np.full((3, INNER), 255, np.uint8)
    (y,) = open_graph(path).run(None, {"x": x})
    np.testing.assert_array_equal(y, np.full((3, COLUMNS), (255 - 128) * 127 * INNER, np.float32))


def _product() -> onnx.ModelProto:
    """The product that int8 graphs are made of: activations around 128, weights signed."""
    constants: dict[str, NDArray[Any]] = {
        "w": np.full((INNER, COLUMNS), 127, np.int8),
        "one": np.array(1, np.float32),
        "scales": np.ones(COLUMNS, np.float32),
        "zero": np.array(128, np.uint8),
    }
    inputs = ["x", "w", "one", "scales", "zero"]
    graph = helper.make_graph(
        [helper.make_node("MatMulIntegerToFloat", inputs, ["y"], domain="com.microsoft")],
        "product",
        [helper.make_tensor_value_info("x", TensorProto.UINT8, [None, INNER])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, COLUMNS])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets)
    model.ir_version = 10
    return model
