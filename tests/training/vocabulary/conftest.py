"""A parent's vocabulary and a child's tongue for it."""

from __future__ import annotations

import random

import pytest

from lingraft.training.vocabulary.codec import trained_spm

_SUBJECTS = ("the baker", "a tall man", "our aunt", "the quiet girl", "his old friend")
_VERBS = ("opens", "washes", "forgets", "borrows", "wants", "draws")
_OBJECTS = ("the heavy door", "two lamps", "a clean shirt", "many letters", "the long rope")
_SWAHILI = {
    "the baker": "mwoka ŋombe",
    "a tall man": "mtu mrefu",
    "our aunt": "shaŋazi yetu",
    "the quiet girl": "msichana mkimya",
    "his old friend": "rafiki wake",
    "opens": "anafuŋua",
    "washes": "anaosha",
    "forgets": "anasahau",
    "borrows": "anaazima",
    "wants": "anataka",
    "draws": "anachora",
    "the heavy door": "mlaŋo mzito",
    "two lamps": "taa mbili",
    "a clean shirt": "shati safi",
    "many letters": "barua nyiŋi",
    "the long rope": "kamba ndefu",
}


def _rows() -> list[tuple[str, str]]:
    rows = [
        (f"{s} {v} {o}.", f"{_SWAHILI[s]} {_SWAHILI[v]} {_SWAHILI[o]}.")
        for s in _SUBJECTS
        for v in _VERBS
        for o in _OBJECTS
    ]
    return random.Random(3).sample(rows, len(rows))


@pytest.fixture(scope="session")
def tongues() -> list[tuple[str, str]]:
    """150 rows (English, a toy Swahili whose ng is a letter that the parent never saw)."""
    return _rows()


@pytest.fixture(scope="session")
def parent_spm(tongues: list[tuple[str, str]]) -> bytes:
    """A SentencePiece model of English alone, with tags for English and French."""
    return trained_spm([english for english, _ in tongues], 400, ["en", "fr"], at_most=True)
