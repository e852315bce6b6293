"""The example texts and the embedded starter keep what their READMEs promise."""

from __future__ import annotations

import unicodedata
from itertools import combinations
from pathlib import Path

import pytest

from lingraft.training.data.keys import key
from lingraft.training.data.tables import Table, read_rows
from lingraft.training.models.marian import WEIGHTS_FILE, load_model
from lingraft.training.parents.find import find_parent
from lingraft.training.recipe.loading import load_recipe

_ROOT = Path(__file__).parents[1]
_EXAMPLES = _ROOT / "examples"
_PARTS = ("train", "dev", "test")
_STARTER = _ROOT / "models" / "parent-xs"


def _rows(example: str, part: str) -> list[tuple[str, ...]]:
    return read_rows(Table(str(_EXAMPLES / example / f"{part}.tsv"), (0, 1)))


@pytest.mark.parametrize("example", ["hawaiian", "spam"])
def test_no_sentence_stands_in_two_splits(example: str) -> None:
    """Train, dev and test share no text, whatever its case or closing punctuation."""
    sides = (0, 1) if example == "hawaiian" else (0,)
    for side in sides:
        parts = [{key(row[side]) for row in _rows(example, part)} for part in _PARTS]
        assert all(not (a & b) for a, b in combinations(parts, 2))


def test_the_phrasebook_is_large_enough_and_composed() -> None:
    """At least 500 English-Hawaiian pairs in NFC, every ʻokina the letter U+02BB."""
    rows = [row for part in _PARTS for row in _rows("hawaiian", part)]
    assert len(rows) >= 500
    for english, hawaiian in rows:
        assert unicodedata.is_normalized("NFC", english + hawaiian)
        assert not set("'`‘’") & set(hawaiian)


def test_the_readmes_say_who_has_not_reviewed_them() -> None:
    """Nobody may take the phrasebook for a native speaker's work."""
    text = (_EXAMPLES / "hawaiian" / "README.md").read_text(encoding="utf-8").lower()
    assert "native speaker" in text


@pytest.mark.parametrize("path", sorted(_EXAMPLES.rglob("*.toml")), ids=lambda p: p.name)
def test_every_example_recipe_parses(path: Path) -> None:
    """A recipe that is shipped is a recipe that runs."""
    assert load_recipe(str(path)).name


def test_the_starter_is_small_and_knows_its_languages() -> None:
    """At most 25 MB of fp16 weights, with tags for the languages it was made for."""
    assert (_STARTER / WEIGHTS_FILE).stat().st_size <= 25_000_000
    parent = find_parent("parent-xs")
    assert parent.languages == ("de", "en", "es", "fr")
    assert all(map(parent.codec.has_language, ("en", "fr", "de", "es", "yo", "haw", "sd")))


def test_the_starter_spells_the_languages_it_will_meet() -> None:
    """Letters of Yoruba, Hawaiian and Sindhi survive the vocabulary without byte fallback."""
    codec = find_parent("parent-xs").codec
    for language, text in (
        ("yo", "Ẹ káàárọ̀, ṣé dáadáa ni?"),
        ("haw", "Aloha kāua i kēia lā ʻoluʻolu."),
        ("sd", "هي ڪتاب سٺو آهي."),
    ):
        ids = codec.encode_target(text, language)
        assert codec.decode(ids) == text
        assert not any(codec.spm.is_byte(i) for i in ids)


def test_the_starter_loads_with_its_padding_kept_silent() -> None:
    """The weights are finite, and the padding piece has no embedding."""
    model = load_model(find_parent("parent-xs").folder)
    table = model.get_input_embeddings().weight
    assert bool(table.isfinite().all())
    assert float(table[model.config.pad_token_id].detach().abs().sum()) == 0.0
