"""What the decoder made of translations: log-probabilities and attention, teacher-forced.

One pass over finished translations gives what greedy decoding scored step by step, and what the
server's decoder gives with the same weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import MarianMTModel

from lingraft.training.calibrate.features import Produced, coverage_of
from lingraft.training.data.testsets import TestSet
from lingraft.training.measure.evaluate import greedy
from lingraft.training.models.tensors import pad_rows
from lingraft.training.vocabulary.codec import Codec, shorten

_BATCH = 32  # rows whose log-probabilities [B,T,V] are in memory at once


@dataclass(frozen=True)
class Decoding:
    """Greedy translations in the order of their sources, and what the decoder made of each."""

    texts: list[str]
    produced: list[Produced]


def decode_scored(model: MarianMTModel, codec: Codec, test: TestSet) -> Decoding:
    """Greedy translations, as `translate` makes them, with their scores."""
    room = model.config.max_position_embeddings
    sources = [
        shorten(codec.encode_source(text, test.source_language, test.target_language), room)
        for text in test.sources
    ]
    targets = greedy(model, sources)
    return Decoding([codec.decode(row) for row in targets], produced(model, sources, targets))


def produced(
    model: MarianMTModel, sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]]
) -> list[Produced]:
    """Log-probabilities and coverage of given translations, in their order.

    Args:
        model: in any mode, which it is left in; dropout is off.
        sources: source ids, tag first and eos last.
        targets: target ids, eos last where the translation ended; at least one id each.
    """
    order = sorted(range(len(sources)), key=lambda i: len(targets[i]))
    results: dict[int, Produced] = {}
    training = model.training
    model.eval()
    for start in range(0, len(order), _BATCH):
        rows = order[start : start + _BATCH]
        batch = _score(model, [sources[i] for i in rows], [targets[i] for i in rows])
        results.update(zip(rows, batch, strict=True))
    model.train(training)
    return [results[i] for i in range(len(sources))]


@torch.no_grad()
def _score(
    model: MarianMTModel, sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]]
) -> list[Produced]:
    pad, eos = model.config.pad_token_id, model.config.eos_token_id
    source = pad_rows(sources, pad).to(model.device)
    wanted = pad_rows(targets, pad).to(model.device)
    start = torch.full_like(wanted[:, :1], model.config.decoder_start_token_id)
    output = model(
        input_ids=source,
        attention_mask=(source != pad).long(),
        decoder_input_ids=torch.cat([start, wanted[:, :-1]], dim=1),
        output_attentions=True,
        use_cache=False,
    )
    logs = output.logits.float().log_softmax(dim=2).gather(2, wanted.unsqueeze(2)).squeeze(2)
    attention = _alignment(model, output.cross_attentions)
    return [
        _produced(ids, target, row, shares, eos)
        for ids, target, row, shares in zip(sources, targets, logs, attention, strict=True)
    ]


def _alignment(model: MarianMTModel, attentions: Sequence[Tensor]) -> Tensor:
    """[B,T,S]: the layer that the exported graphs tell, mean over heads."""
    told: Tensor = attentions[max(model.config.decoder_layers - 2, 0)]
    return told.float().mean(dim=1)


def _produced(
    source: Sequence[int], target: Sequence[int], logs: Tensor, shares: Tensor, eos: int
) -> Produced:
    pieces = tuple(target[:-1] if target[-1] == eos else target)
    alignment = shares[: len(pieces), : len(source)].cpu().numpy()
    return Produced(
        pieces=pieces,
        logprobs=tuple(logs[: len(target)].tolist()),
        source_length=len(source),
        coverage=coverage_of(alignment),
    )
