"""Translation of test sets and of any other sentences by a PyTorch model."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from transformers import MarianMTModel

from lingraft.training.data.testsets import TestSet
from lingraft.training.models.tensors import pad_rows
from lingraft.training.recipe.synthesis import GREEDY, Decoding
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
    return [best for (best,) in hypotheses(model, sources, GREEDY)]


def hypotheses(
    model: MarianMTModel, sources: Sequence[Sequence[int]], decoding: Decoding, number: int = 1
) -> list[list[list[int]]]:
    """Target ids of each row of source ids, the best `number` of them, best first.

    Each is eos last, or cut at the row's own limit. `number` is at most the decoding's beams. The
    same arguments draw the same text, and the caller's random numbers stay as they are.
    """
    order = sorted(range(len(sources)), key=lambda i: len(sources[i]))
    results: list[list[list[int]]] = [[] for _ in sources]
    training = model.training
    model.eval()
    with torch.random.fork_rng(enabled=decoding.sample):
        if decoding.sample:
            torch.manual_seed(decoding.seed)
        for start in range(0, len(order), _BATCH):
            rows = order[start : start + _BATCH]
            made = _generate(model, [sources[i] for i in rows], decoding, number)
            for index, found in zip(rows, made, strict=True):
                results[index] = found
    model.train(training)
    return results


@torch.no_grad()
def _generate(
    model: MarianMTModel, sources: Sequence[Sequence[int]], decoding: Decoding, number: int
) -> list[list[list[int]]]:
    pad, room = model.config.pad_token_id, model.config.max_position_embeddings
    batch = pad_rows(sources, pad).to(model.device)
    limits = [min(LENGTH_RATIO * len(row) + _EXTRA_PIECES, room) for row in sources]
    # Transformers warns of settings of drawing where nothing is drawn.
    drawn = {"temperature": decoding.temperature, "top_k": decoding.top_k}
    output = model.generate(
        input_ids=batch,
        attention_mask=(batch != pad).long(),
        max_length=max(limits) + 1,  # the decoder start counts
        num_beams=decoding.beams,
        num_return_sequences=number,
        do_sample=decoding.sample,
        **(drawn if decoding.sample else {}),
    )
    # The start and all after eos are padding, which is never produced. A row's limit is its own, or
    # its translation would depend on what else is in the batch.
    found = output[:, 1:].unflatten(0, (len(sources), number)).tolist()
    return [
        [[piece for piece in row[:limit] if piece != pad] for row in rows]
        for rows, limit in zip(found, limits, strict=True)
    ]
