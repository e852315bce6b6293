"""Back-translation: refused while the reverse model is weak, marked where it is made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lingraft.training.data import testsets
from lingraft.training.data.corpora import training_corpus
from lingraft.training.errors import SynthesisError, TrainingError, WeakTranslatorError
from lingraft.training.recipe.synthesis import BackTranslation, Decoding
from lingraft.training.synthesis.back_translation import Plan, back_translation
from lingraft.training.synthesis.generate import Translator
from lingraft.training.synthesis.rounds import Making, Round, check_marker, make
from lingraft.training.vocabulary.codec import UNK, Codec

Made = Callable[..., Any]
Maker = Callable[..., Translator]
Backwards = Callable[[str], str]


@pytest.fixture
def plan(english: tuple[str, ...], to_french: Backwards) -> Plan:
    """Ten real pairs each way, forty sentences of each language, dev sets both ways."""
    french = [to_french(text) for text in english]
    dev = [
        testsets.TestSet("dev", "en", "fr", english[:20], tuple(french[:20])),
        testsets.TestSet("dev", "fr", "en", tuple(french[:20]), english[:20]),
    ]
    texts = {"en": english[40:80], "fr": french[80:120]}
    return Plan(texts, {("en", "fr"): 10, ("fr", "en"): 10}, dev, seed=1)


def _rounds(plan: Plan, translator: Translator, **settings: Any) -> list[Round]:
    rounds = BackTranslation(**settings)
    return list(back_translation(rounds, plan, lambda *_: translator, lambda _: None))


def test_a_weak_reverse_model_is_refused(
    plan: Plan, make_translator: Maker, make_decoder: Made
) -> None:
    """All that are too weak are named with their score, and the message says how to go on."""
    translator = make_translator(make_decoder(lambda text: "a red bird."))
    with pytest.raises(WeakTranslatorError) as caught:
        _rounds(plan, translator)
    message = str(caught.value)
    assert isinstance(caught.value, TrainingError)
    assert "the model for fr-en has BLEU 1.9 on dev" in message
    assert "the model for en-fr has BLEU 0.9 on dev" in message
    assert "at least 8 is asked for" in message
    assert "lower minimum_quality to go on all the same" in message


def test_only_what_is_made_with_is_measured(
    plan: Plan, make_translator: Maker, make_decoder: Made, to_french: Backwards, codec: Codec
) -> None:
    """A model that cannot do the other direction yet is no hindrance; other metrics may decide."""
    good = make_translator(make_decoder(to_french))
    weak = make_translator(make_decoder(lambda text: "a red bird."), "weak")
    one = Plan(plan.texts, {("en", "fr"): 10}, plan.dev, 1)
    settings = BackTranslation(metric="chrF++", minimum_quality=99.0, rounds=1)

    def models(number: int, source: str, target: str) -> Translator:
        return good if (source, target) == ("fr", "en") else weak

    (made,) = back_translation(settings, one, models, lambda _: None)
    assert [part.quality for part in made.parts] == [pytest.approx(100.0)]
    other = Plan(plan.texts, {("fr", "en"): 10}, plan.dev, 1)
    with pytest.raises(WeakTranslatorError, match=r"en-fr has chrF\+\+ \d"):
        list(back_translation(settings, other, models, lambda _: None))


def test_made_sources_stand_behind_the_marker(
    plan: Plan, make_translator: Maker, make_decoder: Made, to_french: Backwards, codec: Codec
) -> None:
    """Targets are text as it was found; the marker is the same pieces whatever follows it."""
    (made,) = _rounds(plan, make_translator(make_decoder(to_french)), rounds=1)
    assert [(s.source, s.target, s.both_directions) for s in made.sources] == [
        ("en", "fr", False),
        ("fr", "en", False),
    ]
    for rows, found in zip(made.rows, (plan.texts["fr"], plan.texts["en"]), strict=True):
        assert len(rows) == 10
        assert all(target in found for _, target in rows)
        assert all(source == f"<BT> {to_french(target)}" for source, target in rows)
    corpus, _ = training_corpus(made.sources, made.rows, codec, 60)
    marker = codec.spm.encode("<BT>")
    assert UNK not in marker
    for i in range(len(corpus)):
        assert corpus.source(i)[1 : 1 + len(marker)].tolist() == marker
    assert str(made.parts[0]) == "round 1, made en for fr: kept 10 of 10"


def test_made_rows_are_bounded_and_drawn_anew(
    plan: Plan, make_translator: Maker, make_decoder: Made, to_french: Backwards
) -> None:
    """At most the ratio of the real ones; other sentences in each round, the same when repeated."""
    translator = make_translator(make_decoder(to_french))
    first, second = _rounds(plan, translator, ratio=1.5, rounds=2)
    assert [len(rows) for rows in first.rows + second.rows] == [15] * 4
    assert first.rows[0] != second.rows[0]
    assert _rounds(plan, translator, ratio=1.5, rounds=2) == [first, second]
    few = Plan({"fr": plan.texts["fr"][:3]}, {("en", "fr"): 10}, plan.dev, 1)
    assert [len(rows) for rows in _rounds(few, translator, rounds=1)[0].rows] == [3]


def test_a_round_is_made_by_what_the_one_before_trained(
    plan: Plan, make_translator: Maker, make_decoder: Made, to_french: Backwards
) -> None:
    """Made, trained on, made again; a model that has become weak stops the next round."""
    log: list[str] = []
    decoder = make_decoder(to_french)

    def models(number: int, source: str, target: str) -> Translator:
        log.append(f"models {number} {source}-{target}")
        return make_translator(decoder, f"round-{number}")

    def train(made: Round) -> None:
        log.append(f"train {made.number}")
        decoder.translate = lambda text: "spoilt"

    rounds = back_translation(BackTranslation(rounds=3), plan, models, train)
    next(rounds)
    with pytest.raises(WeakTranslatorError):
        next(rounds)
    asked = [[f"models {n} fr-en", f"models {n} en-fr"] for n in (1, 2)]
    assert log == [*asked[0], "train 1", *asked[1]]


def test_the_decoding_is_that_of_the_settings(
    plan: Plan, make_translator: Maker, to_french: Backwards, codec: Codec
) -> None:
    """Sources may be drawn; the measure stays greedy."""
    seen: list[Decoding] = []

    def decode(model: object, rows: Any, decoding: Decoding, number: int) -> list[list[list[int]]]:
        seen.append(decoding)
        texts = [to_french(codec.decode(row[1:])) for row in rows]
        return [[codec.encode_target(text, "fr")] for text in texts]

    one = Plan(plan.texts, {("en", "fr"): 4}, plan.dev, 1)
    _rounds(one, make_translator(decode), rounds=1, decoding=Decoding(sample=True))
    assert [decoding.sample for decoding in seen] == [False] * 5 + [True]


def test_unfit_sources_are_dropped_and_a_round_of_nothing_else_is_refused(
    plan: Plan, make_translator: Maker, make_decoder: Made, to_french: Backwards
) -> None:
    """Planted copies among good ones; then nothing but copies."""
    texts = plan.texts["fr"][:6]
    some = make_decoder(lambda text: text if text in texts[:2] else to_french(text))
    making = Making(BackTranslation().filters, seed=1, limit=10)
    made = make(1, ("en", "fr"), texts, make_translator(some), making)
    assert made.rows == [(to_french(text), text) for text in texts[2:]]
    assert made.sifted.dropped == {"copied": 2}
    copies = make_translator(make_decoder(str), "copies")
    with pytest.raises(SynthesisError, match="dropped 6 copied: nothing is left to train on"):
        make(1, ("en", "fr"), texts, copies, making)


def test_what_is_missing_is_named(
    plan: Plan, make_translator: Maker, make_decoder: Made, to_french: Backwards
) -> None:
    """Text, a dev set, or letters for the marker."""
    translator = make_translator(make_decoder(to_french))
    bare = Plan({"en": plan.texts["en"]}, plan.real, plan.dev, 1)
    with pytest.raises(SynthesisError, match="no monolingual text of fr: give some"):
        _rounds(bare, translator)
    unmeasured = Plan(plan.texts, plan.real, plan.dev[:1], 1)
    with pytest.raises(SynthesisError, match="no dev set of fr-en"):
        _rounds(unmeasured, translator)


def test_a_marker_that_cannot_be_spelt_is_refused(codec: Codec) -> None:
    """With byte fallback every marker can; without, an unknown piece would be no marker."""
    check_marker(codec, "<汉>")

    class Bare:
        def encode(self, text: str) -> list[int]:
            return [UNK]

    with pytest.raises(SynthesisError, match="cannot spell the marker '<汉>'"):
        check_marker(Codec(Bare(), 9), "<汉>")  # type: ignore[arg-type]
