"""The graphs of every precision, made from those in fp32."""

from __future__ import annotations

from collections.abc import Callable

import onnx

from lingraft.training.export.halves import halve
from lingraft.training.export.nibbles import pack
from lingraft.training.export.quantize import quantise
from lingraft.v1 import bundle_pb2 as pb

Change = Callable[[onnx.ModelProto], onnx.ModelProto]


def _as_it_is(graph: onnx.ModelProto) -> onnx.ModelProto:
    return graph


# Of the encoder and of the decoder step. 4-bit weights pay where few rows are multiplied: not in
# an encoder, which has all positions of all sources at once.
_CHANGES: dict[pb.Precision, tuple[Change, Change]] = {
    pb.PRECISION_FP32: (_as_it_is, _as_it_is),
    pb.PRECISION_INT8: (quantise, quantise),
    pb.PRECISION_INT4: (quantise, pack),
    pb.PRECISION_FP16: (halve, halve),
}


def changes(precision: pb.Precision) -> tuple[Change, Change]:
    """What makes an encoder, and what makes a decoder step of that precision out of fp32."""
    return _CHANGES[precision]


def in_precision(
    encoder: onnx.ModelProto, decoder_step: onnx.ModelProto, precision: pb.Precision
) -> tuple[onnx.ModelProto, onnx.ModelProto]:
    """Encoder and decoder step in a precision. Raises ExportError as the quantiser does."""
    of_encoder, of_step = changes(precision)
    return of_encoder(encoder), of_step(decoder_step)
