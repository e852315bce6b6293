"""Both directions learn from each other's text, and unpaired languages are tested as such."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from transformers import MarianMTModel

from lingraft.training.data import testsets
from lingraft.training.data.corpora import training_corpus
from lingraft.training.errors import SynthesisError
from lingraft.training.measure.evaluate import hypotheses
from lingraft.training.models.marian import TranslationLoss, digest_of
from lingraft.training.models.tensors import collate, targets
from lingraft.training.recipe.recipes import Training
from lingraft.training.recipe.synthesis import Decoding, Filters, Iterative
from lingraft.training.run.loop import Job, run
from lingraft.training.synthesis.generate import Translator
from lingraft.training.synthesis.rounds import Round
from lingraft.training.synthesis.unsupervised import iterative, zero_shot_tests
from lingraft.training.vocabulary.codec import Codec

Made = Callable[..., Any]
Maker = Callable[..., Translator]
Backwards = Callable[[str], str]


def test_each_direction_learns_from_what_the_other_makes(
    english: tuple[str, ...], to_french: Backwards, make_translator: Maker, make_decoder: Made
) -> None:
    """No marker; sentences drawn anew; models asked for again after each training."""
    texts = {"en": english[:30], "fr": [to_french(text) for text in english[30:60]]}
    decoder = make_decoder(to_french)
    translator = make_translator(decoder)
    log: list[object] = []

    def models(number: int, source: str, target: str) -> Translator:
        log.append((number, source, target))
        return translator

    def train(made: Round) -> None:
        log.append(made.number)

    settings = Iterative(rounds=2, sentences=12, decoding=Decoding(sample=True))
    first, second = iterative(settings, texts, 1, models, train)
    assert all(decoding.sample for decoding in decoder.decodings)
    assert log == [
        *[(1, "fr", "en"), (1, "en", "fr"), 1],
        *[(2, "fr", "en"), (2, "en", "fr"), 2],
    ]
    for made in (first, second):
        assert [(s.source, s.target) for s in made.sources] == [("en", "fr"), ("fr", "en")]
        for rows, found in zip(made.rows, (texts["fr"], texts["en"]), strict=True):
            assert len(rows) == 12
            assert all(target in found for _, target in rows)
            assert all(source == to_french(target) for source, target in rows)
    assert first.rows != second.rows


def test_other_than_two_languages_are_refused(make_translator: Maker, make_decoder: Made) -> None:
    """And a language without text."""
    translator = make_translator(make_decoder(str))

    def start(texts: dict[str, list[str]]) -> None:
        iterative(Iterative(), texts, 1, lambda *_: translator, lambda _: None)

    with pytest.raises(SynthesisError, match="takes two languages' text, not: en"):
        start({"en": ["two eggs"]})
    with pytest.raises(SynthesisError, match="no monolingual text of fr"):
        start({"en": ["two eggs"], "fr": []})


def _tests() -> list[testsets.TestSet]:
    return [
        testsets.TestSet("toy", "en", "fr", ("one", "two", "three"), ("eno", "owt", "eerht")),
        testsets.TestSet("toy", "en", "yo", ("three", "one", "four"), ("ẹẹrht", "ọnẹ", "fọur")),
        testsets.TestSet("toy", "sd", "haw", ("a", "b"), ("c", "d")),
        testsets.TestSet("else", "en", "yo", ("five",), ("fivẹ",)),
    ]


def test_test_sets_between_languages_never_paired_are_built_and_say_so() -> None:
    """Through the English sentences that both have, and those that are unpaired as they are."""
    found = zero_shot_tests(_tests(), [("en", "fr"), ("yo", "en")])
    name = "toy (zero-shot, never paired in training)"
    assert found == [
        testsets.TestSet(name, "sd", "haw", ("a", "b"), ("c", "d")),
        testsets.TestSet(name, "fr", "yo", ("eno", "eerht"), ("ọnẹ", "ẹẹrht")),
        testsets.TestSet(name, "yo", "fr", ("ẹẹrht", "ọnẹ"), ("eerht", "eno")),
    ]


def test_what_training_pairs_is_never_called_zero_shot() -> None:
    """Neither way round; where nothing is left, the message says what training pairs."""
    trained = [("fr", "yo"), ("en", "fr"), ("en", "yo"), ("haw", "sd")]
    with pytest.raises(SynthesisError, match="training pairs en-fr, en-yo, fr-yo, haw-sd; add"):
        zero_shot_tests(_tests(), trained)


def test_rounds_of_a_real_model_go_on_after_a_kill(
    codec: Codec,
    make_model: Callable[[int], MarianMTModel],
    settings: Training,
    english: tuple[str, ...],
    to_french: Backwards,
    tmp_path: Path,
    killed: type[BaseException],
) -> None:
    """One model for both directions, trained by the loop between rounds; killed in the second."""
    texts = {"en": english[:4], "fr": [to_french(text) for text in english[30:34]]}
    every = Filters(max_copied=1.0, max_repeats=10_000, max_length_ratio=1e6)
    short = settings.model_copy(update={"max_steps": 4, "evaluate_every": 4})

    def go(folder: Path, dies_at: int | None = None) -> tuple[list[Round], str, int]:
        model = make_model(5)
        calls = 0

        def decode(*given: Any) -> list[list[list[int]]]:
            nonlocal calls
            if calls == dies_at:
                raise killed
            calls += 1
            # Untrained, it ends no sentence by itself.
            return [[row[:12] for row in best] for best in hypotheses(*given)]

        def models(number: int, source: str, target: str) -> Translator:
            return Translator(model, codec, folder / f"made-{number}", block=2, decode=decode)

        def train(made: Round) -> None:
            corpus, weights = training_corpus(made.sources, made.rows, codec, 48)
            job = Job(
                name=f"round {made.number}",
                folder=folder / f"round-{made.number}",
                corpus=corpus,
                weights=weights,
                collate=lambda indices: collate(corpus, indices, codec.pad),
                count=targets,
                score_name="score",
                settings=short,
                seed=1,
                identity=f"toy {made.number}",
            )
            run(job, TranslationLoss(model, smoothing=0.1), lambda: 1.0)

        rounds = Iterative(rounds=2, sentences=4, filters=every)
        made = list(iterative(rounds, texts, 1, models, train))
        return made, digest_of(model), calls

    made, weights, calls = go(tmp_path / "whole")
    assert calls == 8
    assert made[0].rows != made[1].rows  # the model that was trained writes otherwise
    with pytest.raises(killed):
        go(tmp_path / "killed", dies_at=5)
    assert go(tmp_path / "killed") == (made, weights, 3)
