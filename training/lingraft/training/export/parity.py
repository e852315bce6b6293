"""Whether the graphs decode as the model does.

The reference is the greedy search of Transformers in fp32, in batches of several sizes; the graphs
decode with rows that join and leave at different steps. fp32 must agree piece for piece.
"""

from __future__ import annotations

import contextlib
import copy
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from transformers import GenerationConfig

from lingraft.training.errors import ParityError
from lingraft.training.export.runtime import Graph, GreedyDecoder, Ids, SpecialIds, pad_rows
from lingraft.training.export.weights import Floats

# First piece of each target; None leaves it free, and so does an empty sequence for all rows.
Forced = Sequence[int | None]
# Two logits nearer than this may change places by rounding alone.
TIE_MARGIN = 1e-4
_BATCH_SIZES = (16, 5, 1, 11)
_SLOTS = 7
_LOGIT_TOLERANCE = 1e-3
_SHOWN = 5


@dataclass(frozen=True)
class TranslationGraphs:
    """The two graphs of one precision."""

    encoder: Graph
    decoder_step: Graph


@dataclass(frozen=True)
class Difference:
    """Where a graph leaves the model's path for the first time.

    Attributes:
        row: index of the sentence.
        position: index of the first piece that differs.
        expected: the model's piece, None when it had ended.
        produced: the graph's piece, None when it had ended.
        margin: distance of the model's two best logits at that place.
    """

    row: int
    position: int
    expected: int | None
    produced: int | None
    margin: float

    def __str__(self) -> str:
        tie = f" (a numerical tie: below {TIE_MARGIN:g})" if self.margin < TIE_MARGIN else ""
        return (
            f"sentence {self.row}, piece {self.position}: PyTorch {self.expected}, graph "
            f"{self.produced}; margin of the best two logits {self.margin:.3g}{tie}"
        )


def check_translation_parity(
    model: Any,
    rows: Sequence[Ids],
    graphs: TranslationGraphs,
    limits: Sequence[int],
    *,
    ties_allowed: int = 0,
    threads: int = 1,
    forced: Forced = (),
) -> float:
    """Share (0 to 1) of sentences that the graphs decode as the model does.

    Args:
        model: a conditional generation model of Transformers; left as it is.
        rows: source ids, tag and eos included.
        limits: most pieces to produce for each row, eos included.
        ties_allowed: sentences that may differ where the model's two best logits are a tie.
        forced: first piece of each target, None to leave it free; () leaves all free.

    Raises:
        ParityError: a sentence differs, beyond the ties allowed; shows the first few.
    """
    expected = torch_greedy(model, rows, limits, forced)
    produced = graph_greedy(graphs, rows, limits, special_ids(model.config), threads, forced)
    require_identical(model, rows, expected, produced, ties_allowed=ties_allowed)
    return identical_share(expected, produced)


def special_ids(config: Any) -> SpecialIds:
    """Special ids of a model's configuration."""
    return SpecialIds(config.eos_token_id, config.pad_token_id, config.decoder_start_token_id)


def graph_greedy(
    graphs: TranslationGraphs,
    rows: Sequence[Ids],
    limits: Sequence[int],
    special: SpecialIds,
    threads: int = 1,
    forced: Forced = (),
) -> list[list[int]]:
    """Greedy ids of the graphs, eos included where the answer came to its end."""
    decoder = GreedyDecoder(graphs.encoder, graphs.decoder_step, special, threads)
    return [answer.ids for answer in decoder.decode(rows, limits, _SLOTS, forced)]


def torch_greedy(
    model: Any, rows: Sequence[Ids], limits: Sequence[int], forced: Forced = ()
) -> list[list[int]]:
    """Greedy ids of the model by `generate`, in fp32 on the CPU, eos included where it came."""
    answers: list[list[int]] = []
    sizes = itertools.cycle(_BATCH_SIZES)
    with _plain(model) as reference:
        while len(answers) < len(rows):
            here = slice(len(answers), len(answers) + next(sizes))
            answers += _generate(reference, rows[here], limits[here], forced[here])
    return answers


def identical_share(expected: Sequence[Ids], produced: Sequence[Ids]) -> float:
    """Share (0 to 1) of rows that are equal."""
    pairs = list(zip(expected, produced, strict=True))
    return sum(list(a) == list(b) for a, b in pairs) / len(pairs)


