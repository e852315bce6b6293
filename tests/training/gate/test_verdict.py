"""The gate: its three verdicts, and the bootstrap under them."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from lingraft.training.gate.significance import (
    Comparison,
    Interval,
    Statistics,
    compare,
    holm,
    seeds_needed,
)
from lingraft.training.gate.significance import pool as pool_gains
from lingraft.training.gate.verdict import Verdict, decide
from lingraft.training.measure.metrics import chrf, chrf_of_sums, chrf_statistics

REFERENCES = [
    "the river is quiet at night",
    "two eggs and warm bread",
    "my sister paints a red bird",
    "the old boat carries stones",
    "our teacher hears the rain",
    "a small dog finds the road",
]
GOOD = [*REFERENCES[:4], "our teacher hears a rain", "a small dog finds a road"]
BAD = ["the the", "eggs", "paints red", "boat", "rain rain", "dog"]


def _accuracy(sums: Statistics) -> NDArray[np.float64]:
    return np.asarray(sums[:, 0] / sums[:, 1], dtype=np.float64)


def _right(share: float, items: int = 200) -> Statistics:
    """Items of which this share is right, the same ones first."""
    return np.array([[i < share * items, 1] for i in range(items)], dtype=np.int64)


def _compare(graft: Statistics, control: Statistics, parent: Statistics | None) -> Comparison:
    arms = {"graft": [graft], "control": [control]}
    if parent is not None:
        arms["parent"] = [parent]
    return compare(arms, _accuracy, resamples=500, seed=1)


def test_sums_of_statistics_are_sacrebleus_corpus_score() -> None:
    """So a resample is scored as sacreBLEU would score its sentences."""
    for hypotheses in (GOOD, BAD, REFERENCES):
        sums = chrf_statistics(hypotheses, REFERENCES).sum(axis=0, keepdims=True)
        assert chrf_of_sums(sums)[0] == pytest.approx(chrf(hypotheses, REFERENCES).value, abs=1e-9)


def test_a_resample_is_scored_as_the_corpus_it_is() -> None:
    """Sentences drawn twice count twice."""
    drawn = [0, 0, 3, 5, 5, 5]
    sums = chrf_statistics(BAD, REFERENCES)[drawn].sum(axis=0, keepdims=True)
    corpus = chrf([BAD[i] for i in drawn], [REFERENCES[i] for i in drawn])
    assert chrf_of_sums(sums)[0] == pytest.approx(corpus.value, abs=1e-9)


def test_scores_carry_sacrebleus_signature() -> None:
    """chrF++ is chrF with word order 2."""
    assert chrf(GOOD, REFERENCES).name == "chrF++"
    assert "nw:2" in chrf(GOOD, REFERENCES).signature


def test_a_clear_gain_passes() -> None:
    """The whole interval lies above zero."""
    compared = _compare(_right(0.9), _right(0.5), _right(0.2))
    decision = decide([compared])
    verdict, reason = decision.verdict, decision.reason
    assert verdict is Verdict.PASS
    assert compared.gain.low > 0
    assert reason == f"the gain of {compared.gain} lies above zero"


def test_a_gain_that_may_be_luck_is_held() -> None:
    """The interval holds zero."""
    right = np.random.default_rng(0).integers(0, 2, 60)
    luck = np.stack([right, np.ones_like(right)], axis=1)
    compared = _compare(luck[::-1].copy(), luck, None)
    assert compared.gain.low < 0 < compared.gain.high
    assert decide([compared]).verdict is Verdict.HOLD


def test_identical_systems_are_held_with_an_interval_of_zero() -> None:
    """Paired resamples of the same answers differ by nothing at all."""
    compared = _compare(_right(0.7), _right(0.7), _right(0.7))
    assert (compared.gain.value, compared.gain.low, compared.gain.high) == (0.0, 0.0, 0.0)
    assert decide([compared]).verdict is Verdict.HOLD


def test_a_clear_loss_is_refused() -> None:
    """Negative transfer is called by its name."""
    decision = decide([_compare(_right(0.3), _right(0.8), _right(0.1))])
    verdict, reason = decision.verdict, decision.reason
    assert verdict is Verdict.REFUSE
    assert reason.startswith("negative transfer")


def test_one_bad_direction_refuses_all() -> None:
    """A gain in one direction does not pay for harm in another."""
    good, bad = (_compare(_right(a), _right(b), None) for a, b in ((0.99, 0.1), (0.4, 0.6)))
    assert pool_gains([good, bad]).low > 0
    assert decide([good, bad]).verdict is Verdict.REFUSE


def test_the_baseline_is_the_better_of_control_and_parent() -> None:
    """A parent that already could do it must be beaten too."""
    assert _compare(_right(0.7), _right(0.2), _right(0.9)).gain.value == pytest.approx(-0.2)
    assert _compare(_right(0.7), _right(0.6), _right(0.1)).gain.value == pytest.approx(0.1)


def test_a_lost_parent_direction_refuses() -> None:
    """Only where the recipe says that it is served, and only beyond what it may lose."""
    gain = [_compare(_right(0.9), _right(0.5), None)]
    decision = decide(gain, [0.4, 1.7], max_parent_loss=1.0)
    verdict, reason = decision.verdict, decision.reason
    assert verdict is Verdict.REFUSE
    assert reason == "a served parent direction lost 1.7, over 1.0"
    assert decide(gain, [0.4, 0.9], max_parent_loss=1.0).verdict is Verdict.PASS
    assert decide(gain, [0.4, 1.7], max_parent_loss=None).verdict is Verdict.PASS


def test_the_bootstrap_is_deterministic_under_its_seed() -> None:
    """The same draws, the same interval, to the last bit."""
    arms = {
        name: [chrf_statistics(texts, REFERENCES)]
        for name, texts in (("graft", GOOD), ("scratch", BAD), ("parent", BAD))
    }
    first, again, other = (compare(arms, chrf_of_sums, 300, seed) for seed in (3, 3, 4))
    assert np.array_equal(first.resampled, again.resampled)
    assert first.gain == again.gain
    assert not np.array_equal(first.resampled, other.resampled)


def test_the_interval_is_that_of_the_binomial() -> None:
    """Against a control that is always wrong the bootstrap must give the textbook's error."""
    compared = _compare(_right(0.5, 400), _right(0.0, 400), None)
    assert compared.gain.value == 0.5
    assert compared.gain.high - compared.gain.low == pytest.approx(2 * 1.96 * 0.025, rel=0.1)


