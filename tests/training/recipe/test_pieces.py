"""The vocabulary table: what contradicts itself is told so, every fault at once."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from lingraft.training.recipe.pieces import VocabularyTransfer

TEXT = {"path": "sw.txt", "language": "sw"}


def _faults(**table: Any) -> dict[str, str]:
    with pytest.raises(ValidationError) as caught:
        VocabularyTransfer.model_validate(table)
    return {str(fault["loc"][0]): str(fault["msg"]) for fault in caught.value.errors()}


def test_an_empty_table_keeps_the_vocabulary() -> None:
    """A recipe that says nothing changes nothing."""
    assert VocabularyTransfer().method == "keep"


@pytest.mark.parametrize(
    "table",
    [
        {"method": "extend", "size": 100, "rows": "align", "temperature": 0.5},
        {"method": "extend", "size": 100, "rows": "random", "languages": ["sw"], "texts": [TEXT]},
        {"method": "replace", "size": 300, "rows": "match"},
    ],
)
def test_a_read_table_can_be_written_and_read_again(table: dict[str, Any]) -> None:
    """Recipes are checked twice, the second time with every default filled in."""
    once = VocabularyTransfer.model_validate(table)
    assert VocabularyTransfer.model_validate(once.model_dump()) == once


def test_keep_takes_no_setting_of_new_pieces() -> None:
    """Each of them is a fault of its own, and all are told."""
    faults = _faults(size=100, rows="random", texts=[TEXT], temperature=2.0)
    assert "method keep adds no pieces" in faults["size"]
    assert "method keep has no new rows" in faults["rows"]
    assert "method keep learns no pieces" in faults["texts"]


@pytest.mark.parametrize("method", ["extend", "replace"])
def test_new_pieces_need_a_size_and_rows(method: str) -> None:
    """Nothing is guessed: how rows begin is what the experiment is about."""
    faults = _faults(method=method)
    assert f"method {method} needs a size" in faults["size"]
    assert f"method {method} needs rows" in faults["rows"]


def test_an_extension_cannot_match() -> None:
    """Its pieces are those that the parent lacks."""
    assert "none can match" in _faults(method="extend", size=9, rows="match")["rows"]


def test_a_whole_vocabulary_has_room_for_bytes() -> None:
    """256 bytes, the specials and the tags come before any letter."""
    assert "300 pieces" in _faults(method="replace", size=299, rows="match")["size"]


@pytest.mark.parametrize("rows", ["random", "match"])
def test_only_averages_have_a_temperature(rows: str) -> None:
    """Where nothing is averaged it would be ignored in silence."""
    table = {"method": "replace", "size": 400, "rows": rows, "temperature": 0.5}
    assert "leave temperature out" in _faults(**table)["temperature"]


def test_an_unknown_language_is_a_fault() -> None:
    """It could have no tag."""
    assert "languages" in _faults(method="extend", size=9, rows="random", languages=["klingon"])
