"""A tiny Marian of Transformers as an engine, and as the reference that searches must equal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from transformers import MarianConfig, MarianMTModel

from lingraft.server.search import Found, Search, SearchOptions, begin

EOS, PIECES = 0, 48
PAD = PIECES - 1  # also the decoder's start, as in opus-mt
SOURCES = ((5, 9, 11, EOS), (7, EOS), (3, 8, 20, 31, 14, 6, EOS), (12, 40, 2, 2, EOS))


@dataclass(frozen=True)
class Special:
    """Special ids."""

    eos: int = EOS
    pad: int = PAD
    decoder_start: int = PAD


@dataclass(frozen=True)
class Answer:
    """Rows' K best pieces and their log-probabilities [B,K], and attention [B,S]."""

    ids: Any
    logprobs: Any
    alignment: Any


class TorchEngine:
    """Fills TranslationEngine's step and select with PyTorch, computing all anew at every step.

    Attention is made up: position t of a row attends to source position t modulo its length.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self.rows: list[tuple[int, list[int]]] = []  # source and pieces so far

    def join(self, sources: Sequence[int], widths: Sequence[int]) -> None:
        """Sources by their number in SOURCES."""
        for source, width in zip(sources, widths, strict=True):
            self.rows += [(source, []) for _ in range(width)]

    def step(self, input_ids: Sequence[int], candidates: int) -> Answer:
        """The next pieces of all rows."""
        for (_, pieces), last in zip(self.rows, input_ids, strict=True):
            pieces.append(last)
        longest = max(len(pieces) for _, pieces in self.rows)
        padded = torch.tensor([[*row, *[PAD] * (longest - len(row))] for _, row in self.rows])
        with torch.no_grad():
            logits = self.model(
                **encoder_inputs([source for source, _ in self.rows]), decoder_input_ids=padded
            ).logits
        ends = torch.tensor([len(row) - 1 for _, row in self.rows])
        logprobs = logits[torch.arange(len(self.rows)), ends].log_softmax(-1)
        best = logprobs.topk(min(candidates, PIECES))
        return Answer(best.indices.numpy(), best.values.numpy(), self._alignment())

    def select(self, parents: Sequence[int]) -> None:
        """Reorders, repeats and drops rows."""
        self.rows = [(self.rows[each][0], list(self.rows[each][1])) for each in parents]

    def _alignment(self) -> Any:
        shares = np.zeros((len(self.rows), max(map(len, SOURCES))), dtype=np.float32)
        for row, (source, pieces) in enumerate(self.rows):
            shares[row, (len(pieces) - 1) % len(SOURCES[source])] = 1
        return shares


def encoder_inputs(sources: Sequence[int]) -> dict[str, Any]:
    """Ids and mask of sources, padded."""
    longest = max(len(SOURCES[each]) for each in sources)
    rows = [[*SOURCES[each], *[PAD] * (longest - len(SOURCES[each]))] for each in sources]
    mask = [[1] * len(SOURCES[each]) + [0] * (longest - len(SOURCES[each])) for each in sources]
    return {"input_ids": torch.tensor(rows), "attention_mask": torch.tensor(mask)}


def drive(engine: Any, searches: Sequence[tuple[int, Search]], late: int = 0) -> list[Any]:
    """Runs searches (source, search) in one batch, one more joining every `late` steps (0: all)."""
    waiting = list(searches)
    running: list[Search] = []
    steps = 0
    while waiting or running:
        while waiting and (not late or steps % late == 0 or not running):
            source, search = waiting.pop(0)
            engine.join([source], [search.width])
            running.append(search)
            if late:
                break
        steps += 1
        running = _step(engine, running)
    return [search.found() for _, search in searches]


def _step(engine: Any, running: Sequence[Search]) -> list[Search]:
    last = [piece for search in running for piece in search.inputs()]
    answer = engine.step(last, max(search.candidates for search in running))
    begins, kept, parents = 0, [], []
    for search in running:
        rows = slice(begins, begins + search.width)
        shares = None if answer.alignment is None else answer.alignment[rows]
        chosen = search.advance(answer.ids[rows], answer.logprobs[rows], shares)
        if chosen is not None:
            kept.append(search)
            parents += [begins + row for row in chosen]
        begins = rows.stop
    engine.select(parents)
    return kept


def _model(seed: int) -> Any:
    torch.manual_seed(seed)
    config = MarianConfig(
        vocab_size=PIECES,
        d_model=32,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        max_position_embeddings=64,
        pad_token_id=PAD,
        eos_token_id=EOS,
        decoder_start_token_id=PAD,
        forced_eos_token_id=None,
        init_std=0.7,
        tie_word_embeddings=False,
    )
    model: Any = MarianMTModel(config).eval()
    with torch.no_grad():
        model.lm_head.weight.copy_(0.3 * torch.randn_like(model.lm_head.weight))
        model.final_logits_bias[0, EOS] += 2
    model.generation_config.forced_eos_token_id = None
    return model


@pytest.fixture(scope="session")
def models() -> Any:
    """Small models with random weights, far from uniform.

    The seeds are some whose outputs differ in length.
    """
    return [_model(seed) for seed in (4, 6, 11)]


@pytest.fixture(scope="session")
def special() -> Special:
    """Special ids of the models."""
    return Special()


@pytest.fixture(scope="session")
def search() -> Callable[..., list[tuple[Found, ...]]]:
    """Searches for the targets of all sources at once, all with the same options."""

    def run(model: Any, start: int = PAD, **options: Any) -> list[tuple[Found, ...]]:
        given, special = SearchOptions(**{"max_length": 14} | options), Special(decoder_start=start)
        searches = [
            (number, begin(given, special, len(source))) for number, source in enumerate(SOURCES)
        ]
        return drive(TorchEngine(model), searches)

    return run


@pytest.fixture(scope="session")
def together() -> Callable[..., list[tuple[Found, ...]]]:
    """Runs (source, options) in one batch, one joining every `late` steps."""

    def run(
        model: Any, asked: Sequence[tuple[int, SearchOptions]], late: int = 0
    ) -> list[tuple[Found, ...]]:
        searches = [
            (source, begin(options, Special(), len(SOURCES[source]))) for source, options in asked
        ]
        return drive(TorchEngine(model), searches, late)

    return run


@pytest.fixture(scope="session")
def generate() -> Callable[..., list[list[tuple[list[int], float | None]]]]:
    """What Transformers generates for all sources: pieces with the end, and score where it tells.

    Padding is forbidden, as it is in the generation settings of opus-mt.
    """

    def run(model: Any, wanted: int = 1, **options: Any) -> Any:
        given: dict[str, Any] = {"max_length": 15, "bad_words_ids": [[PAD]]} | options
        prefix = given.pop("prefix", None)
        if prefix:
            given["decoder_input_ids"] = torch.tensor([[PAD, *prefix]] * len(SOURCES))
        answer = model.generate(
            **encoder_inputs(range(len(SOURCES))),
            do_sample=False,
            num_return_sequences=wanted,
            return_dict_in_generate=True,
            output_scores=True,
            **given,
        )
        scores = getattr(answer, "sequences_scores", None)
        rows = [_cut(row) for row in answer.sequences.tolist()]
        flat = [
            (row, None if scores is None else float(scores[number]))
            for number, row in enumerate(rows)
        ]
        return [flat[begins : begins + wanted] for begins in range(0, len(flat), wanted)]

    return run


def _cut(row: Sequence[int]) -> list[int]:
    """Without the start and without what is filled up after the end."""
    pieces = list(row[1:])
    return pieces[: pieces.index(EOS) + 1] if EOS in pieces else [p for p in pieces if p != PAD]