def test_another_test_set_narrows_the_interval() -> None:
    """Two sets of sentences know more than one; the gain is their mean."""
    one = _compare(_right(0.6), _right(0.5), None)
    other = _compare(_right(0.6, 220), _right(0.5, 220), None)
    both = pool_gains([one, other])
    assert both.value == pytest.approx(0.1)
    assert both.high - both.low < one.gain.high - one.gain.low


def test_the_two_directions_of_the_same_sentences_are_no_second_sample() -> None:
    """What goes with the sentence alone is not counted twice."""
    one = _compare(_right(0.6), _right(0.5), None)
    assert pool_gains([one, one]) == one.gain


def test_an_interval_reads_as_people_write_it() -> None:
    """Signs shown; two digits serve points of chrF++ and shares alike."""
    assert str(Interval(5.126, -0.5, 10)) == "+5.13 [-0.50, +10.00]"


def test_seeds_that_disagree_widen_the_interval() -> None:
    """The luck of training is part of the evidence, not only that of the test set."""
    control = [_right(0.5)] * 3
    calm = compare({"graft": [_right(0.6)] * 3, "control": control}, _accuracy, 500, 1)
    wild = {"graft": [_right(0.4), _right(0.6), _right(0.8)], "control": control}
    torn = compare(wild, _accuracy, 500, 1)
    assert calm.gain.value == pytest.approx(torn.gain.value) == pytest.approx(0.1)
    assert calm.gain.shows_gain
    assert not torn.gain.shows_gain
    assert torn.scores["graft"].deviation == pytest.approx(0.2)
    assert calm.scores["graft"].deviation == 0.0
    assert _compare(_right(0.6), _right(0.5), None).scores["graft"].deviation is None


def test_the_gain_is_over_the_best_arm_by_its_mean_over_seeds() -> None:
    """One lucky seed of a control is not its score."""
    arms = {
        "graft": [_right(0.7)],
        "scratch": [_right(0.2), _right(0.9)],
        "random-parent": [_right(0.6), _right(0.6)],
    }
    compared = compare(arms, _accuracy, 300, 1)
    assert compared.baseline == "random-parent"
    assert compared.gain.value == pytest.approx(0.1)


def test_holm_multiplies_by_the_tests_that_are_left() -> None:
    """The smallest by their number, the next by one less, never falling."""
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]) == pytest.approx([1.0, 1.0])
    assert holm([]) == []


def test_many_directions_must_each_be_surer() -> None:
    """A gain that would do alone is held among five others that show nothing."""
    random = np.random.default_rng(5)
    right = (random.random(300) < 0.5).astype(np.int64)
    better = np.where(random.random(300) < 0.07, 1, right)
    ones = np.ones_like(right)
    near = _compare(np.stack([better, ones], 1), np.stack([right, ones], 1), None)
    assert 0.001 < near.p < 0.02
    none = _compare(_right(0.5), _right(0.5), None)
    assert decide([near]).directions[0].verdict is Verdict.PASS
    many = decide([near, *[none] * 60]).directions
    assert many[0].verdict is Verdict.HOLD
    assert many[0].p > 0.05


def test_the_seeds_needed_are_those_of_the_textbook() -> None:
    """36 for one point at a deviation of 1.5 (two-sided 5%, power 80%)."""
    assert seeds_needed(1.5, 1.0) == 36
    assert seeds_needed(0.0, 1.0) == 1


def test_an_ablation_is_told_but_not_to_be_beaten() -> None:
    """What the graft loses without a part of it is no alternative to the graft."""
    arms = {"graft": [_right(0.8)], "random-rows": [_right(0.9)], "scratch": [_right(0.5)]}
    compared = compare(arms, _accuracy, 300, 1)
    assert compared.baseline == "scratch"
    assert compared.over["random-rows"].value == pytest.approx(-0.1)
    assert compared.over["random-rows"].high < 0
