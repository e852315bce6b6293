"""Exported graphs in the server's engine say what `transformers.generate` says."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from operator import sub
from statistics import mean
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForSeq2SeqLM, GenerationConfig

from lingraft.server.bundle import Bundle, read_bundle
from lingraft.server.engines import (
    Blocks,
    OnnxTranslator,
    TranslationGraphs,
    kernels,
    open_session,
)
from lingraft.server.text import Encoded, TextCodec

TEXTS = (
    "The children wait for the boat.",
    "Bread",
    "We sang under the old tree until 10 o'clock, and then the rain came down on us all.",
    "a, b",
    "Tea?",
    "hat kids play, boats float; kettles sing",
    "Le vent",
    "Ветер дует с моря",
)
_LIMIT = 24


def _engine(bundle: Bundle, precision: str, blocks: Blocks | None = None) -> OnnxTranslator:
    files = [bundle.folder / f"{name}.{precision}.onnx" for name in ("encoder", "decoder_step")]
    sessions = [open_session(file, "cpu", 1) for file in files]
    return OnnxTranslator(
        TranslationGraphs(*sessions, *files),
        bundle.dimensions,
        bundle.special.pad,
        blocks=blocks,
    )


def _sources(bundle: Bundle) -> list[Encoded]:
    """The texts in all pairs of the bundle, in turn."""
    codec = TextCodec(bundle)
    sources = []
    for index, text in enumerate(TEXTS * 2):
        pair = bundle.pairs[index % len(bundle.pairs)]
        pieces = codec.pieces(text, pair.source)
        sources.append(codec.translation(pieces, pair.source, pair.target))
    return sources


class _Row:
    """A greedy search of one row."""

    def __init__(self, index: int, source: Encoded, bundle: Bundle) -> None:
        self.index, self.ids = index, list[int]()
        self._source, self._special = source, bundle.special

    @property
    def last(self) -> int:
        return self.ids[-1] if self.ids else self._special.decoder_start

    def take(self, candidates: Sequence[int]) -> None:
        forced = None if self.ids else self._source.forced
        allowed = (each for each in candidates if each != self._special.pad)
        self.ids.append(next(allowed) if forced is None else forced)

    @property
    def done(self) -> bool:
        return self.last == self._special.eos or len(self.ids) == _LIMIT


def _decode(engine: Any, bundle: Bundle, sources: Sequence[Encoded]) -> list[list[int]]:
    """Greedy answers; a row joins every second step, so that rows of all ages share steps."""
    waiting = list(enumerate(sources))
    rows: list[_Row] = []
    answers: dict[int, list[int]] = {}
    steps = 0
    while waiting or rows:
        if waiting and (steps % 2 == 0 or not rows):
            index, source = waiting.pop(0)
            engine.join([source.ids], [1])
            rows.append(_Row(index, source, bundle))
        step = engine.step([row.last for row in rows], 2)
        for row, candidates in zip(rows, step.ids, strict=True):
            row.take(candidates)
        answers.update({row.index: row.ids for row in rows if row.done})
        engine.select([slot for slot, row in enumerate(rows) if not row.done])
        rows = [row for row in rows if not row.done]
        steps += 1
    return [answers[index] for index in range(len(sources))]


def _decode_at_once(engine: Any, bundle: Bundle, sources: Sequence[Encoded]) -> list[list[int]]:
    """Greedy answers of sources that one pass encoded."""
    engine.join([source.ids for source in sources], [1] * len(sources))
    rows = [_Row(index, source, bundle) for index, source in enumerate(sources)]
    for _ in range(_LIMIT):
        step = engine.step([row.last for row in rows], 2)
        for row, candidates in zip(rows, step.ids, strict=True):
            if not row.ids or not row.done:
                row.take(candidates)
    engine.clear()
    return [row.ids for row in rows]


def _generate(model: Any, bundle: Bundle, source: Encoded) -> list[int]:
    """The stock way: `forced_bos_token_id` names the target language."""
    special = bundle.special
    produced = model.generate(
        torch.tensor([source.ids]),
        generation_config=GenerationConfig(
            max_new_tokens=_LIMIT,
            forced_bos_token_id=source.forced,
            eos_token_id=special.eos,
            pad_token_id=special.pad,
            decoder_start_token_id=special.decoder_start,
            suppress_tokens=[special.pad],
        ),
    )
    ids: list[int] = produced[0, 1:].tolist()
    return ids


def test_fp32_graphs_say_what_generate_says(family: Any) -> None:
    """Piece for piece, in a batch whose rows join and leave at different steps."""
    bundle = read_bundle(family.folder)
    sources = _sources(bundle)
    model = AutoModelForSeq2SeqLM.from_pretrained(family.checkpoint, dtype=torch.float32).eval()
    model.generation_config = GenerationConfig()
    expected = [_generate(model, bundle, source) for source in sources]
    assert _decode(_engine(bundle, "fp32"), bundle, sources) == expected
    assert len({tuple(answer) for answer in expected}) > 4


@pytest.mark.parametrize("precision", ["int8", "int8.native"])
def test_int8_rows_answer_alike_alone_and_in_company(family: Any, precision: str) -> None:
    """Neighbours do not change an answer of the 8-bit graphs, nor do caches that grow and move."""
    if precision == "int8.native" and kernels.library() is None:
        pytest.skip("the server's operators cannot run here")
    bundle = read_bundle(family.folder)
    engine, sources = _engine(bundle, precision, Blocks(2, 5, 3)), _sources(bundle)
    alone = [_decode(engine, bundle, [source])[0] for source in sources]
    assert _decode(engine, bundle, sources) == alone
    assert _decode_at_once(engine, bundle, sources) == alone


@pytest.mark.skipif(kernels.library() is None, reason="the server's operators cannot run here")
@pytest.mark.parametrize(
    ("name", "offers"),
    [("marian", True), ("m2m100", True), ("mbart50", True), ("t5", False), ("mt5", False)],
)
def test_a_step_of_no_rows_makes_normalisers(
    name: str, offers: bool, exported: Callable[[str], Any]
) -> None:
    """Rows that run go on. Attention with a bias is a standard operator, which wants a row."""
    bundle = read_bundle(exported(name).folder)
    session = open_session(bundle.folder / "decoder_step.int8.native.onnx", "cpu", 1)
    widths = [each.shape[1] for each in session.get_inputs() if each.name == "unscored"]
    assert bool(widths) == offers
    engine, source = _engine(bundle, "int8.native"), _sources(bundle)[0]
    expected = _decode(engine, bundle, [source])
    engine.join([source.ids], [1])
    for width in widths:
        zeros = np.zeros(width, np.float32)
        first, second = engine.normalisers([zeros, zeros])
        assert first == second
        assert 0 < first <= math.log(bundle.dimensions.vocabulary_size) + 1
    engine.clear()
    assert _decode(engine, bundle, [source]) == expected


@pytest.mark.skipif(kernels.library() is None, reason="the server's operators cannot run here")
@pytest.mark.parametrize(
    ("name", "pads"),
    [("marian", False), ("m2m100", False), ("mbart50", False), ("t5", True), ("mt5", True)],
)
def test_the_twin_of_an_encoder_computes_no_padding(
    name: str, pads: bool, exported: Callable[[str], Any]
) -> None:
    """Where attention is plain; that of T5 and mT5 has a bias. Standard graphs pad."""
    bundle = read_bundle(exported(name).folder)
    assert _engine(bundle, "int8").pads
    assert _engine(bundle, "int8.native").pads == pads


def test_the_twins_of_int8_graphs_are_as_near_to_fp32(family: Any) -> None:
    """The server's own operators lose no more than standard ones, which have caches of 32 bits.

    Piece for piece the two cannot be compared here: random weights answer to the last bit.
    """
    bundle = read_bundle(family.folder)
    sources = _sources(bundle)[:8]
    engines = [_engine(bundle, precision) for precision in ("fp32", "int8", "int8.native")]
    lost = {"int8": list[float](), "int8.native": list[float]()}
    for source, answer in zip(sources, _decode(engines[0], bundle, sources), strict=True):
        exact, *others = (_probabilities(each, bundle, source, answer) for each in engines)
        for name, told in zip(lost, others, strict=True):
            lost[name] += map(abs, map(sub, told, exact))
    assert mean(lost["int8.native"]) < 1.15 * mean(lost["int8"])


def _probabilities(
    engine: Any, bundle: Bundle, source: Encoded, answer: Sequence[int]
) -> list[float]:
    """What each piece of an answer has after those before it."""
    engine.clear()
    engine.join([source.ids], [1])
    told, last = [], bundle.special.decoder_start
    for piece in answer:
        step = engine.step([last], bundle.dimensions.vocabulary_size)
        told.append(math.exp(step.logprobs[0][step.ids[0].index(piece)]))
        last = piece
    engine.clear()
    return told


@pytest.mark.parametrize("name", ["t5", "mbart50"])
def test_long_sources_and_targets_stay_equal(name: str, exported: Callable[[str], Any]) -> None:
    """Past the farthest distance that T5 tells apart, and near mBART's last position."""
    bundle = read_bundle(exported(name).folder)
    codec, pair = TextCodec(bundle), bundle.pairs[0]
    pieces = codec.pieces(" ".join(TEXTS), pair.source) * 3
    front = codec.framing(pair.source, pair.target)
    source = codec.translation(pieces[: 96 - front], pair.source, pair.target)
    model = AutoModelForSeq2SeqLM.from_pretrained(
        exported(name).checkpoint, dtype=torch.float32
    ).eval()
    model.generation_config = GenerationConfig()
    expected = _generate(model, bundle, source)
    assert _decode(_engine(bundle, "fp32"), bundle, [source]) == [expected]
