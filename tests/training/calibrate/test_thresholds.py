"""Thresholds for stated false alarms: kept where they were set, refused where nobody can tell."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from lingraft.training.calibrate import Threshold, ThresholdSets, set_thresholds
from lingraft.training.calibrate.thresholds import binomial_interval
from lingraft.training.errors import DataError
from lingraft.training.recipe.calibration import Calibration, Thresholds

NAMES = ("ham", "spam")


def _scored(ham: int, spam: int, seed: int = 0) -> tuple[Any, list[int]]:
    """Probabilities [N,2] and labels; spam has the higher scores, with an overlap."""
    random = np.random.default_rng(seed)
    scores = np.concatenate([random.beta(1, 8, ham), random.beta(6, 2, spam)])
    return np.stack([1 - scores, scores], axis=1), [0] * ham + [1] * spam


def _set(probabilities: Any, labels: list[int], **settings: Any) -> ThresholdSets:
    given = Thresholds(label="spam", **settings)
    return set_thresholds(probabilities, labels, ["en"] * len(labels), NAMES, given)


def _at(found: ThresholdSets, rate: float) -> Threshold:
    return next(each for each in found.thresholds if each.rate == rate)


@pytest.mark.parametrize("ham", [3000, 3999, 7001])
def test_false_alarms_stay_within_the_rate_and_no_spam_is_given_away(ham: int) -> None:
    """The next lower score of ham would be one false alarm too many."""
    probabilities, labels = _scored(ham, 500)
    found = _set(probabilities, labels)
    scores, truth = probabilities[:, 1], np.array(labels)
    for each in found.thresholds:
        assert each.threshold is not None
        alarms = int((scores[truth == 0] >= each.threshold).sum())
        assert alarms / ham == each.false_positive_rate <= each.rate
        assert alarms + 1 > each.rate * ham
        assert float((scores[truth == 1] >= each.threshold).mean()) == each.recall
        low, high = each.recall_interval
        assert low < each.recall < high
        assert each.false_positive_interval[0] <= each.rate <= each.false_positive_interval[1]
    recalls = [each.recall for each in found.thresholds]
    assert recalls == sorted(recalls)


def test_too_few_examples_are_said_to_be_too_few() -> None:
    """Three false alarms must be expected: 3,000 examples for one in a thousand, 300 for 1%."""
    found = _set(*_scored(2999, 100))
    assert _at(found, 0.001).threshold is None
    assert _at(found, 0.001).reason == "2999 of other labels, under the 3000 needed"
    assert _at(found, 0.01).threshold is not None
    few = _set(*_scored(299, 100))
    assert _at(few, 0.01).reason == "299 of other labels, under the 300 needed"
    assert _at(_set(*_scored(300, 100)), 0.01).threshold is not None
    assert _at(_set(*_scored(4000, 0)), 0.01).reason == "no examples of spam"


def test_scores_that_are_all_alike_give_no_threshold() -> None:
    """A model that is equally sure of too much ham cannot keep the rate."""
    probabilities, labels = _scored(400, 100)
    probabilities[:20] = probabilities[400:] = (0.0, 1.0)
    assert "too many examples" in _at(_set(probabilities, labels), 0.01).reason


def test_the_manifest_holds_what_the_report_tells() -> None:
    """Refused ones too, without figures."""
    found = _set(*_scored(1000, 200), default_rate=0.01)
    assert found.default == "fpr-0.01"
    told, messages = found.as_dict()["thresholds"], found.as_messages()
    assert [each["profile"] for each in told] == ["fpr-0.001", "fpr-0.005", "fpr-0.01"]
    refused, _, strict = messages
    assert (refused.usable, refused.threshold, refused.recall) == (False, 0, 0)
    assert refused.reason
    assert (strict.usable, strict.profile, strict.label) == (True, "fpr-0.01", "spam")
    assert (strict.threshold, strict.recall) == (told[2]["threshold"], told[2]["recall"])
    assert (strict.negatives, strict.positives) == (1000, 200)


def test_each_language_has_its_own_thresholds() -> None:
    """What is enough in one language is not in another."""
    probabilities, labels = _scored(500, 100)
    languages = ["en"] * 450 + ["yo"] * 50 + ["en"] * 50 + ["yo"] * 50
    settings = Thresholds(label="spam", rates=(0.01,))
    found = set_thresholds(probabilities, labels, languages, NAMES, settings)
    assert [(t.language, t.negatives, t.threshold is None) for t in found.thresholds] == [
        ("en", 450, False),
        ("yo", 50, True),
    ]


def test_languages_with_too_few_examples_may_be_taken_together() -> None:
    """One threshold for those, each with what it gives there; what has enough has its own."""
    probabilities, labels = _scored(5000, 900)
    languages = ["en" if place % 5 else ("de", "fr")[place % 2] for place in range(len(labels))]
    settings = Thresholds(label="spam", rates=(0.001, 0.005), pooled=True)
    found = set_thresholds(probabilities, labels, languages, NAMES, settings)
    by = {(each.language, each.rate): each for each in found.thresholds}
    assert [by[code, 0.005].pooled for code in ("de", "en", "fr")] == [True, False, True]
    german, french = by["de", 0.001], by["fr", 0.001]
    assert german.threshold == french.threshold is not None
    spoken, scores, truth = np.array(languages), probabilities[:, 1], np.array(labels)
    ham = scores[(spoken == "de") & (truth == 0)]
    assert (german.negatives, german.reason) == (len(ham), "")
    assert german.false_positive_rate == float((ham >= german.threshold).mean())
    assert found.as_messages()[0].pooled
    alone = set_thresholds(
        probabilities, labels, languages, NAMES, settings.model_copy(update={"pooled": False})
    )
    assert not any(
        each.pooled or each.threshold for each in alone.thresholds if each.language != "en"
    )


def test_a_language_without_examples_of_other_labels_has_no_share_of_false_alarms() -> None:
    """Nothing can be told of it, so it gets no threshold of the others either."""
    probabilities, labels = _scored(700, 105)
    languages = ["en"] * 800 + ["de"] * 5
    settings = Thresholds(label="spam", rates=(0.01,), pooled=True)
    found = set_thresholds(probabilities, labels, languages, NAMES, settings)
    german, english = found.thresholds
    assert (german.threshold, german.pooled) == (None, False)
    assert german.reason == "0 of other labels, under the 300 needed"
    assert english.threshold is not None


def test_languages_together_may_still_be_too_few() -> None:
    """Then each says how many it lacks itself."""
    found = _set(*_scored(250, 50), pooled=True)
    assert _at(found, 0.001).threshold is None
    assert _at(found, 0.001).reason == "250 of other labels, under the 3000 needed"


def test_a_label_that_is_not_there_is_named() -> None:
    """With those that are."""
    probabilities, labels = _scored(10, 10)
    with pytest.raises(DataError, match="'eggs'; the labels are ham, spam"):
        set_thresholds(
            probabilities, labels, ["en"] * 20, NAMES, Thresholds(label="eggs", rates=(0.1,))
        )


def test_the_interval_is_that_of_clopper_and_pearson() -> None:
    """Known values: none of 10, 5 of 10, all of 10."""
    assert binomial_interval(0, 10) == pytest.approx((0.0, 0.3085), abs=1e-4)
    assert binomial_interval(5, 10) == pytest.approx((0.1871, 0.8129), abs=1e-4)
    assert binomial_interval(10, 10) == pytest.approx((0.6915, 1.0), abs=1e-4)


def test_settings_that_contradict_themselves_are_refused() -> None:
    """The default must be one of the rates; a feature must be known."""
    with pytest.raises(ValidationError, match=r"0.02 is not among rates"):
        Thresholds(label="spam", default_rate=0.02)
    with pytest.raises(ValidationError, match="features"):
        Calibration.model_validate({"features": ["fluency"]})
