"""Every family in every precision: it is made, it loads, and what it costs is written down."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lingraft.server.bundle import Precision, read_bundle
from lingraft.server.engines import open_session
from lingraft.training.stock.export import StockExport, export_stock

_FAMILIES = {"nllb": ("en-yo",), "mbart50": ("en-fr",), "t5": ("en-fr",), "marian": ()}
_SOURCES = {
    "input_ids": np.random.default_rng(0).integers(5, 90, (3, 12)),
    "lengths": np.array([12, 1, 7]),
}


@pytest.mark.parametrize("name", _FAMILIES)
def test_a_family_is_exported_in_half_precision_and_four_bits(
    name: str, checkpoint: Callable[[str], Path], tmp_path: Path
) -> None:
    """All are measured, and the encoder in float16 differs from fp32 by its rounding alone."""
    asked = StockExport(
        str(checkpoint(name)),
        tmp_path / name,
        name=name,
        pairs=_FAMILIES[name],
        precisions=("int4", "fp16", "fp32"),
    )
    int4, half, plain = export_stock(asked).graphs
    found = [graphs.precision for graphs in read_bundle(tmp_path / name).graphs]
    assert found == [Precision.INT4, Precision.FP16, Precision.FP32]
    assert int4.quality_loss.size == half.quality_loss.size > 0
    near, exact = (
        open_session(tmp_path / name / graphs.encoder, "cpu", 1).run(["cross_value.0"], _SOURCES)[0]
        for graphs in (half, plain)
    )
    for row, length in enumerate(_SOURCES["lengths"]):
        wanted = exact[row, :, :length]
        # T5 has the largest numbers of all, and loses most.
        assert np.abs(near[row, :, :length] - wanted).max() < 0.04 * np.abs(wanted).max()