def require_identical(
    model: Any,
    rows: Sequence[Ids],
    expected: Sequence[Ids],
    produced: Sequence[Ids],
    *,
    ties_allowed: int = 0,
) -> None:
    """Raise `ParityError` unless the graphs decoded every row as the model did.

    Raises:
        ParityError: shows the first few differences and which of them are numerical ties.
    """
    changed = [i for i, (a, b) in enumerate(zip(expected, produced, strict=True)) if a != b]
    if not changed:
        return
    with _plain(model) as reference:
        found = [_difference(reference, i, rows[i], expected[i], produced[i]) for i in changed]
    ties = sum(difference.margin < TIE_MARGIN for difference in found)
    if ties == len(found) <= ties_allowed:
        return
    shown = "".join(f"\n  - {difference}" for difference in found[:_SHOWN])
    raise ParityError(
        f"{len(found)} of {len(rows)} sentences decode differently in the exported fp32 graphs "
        f"({ties} of them by a numerical tie, {ties_allowed} allowed):{shown}"
    )


def check_classifier_parity(expected: Floats, produced: Floats) -> float:
    """Share (0 to 1) of rows whose best label is the same; 1 for graphs that pass.

    Args:
        expected: [N,C] logits of the model.
        produced: [N,C] logits of the graph.

    Raises:
        ParityError: a best label differs, or a logit by more than rounding; shows the first.
    """
    wrong = np.argmax(expected, 1) != np.argmax(produced, 1)
    far = ~np.isclose(expected, produced, rtol=_LOGIT_TOLERANCE, atol=_LOGIT_TOLERANCE).all(1)
    faults = np.flatnonzero(wrong | far)
    if len(faults):
        shown = "".join(
            f"\n  - text {row}: PyTorch {np.round(expected[row], 4).tolist()}, graph "
            f"{np.round(produced[row], 4).tolist()}"
            for row in faults[:_SHOWN]
        )
        raise ParityError(
            f"{len(faults)} of {len(expected)} texts get other logits from the exported fp32 "
            f"graph:{shown}"
        )
    return 1.0


def _generate(
    model: Any, rows: Sequence[Ids], limits: Sequence[int], forced: Forced
) -> list[list[int]]:
    ids, lengths = pad_rows(rows, model.config.pad_token_id)
    real = np.arange(ids.shape[1]) < lengths[:, None]
    start = model.config.decoder_start_token_id
    begin = [[start] if first is None else [start, first] for first in forced or [None] * len(rows)]
    produced = model.generate(
        input_ids=torch.from_numpy(ids),
        decoder_input_ids=torch.tensor(begin),
        attention_mask=torch.from_numpy(real.astype(np.int64)),
        generation_config=_greedy_search(model.config, max(max(limits) + 1 - len(begin[0]), 1)),
    )
    eos = model.config.eos_token_id
    return [
        _until_eos(row[1:], eos)[:limit]
        for row, limit in zip(produced.tolist(), limits, strict=True)
    ]


def _greedy_search(config: Any, limit: int) -> GenerationConfig:
    return GenerationConfig(
        num_beams=1,
        do_sample=False,
        max_new_tokens=limit,
        eos_token_id=config.eos_token_id,
        pad_token_id=config.pad_token_id,
        decoder_start_token_id=config.decoder_start_token_id,
        suppress_tokens=[config.pad_token_id],
    )


def _until_eos(ids: list[int], eos: int) -> list[int]:
    return ids[: ids.index(eos) + 1] if eos in ids else ids


@contextlib.contextmanager
def _plain(model: Any) -> Iterator[Any]:
    """The model in fp32 on the CPU, in evaluation mode, without generation settings of its own.

    A model from the hub may bring beams, penalties or a forced end, and `generate` would add them.
    """
    first = next(model.parameters())
    if first.dtype != torch.float32 or first.device.type != "cpu":
        model = copy.deepcopy(model).to("cpu", torch.float32)
    training, settings = model.training, model.generation_config
    model.generation_config = GenerationConfig()
    try:
        with torch.inference_mode():
            yield model.eval()
    finally:
        model.generation_config = settings
        model.train(training)


def _difference(model: Any, row: int, source: Ids, expected: Ids, produced: Ids) -> Difference:
    both = itertools.zip_longest(expected, produced)
    position = next(i for i, (a, b) in enumerate(both) if a != b)
    prefix = [model.config.decoder_start_token_id, *expected[:position]]
    outputs = model(
        input_ids=torch.tensor([list(source)]), decoder_input_ids=torch.tensor([prefix])
    )
    logits = outputs.logits[0, -1].clone()
    logits[model.config.pad_token_id] = -torch.inf
    first, second = logits.topk(2).values.tolist()
    at = [ids[position] if position < len(ids) else None for ids in (expected, produced)]
    return Difference(row, position, at[0], at[1], first - second)
