"""Odd texts, and the judge of what a model makes of them."""

from __future__ import annotations

import pytest

from benchmarks.odd import faults_of
from benchmarks.oddities import KINDS, LONGEST, odd_texts


def test_the_same_seed_gives_the_same_texts_of_every_kind() -> None:
    """A thousand, none of them blank, and walls of 5,000 characters among them."""
    texts = odd_texts(1000, seed=1)
    assert texts == odd_texts(1000, seed=1)
    assert texts != odd_texts(1000, seed=2)
    assert len(texts) == 1000
    assert {kind for kind, _ in texts} == {*KINDS, "5,000 characters"}
    assert all(text.strip() for _, text in texts)
    walls = [text for kind, text in texts if kind == "5,000 characters"]
    assert [len(text) for text in walls] == [LONGEST] * 30


@pytest.mark.parametrize(
    ("source", "output", "faults"),
    [
        ("Rain falls.", "La pluie tombe.", []),
        ("Rain falls.", "La pluie tombe tombe tombe tombe.", ["looping"]),
        ("Rain.", "Pluie" + " de la ville et du pays" * 2, []),
        (
            "Rain falls on the road at night while our teacher carries a letter to a friend.",
            "the night of the road of the night, the road of the night of the road, the night of "
            "the road of the night; the road of the night of the road, the night of the road",
            ["packed"],
        ),
        ("Rain falls.", "…", ["empty"]),
        ("Our old boat waits.", "our old boat waits", ["copied"]),
        ("https://example.org/bread", "https://example.org/bread", []),
        ("no no no no no", "non non non non non", []),
    ],
)
def test_faults_are_those_that_the_source_does_not_have(
    source: str, output: str, faults: list[str]
) -> None:
    """Loops, what packs well, what says nothing, and copies."""
    assert faults_of(source, output) == faults
