"""What the graphs need to know of a Marian model: its sizes, and its weights by name."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lingraft.training.errors import ExportError

Floats = NDArray[np.float32]
StateDict = Mapping[str, NDArray[Any]]

# Names of Transformers -> our one name of the function.
ACTIVATIONS = {
    "relu": "relu",
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "swish": "swish",
    "silu": "swish",
}


HEAD_STEP = 8  # what ONNX Runtime's GroupQueryAttention asks of the size of a head


@dataclass(frozen=True)
class Architecture:
    """Sizes and switches of a Marian model, from its Transformers configuration."""

    d_model: int
    encoder_layers: int
    decoder_layers: int
    encoder_heads: int
    decoder_heads: int
    positions: int
    embedding_scale: float
    activation: str
    pad: int

    @classmethod
    def of(cls, config: Any) -> Architecture:
        """Read a `MarianConfig`.

        Raises:
            ExportError: the configuration asks for something no graph of ours computes; names all.
        """
        _refuse_unknown(config)
        return cls(
            d_model=config.d_model,
            encoder_layers=config.encoder_layers,
            decoder_layers=config.decoder_layers,
            encoder_heads=config.encoder_attention_heads,
            decoder_heads=config.decoder_attention_heads,
            positions=config.max_position_embeddings,
            embedding_scale=math.sqrt(config.d_model) if config.scale_embedding else 1.0,
            activation=ACTIVATIONS[config.activation_function],
            pad=config.pad_token_id,
        )

    @property
    def decoder_head_size(self) -> int:
        """Size of one head of the decoder, D of the graphs' interface."""
        return self.d_model // self.decoder_heads


def _refuse_unknown(config: Any) -> None:
    faults = []
    if config.activation_function not in ACTIVATIONS:
        known = ", ".join(sorted(ACTIVATIONS))
        faults.append(f"activation_function {config.activation_function!r} is not one of {known}")
    for side in ("encoder_attention_heads", "decoder_attention_heads"):
        if config.d_model % (HEAD_STEP * getattr(config, side)):
            faults.append(
                f"{side} {getattr(config, side)} does not divide d_model {config.d_model} into "
                f"heads of a multiple of {HEAD_STEP}"
            )
    if config.pad_token_id is None:
        faults.append("pad_token_id is not set")
    if faults:
        raise ExportError("this configuration cannot be exported: " + "; ".join(faults))


@dataclass(frozen=True)
class Weights:
    """Weights under one prefix of a state dict, float32, in the layout the graphs multiply with."""

    arrays: StateDict
    prefix: str = ""

    def under(self, name: str) -> Weights:
        """The weights whose names begin with `name.`, seen without that beginning."""
        return Weights(self.arrays, f"{self.prefix}{name}.")

    def get(self, *names: str) -> Floats:
        """The first of `names` that exists (tied weights are stored under one name only).

        Raises:
            ExportError: none of them exists.
        """
        for name in names:
            if (full := self.prefix + name) in self.arrays:
                return np.asarray(self.arrays[full], np.float32)
        wanted = " or ".join(self.prefix + name for name in names)
        raise ExportError(f"the model's weights lack {wanted}")

    def has(self, name: str) -> bool:
        """Whether a weight of that name exists."""
        return self.prefix + name in self.arrays

    def kernel(self, *names: str) -> Floats:
        """Weights of linear layers side by side: [in, out1 + out2 + ...]."""
        return np.concatenate([self.get(f"{name}.weight").T for name in names], axis=1)

    def bias(self, *names: str) -> Floats:
        """Biases of linear layers side by side: [out1 + out2 + ...]."""
        return np.concatenate([self.get(f"{name}.bias") for name in names])


def position_table(weights: Weights, positions: int, d_model: int) -> Floats:
    """[positions, d_model] sinusoids: the model's own table, or the same computed anew.

    Sines fill the first half of a row, cosines the second (Vaswani et al. 2017, not interleaved).
    """
    if weights.has("embed_positions.weight"):
        return weights.get("embed_positions.weight")
    columns = np.arange(d_model)
    angles = np.arange(positions)[:, None] / np.power(10000, 2 * (columns // 2) / d_model)
    table = np.concatenate([np.sin(angles[:, 0::2]), np.cos(angles[:, 1::2])], axis=1)
    return table.astype(np.float32)
