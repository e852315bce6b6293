"""A Marian model with another vocabulary: all else stays as it was."""

from __future__ import annotations

import copy
import zlib
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import MarianMTModel

from lingraft.training.embedding.rows import Mixture, new_rows
from lingraft.training.models.marian import (
    WEIGHTS_FILE,
    load_model,
    load_weights,
    prepare,
    weights_of,
)

# One row for each piece; a model with tied embeddings has the first of them alone.
_BY_PIECE = (
    "model.shared.weight",
    "model.encoder.embed_tokens.weight",
    "model.decoder.embed_tokens.weight",
    "lm_head.weight",
)
_BIAS = "final_logits_bias"  # [1, pieces]


def with_vocabulary(folder: Path, mixed: Mixture, seed: int) -> MarianMTModel:
    """The model of `folder`, in fp32, with rows and biases for the child's pieces."""
    old = load_model(folder)
    config = copy.deepcopy(old.config)
    size = mixed.weights.shape[0] + 1
    config.vocab_size = config.decoder_vocab_size = size
    config.pad_token_id = config.decoder_start_token_id = size - 1
    with torch.random.fork_rng(devices=[]):  # its own random weights are all replaced
        new = MarianMTModel(config)
    load_weights(new, {n: _remade(n, t, mixed, seed) for n, t in weights_of(old).items()})
    return prepare(new)


def _remade(name: str, tensor: Tensor, mixed: Mixture, seed: int) -> Tensor:
    own_seed = (seed, zlib.crc32(name.encode()))
    if name in _BY_PIECE:
        return torch.from_numpy(new_rows(tensor.numpy(), mixed, own_seed))
    if name == _BIAS:
        column = new_rows(tensor.numpy().T, mixed, own_seed)
        return torch.from_numpy(np.ascontiguousarray(column.T))
    return tensor


def stored_type(folder: Path) -> torch.dtype:
    """The type that a model folder stores its weights in."""
    first: Tensor = next(iter(load_file(folder / WEIGHTS_FILE).values()))
    return first.dtype
