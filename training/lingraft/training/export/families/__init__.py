"""Architecture families: from a stock Transformers checkpoint to graphs.

`family_of` finds the family of a configuration; it knows how to build the graphs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import onnx

from lingraft.training.errors import ExportError
from lingraft.training.export import marian
from lingraft.training.export.families import bart, t5
from lingraft.training.export.weights import Floats, StateDict
from lingraft.v1 import bundle_pb2 as pb

Build = Callable[[Any, StateDict], onnx.ModelProto]


@dataclass(frozen=True)
class Family:
    """How to make graphs of a configuration and its weights, and how large their caches are."""

    encoder_graph: Build
    decoder_step_graph: Build
    dimensions: Callable[[Any], pb.Dimensions]


_BART = Family(bart.encoder_graph, bart.decoder_step_graph, bart.dimensions)
_T5 = Family(t5.encoder_graph, t5.decoder_step_graph, t5.dimensions)
# By `model_type` of the configuration. NLLB-200 is an m2m_100, mBART-50 an mbart.
FAMILIES = {
    "m2m_100": _BART,
    "marian": Family(marian.encoder_graph, marian.decoder_step_graph, bart.dimensions),
    "mbart": _BART,
    "mt5": _T5,
    "t5": _T5,
}


def family_of(config: Any) -> Family:
    """The family of a Transformers configuration.

    Raises:
        ExportError: no family of ours has that `model_type`.
    """
    if config.model_type not in FAMILIES:
        known = ", ".join(FAMILIES)
        raise ExportError(f"a {config.model_type} model cannot be exported; families: {known}")
    return FAMILIES[config.model_type]


def arrays_of(model: Any) -> dict[str, Floats]:
    """Weights of a PyTorch model, and its buffers (tables of positions are such), as arrays."""
    from lingraft.training.export.facts import to_arrays

    return to_arrays(dict(model.named_buffers()) | model.state_dict())
