"""Probabilities that come after their pieces, and steps that come in one call, are the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import MarianConfig, MarianMTModel

from lingraft.server.batching import Capacity, ContinuousBatch, Decoded, Entry, Source, WorkQueue
from lingraft.server.bundle import Dimensions, SpecialIds
from lingraft.server.engines import OnnxTranslator, TranslationGraphs, kernels, open_session
from lingraft.server.engines.base import Plan, Step
from lingraft.server.metrics import Metrics
from lingraft.server.search import SearchOptions, begin
from lingraft.server.search.base import Found
from lingraft.training.export import to_arrays
from lingraft.training.export.translation import build_graphs
from lingraft.v1 import bundle_pb2 as pb

pytestmark = pytest.mark.skipif(
    kernels.library() is None, reason="the server's operators cannot run here"
)
screening = pytest.mark.skipif(
    kernels.instruction_set() not in ("amx", "avx512_vnni"),
    reason="without AVX-512 VNNI all columns of an output layer are multiplied as fast",
)

PIECES, EOS, PAD = 8_300, 0, 8_299  # 8,300 times 512 weights: enough to be screened
SPECIAL = SpecialIds(eos=EOS, unk=1, pad=PAD, decoder_start=PAD)


@pytest.fixture(scope="module")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The twins of a shallow Marian model with random weights."""
    torch.manual_seed(5)
    config = MarianConfig(
        vocab_size=PIECES,
        d_model=512,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=8,
        decoder_attention_heads=8,
        encoder_ffn_dim=64,
        decoder_ffn_dim=64,
        max_position_embeddings=128,
        init_std=0.1,
        pad_token_id=PAD,
        decoder_start_token_id=PAD,
        eos_token_id=EOS,
    )
    state = to_arrays(MarianMTModel(config).eval().state_dict())
    folder = tmp_path_factory.mktemp("graphs")
    build_graphs(config, state, [pb.PRECISION_INT8], folder)
    return [folder / f"{name}.int8.native.onnx" for name in ("encoder", "decoder_step")]


class Watched:
    """An engine that counts late steps, or allows none; and goes ahead, or step by step."""

    def __init__(self, engine: OnnxTranslator, allows: bool, goes_ahead: bool) -> None:
        self._engine, self._allows, self.late = engine, allows, 0
        self.goes_ahead, self.ahead_of = goes_ahead, 0

    def step(self, input_ids: Sequence[int], candidates: int, late: bool = False) -> Step:
        """As asked, or never late."""
        step = self._engine.step(input_ids, candidates, late and self._allows)
        self.late += step.unscored is not None
        return step

    def ahead(self, piece: int, plan: Plan, halt: Any) -> Sequence[Step]:
        """As asked."""
        steps = self._engine.ahead(piece, plan, halt)
        self.late += sum(step.unscored is not None for step in steps)
        self.ahead_of += len(steps)
        return steps

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)


@pytest.fixture
def watched(graphs: list[Path]) -> Callable[..., Watched]:
    """Makes an engine of its own."""

    def make(allows: bool, *, goes_ahead: bool = False) -> Watched:
        sessions = [open_session(path, "cpu", 1) for path in graphs]
        dimensions = Dimensions(vocabulary_size=PIECES, decoder_layers=1, heads=8, head_size=64)
        engine = OnnxTranslator(TranslationGraphs(*sessions, *graphs), dimensions, PAD)
        return Watched(engine, allows, goes_ahead)

    return make


def found(engine: Any, options: Sequence[SearchOptions]) -> list[tuple[Found, ...]]:
    """What sources find that come two steps after one another, so that some run alone."""
    queue: WorkQueue[Source, Decoded] = WorkQueue(100, 1.0, Metrics())
    capacity = Capacity(8, 10_000, 10**9, engine.footprint)
    batch = ContinuousBatch(engine, queue, capacity, Metrics())
    entries: list[Entry[Source, Decoded]] = []
    for index, each in enumerate(options):
        ids = (*range(20 + index, 26 + index), EOS)
        source = Source(
            ids, each.max_length, partial(begin, each, SPECIAL, len(ids)), each.beam_size
        )
        entries.append(Entry(source, 0.0))
        queue.put(entries[-1:], 0.0)
        for _ in range(2):
            batch.tick()
    while batch.tick():
        pass
    return [entry.future.result(0).found for entry in entries]


SEARCHES = [
    [SearchOptions(90)],
    [SearchOptions(12, min_length=6), SearchOptions(30), SearchOptions(20)],
    [SearchOptions(20, forced=77), SearchOptions(9, beam_size=3), SearchOptions(20)],
    [SearchOptions(25, no_repeat_ngram_size=2)],
]


@screening
@pytest.mark.parametrize("options", SEARCHES)
def test_late_probabilities_have_the_bits_of_punctual_ones(
    watched: Callable[..., Watched], options: list[SearchOptions]
) -> None:
    """Pieces, log-probabilities and scores, whoever comes and goes meanwhile."""
    late, punctual = watched(True), watched(False)
    assert found(late, options) == found(punctual, options)
    assert late.late > 5
    assert punctual.late == 0


@pytest.mark.parametrize("options", SEARCHES[:3])
def test_a_row_alone_goes_ahead_to_what_single_steps_find(
    watched: Callable[..., Watched], options: list[SearchOptions]
) -> None:
    """With the same bits; beside another row it does not."""
    ahead, behind = watched(True, goes_ahead=True), watched(False)
    assert found(ahead, options) == found(behind, options)
    assert ahead.ahead_of > 5


@pytest.mark.parametrize(
    "options",
    [
        SearchOptions(12, temperature=0.8, top_k=5, seed=3),
        SearchOptions(12, repetition_penalty=1.3),
        SearchOptions(12, beam_size=2),
    ],
)
def test_who_compares_probabilities_gets_them_at_once(
    watched: Callable[..., Watched], options: SearchOptions
) -> None:
    """Sampling, penalties and beams."""
    engine = watched(True)
    found(engine, [options])
    assert engine.late == 0


@screening
def test_normalisers_do_not_disturb_the_rows_that_run(
    watched: Callable[..., Watched],
) -> None:
    """The next step is the one that would have come anyway."""
    engines = [watched(True), watched(True)]
    answers = []
    for engine, asks in zip(engines, (True, False), strict=True):
        engine.join([[5, 6, 7, EOS]], [1])
        first = engine.step([PAD], 2, late=True)
        if asks:
            assert first.unscored is not None
            assert np.isfinite(engine.normalisers([first.unscored[0]])).all()
        answers.append([first.ids, engine.step(first.ids[0][:1], 2).logprobs])
    assert answers[0] == answers[1]
