"""Greedy translation of test sets by a PyTorch model."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from transformers import MarianMTModel

from lingraft.training.data.testsets import TestSet
from lingraft.training.models.tensors import pad_rows
from lingraft.training.vocabulary.codec import Codec, shorten

_BATCH = 64
# A translation may have this many times the pieces of its source, and ten more. The bundle takes
# the ratio over, so that the server stops where the scores were measured.
LENGTH_RATIO = 2
_EXTRA_PIECES = 10


def translate(model: MarianMTModel, codec: Codec, test: TestSet) -> list[str]:
    """Greedy translations in the order of `test.sources`, at the model's own precision."""
    room = model.config.max_position_embeddings
    ids = [
        shorten(codec.encode_source(text, test.source_language, test.target_language), room)
        for text in test.sources
    ]
    return [codec.decode(row) for row in greedy(model, ids)]


def greedy(model: MarianMTModel, sources: Sequence[Sequence[int]]) -> list[list[int]]:
    """Greedy target ids of each row of source ids: eos last, or cut at the row's own limit."""
    order = sorted(range(len(sources)), key=lambda i: len(sources[i]))
    results: list[list[int]] = [[] for _ in sources]
    training = model.training
    model.eval()
    for start in range(0, len(order), _BATCH):
        rows = order[start : start + _BATCH]
        for index, row in zip(rows, _generate(model, [sources[i] for i in rows]), strict=True):
            results[index] = row
    model.train(training)
    return results


@torch.no_grad()
def _generate(model: MarianMTModel, sources: Sequence[Sequence[int]]) -> list[list[int]]:
    pad, room = model.config.pad_token_id, model.config.max_position_embeddings
    batch = pad_rows(sources, pad).to(model.device)
    limits = [min(LENGTH_RATIO * len(row) + _EXTRA_PIECES, room) for row in sources]
    output = model.generate(
        input_ids=batch,
        attention_mask=(batch != pad).long(),
        max_length=max(limits) + 1,  # the decoder start counts
        num_beams=1,
        do_sample=False,
    )
    # The start and all after eos are padding, which is never produced. A row's limit is its own, or
    # its translation would depend on what else is in the batch.
    rows = zip(output[:, 1:].tolist(), limits, strict=True)
    return [[piece for piece in row[:limit] if piece != pad] for row, limit in rows]
