"""What is unfit to train on is dropped for its reason, and what is fit is kept."""

from __future__ import annotations

import pytest

from lingraft.training.recipe.synthesis import Filters
from lingraft.training.synthesis.filters import fault, loops, sift

TEXT = "The old boat carries warm bread to the island."
FIT = "Le vieux bateau porte du pain chaud sur cette île."


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (FIT, None),
        ("", "empty"),
        ("  ", "empty"),
        ("Le vieux b\ufffdteau porte du pain chaud.", "broken"),
        (TEXT, "copied"),
        ("the old boat carries warm bread to the island", "copied"),
        ("The old boat carries warm pain to the île.", "copied"),
        ("Le vieux bateau bateau bateau bateau porte du pain.", "loop"),
        ("Le pain sur le pain sur le pain sur le pain sur", "loop"),
        ("Le vieux bateauuuuuuuuuuuuuuu porte du pain.", "loop"),
        ("Oui.", "length"),
        (FIT + " " + " ".join(f"mot{i}" for i in range(25)), "length"),
    ],
)
def test_every_planted_fault_is_found(made: str, reason: str | None) -> None:
    """Under its own name."""
    assert fault(TEXT, made, Filters()) == reason


def test_a_text_that_repeats_itself_may_be_translated_so() -> None:
    """What is in the source is no loop of the model."""
    assert loops("no no no no, said the farmer", 3)
    assert fault("no no no no, said the farmer", "non non non non, dit-il", Filters()) is None
    assert not loops("Ha ha ha! ...... it is the the end", 3)


def test_the_bounds_are_the_settings() -> None:
    """Looser ones keep what the usual ones drop."""
    loose = Filters(max_copied=1.0, max_repeats=9, max_length_ratio=10.0)
    assert fault(TEXT, TEXT, loose) is None
    assert fault(TEXT, "Le vieux bateau bateau bateau bateau porte du pain.", loose) is None
    assert fault(TEXT, "Oui.", loose) is None


def test_what_was_dropped_is_told() -> None:
    """For a machine and for a person."""
    sifted = sift([(TEXT, FIT), (TEXT, TEXT), (TEXT, ""), (TEXT, TEXT)], Filters())
    assert sifted.kept == (0,)
    assert sifted.dropped == {"copied": 2, "empty": 1}
    assert str(sifted) == "kept 1 of 4; dropped 2 copied, 1 empty"
    assert str(sift([(TEXT, FIT)], Filters())) == "kept 1 of 1"
