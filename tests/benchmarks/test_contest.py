"""Who is compared with whom, in which rounds, and what a row says."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from benchmarks import settings
from benchmarks.cases import Case, fixed_cases, lengths_of
from benchmarks.contest import (
    CT2,
    OURS,
    TORCH,
    Arena,
    Effort,
    Played,
    best_variant,
    play,
    share_identical,
    share_leading,
)
from benchmarks.workers.process import Timed, Variant

_CASE = Case("natural", (((5, 0), (6, 0)),), beams=1, least=0, most=9)
_SAME = [[5, 6, 0], [7, 0]]


class FakeArena(Arena):
    """Engines that take as long as their name says, in hundredths of a second."""

    def __init__(self) -> None:
        super().__init__(Path(), 1, "int8")
        self.ran: Counter[str] = Counter()

    def run(self, variant: Variant, case: Case) -> Timed:
        """Five tokens in the time of the variant's name."""
        self.ran[variant.name] += 1
        return Timed(float(variant.name) / 100, _SAME)


def test_the_best_setting_is_the_fastest_of_those_tried() -> None:
    """Each is tried as often as the others, but one that is hopeless only once."""
    arena = FakeArena()
    variants = [Variant(name, "") for name in ("30", "10", "20")]
    assert best_variant(arena, _CASE, variants, trials=2).name == "10"
    assert arena.ran == {"30": 1, "10": 2, "20": 2}


def test_a_single_setting_is_not_tried() -> None:
    """There is nothing to choose."""
    arena = FakeArena()
    assert best_variant(arena, _CASE, [Variant("30", "")], trials=2).name == "30"
    assert not arena.ran


def test_the_slow_peer_runs_in_the_first_rounds_only() -> None:
    """It is paired with those rounds of ours, not with later ones."""
    arena = FakeArena()
    settings = {OURS: Variant("10", ""), CT2: Variant("25", ""), TORCH: Variant("80", "")}
    played = play(arena, _CASE, settings, Effort(trials=1, rounds=5, slow_rounds=2))
    assert arena.ran == {"10": 5, "25": 5, "80": 2}
    row = played.row(_SAME)
    assert row["ratio_ctranslate2"] == pytest.approx(2.5)
    assert row["ratio_transformers"] == pytest.approx(8.0)


def test_a_row_has_what_the_file_promises() -> None:
    """Rates of all three, both ratios, the share of identical answers, the settings taken."""
    ours, theirs = Timed(0.1, [[5, 6, 0], [7, 9, 0]]), Timed(0.5, _SAME)
    settings = {OURS: Variant("a", ""), CT2: Variant("b; 8 a batch", ""), TORCH: Variant("c", "")}
    row = Played(_CASE, settings, {OURS: [ours], CT2: [theirs], TORCH: [theirs]}).row(_SAME)
    assert (row["name"], row["lingraft"]) == ("natural", 60.0)
    assert row["ctranslate2"] == row["transformers"] == 10.0
    assert row["ratio_ctranslate2"] == row["ratio_transformers"] == 6.0
    assert (row["identical"], row["identical_ctranslate2"]) == (0.5, 1.0)
    assert row["identical_to_ctranslate2"] == 0.5
    assert row["leading_tokens"] == 0.8
    assert row["setting"] == {OURS: "a", CT2: "b; 8 a batch", TORCH: "c"}


def test_ratios_are_of_tokens_per_second_when_answers_differ_in_length() -> None:
    """An engine that says less in the same time is no faster."""
    ours, theirs = Timed(1.0, [[5, 6]]), Timed(1.0, [[5, 6, 7, 8]])
    settings = {OURS: Variant("a", ""), CT2: Variant("b", "")}
    row = Played(_CASE, settings, {OURS: [ours], CT2: [theirs]}).row([[5, 6]])
    assert row["ratio_ctranslate2"] == 0.5


def test_every_setting_has_a_name_of_its_own() -> None:
    """Processes and rows are found by these names."""
    tried = [
        *settings.ours((16, 32)),
        *settings.ct2(threads=2),
        *settings.ct2_batching(settings.ct2(threads=1)[0]),
        *settings.torch("int8", rows=32),
    ]
    names = [(variant.engine, variant.name) for variant in tried]
    assert len(set(names)) == len(names)
    assert {engine for engine, _ in names} == {OURS, CT2, TORCH}


def test_transformers_computes_in_fp32_where_the_others_do() -> None:
    """Arithmetic is the same for all in a comparison of fp32."""
    assert {each.options["dtype"] for each in settings.torch("fp32")} == {"float32"}
    assert settings.torch("int8")[0].options["dtype"] == "float32"


def test_shares_count_sentences_and_leading_tokens() -> None:
    """A sentence is identical or not; of one that is not, what comes before still counts."""
    answers, reference = [[1, 2, 3], [4, 9, 6], []], [[1, 2, 3], [4, 5, 6], [7, 8]]
    assert share_identical(answers, reference) == 0.3333
    assert share_leading(answers, reference) == 0.5


def test_fixed_cases_are_the_six_of_the_table_and_always_the_same() -> None:
    """25 tokens in and 25 out, for all engines."""
    cases = list(fixed_cases(32_000))
    names = ["greedy-b1", "greedy-b8", "greedy-b32", "beam4-b1", "beam4-b8", "beam4-b32"]
    assert [case.name for case in cases] == names
    assert cases == list(fixed_cases(32_000))
    for case in cases:
        size = int(case.name.rpartition("b")[2])
        assert {len(batch) for batch in case.batches} == {size}
        assert {len(sentence) for sentence in case.sentences} == {25}
        assert case.least == case.most == 25
        ids = {each for sentence in case.sentences for each in sentence[:-1]}
        assert ids <= set(range(2, 31_999))
        assert {sentence[-1] for sentence in case.sentences} == {0}
        assert len(set(case.sentences)) == len(case.sentences) >= 8


def test_lengths_are_counted_without_the_sentences() -> None:
    """Nothing of the text is in the file."""
    assert lengths_of([[1], [1, 2, 3], [1, 2]]) == {
        "least": 1,
        "median": 2,
        "mean": 2.0,
        "most": 3,
    }
