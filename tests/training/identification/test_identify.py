"""A language identifier from recipe to bundle."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lingraft.training.cli import main
from lingraft.training.errors import RecipeError
from lingraft.training.identify import identify
from lingraft.training.recipe.loading import load_recipe
from lingraft.training.recipe.recipes import IdentifyRecipe

RECIPE = """\
task = "identify"
name = "toy-langid"
licence = "CC0-1.0"

[ngrams]
orders = 4
bits = 12

[training]
epochs = 4
batch = 100
per_language = 300
outliers = 300

[[train]]
name = "stories"
path = "stories.tsv"
languages = ["en", "yo"]
header = true
column = "{language}"
licence = "CC-BY-SA-4.0"
lines = "even"

[[train]]
name = "old en"
path = "{language}.txt"
languages = ["en"]

[[dev]]
name = "stories, odd lines"
path = "stories.tsv"
languages = ["en", "yo"]
header = true
column = "{language}"
lines = "odd"
sample = 40

[[strange_dev]]
name = "strangers"
path = "strangers.txt"

[[test]]
name = "test"
path = "test.tsv"
languages = ["en", "yo"]
header = true
column = "{language}"

[[strange_test]]
name = "strangers"
path = "strangers.txt"
"""
_STRANGERS = ("Мы ждём лодку.", "ta kala ui järves", "12 345", "qwpz xkjd vbnm", "x[i] = (y, z);")


@pytest.fixture
def recipe(tmp_path: Path, english: tuple[str, ...], to_yoruba: Callable[[str], str]) -> Path:
    """The recipe beside its data; two lines of `old en` stand in dev or test."""
    rows = [(text, to_yoruba(text)) for text in english]

    def table(name: str, some: list[tuple[str, str]]) -> None:
        lines = ["en\tyo", *("\t".join(row) for row in some)]
        (tmp_path / name).write_text("\n".join(lines) + "\n", encoding="utf-8")

    table("stories.tsv", rows[:120])
    table("test.tsv", rows[120:180])
    old = [*english[200:230], english[1], english[150]]
    (tmp_path / "en.txt").write_text("\n".join(old) + "\n", encoding="utf-8")
    (tmp_path / "strangers.txt").write_text("\n".join(_STRANGERS * 6) + "\n", encoding="utf-8")
    path = tmp_path / "toy.toml"
    path.write_text(RECIPE, encoding="utf-8")
    return path


def _load(path: Path) -> IdentifyRecipe:
    recipe = load_recipe(str(path))
    assert isinstance(recipe, IdentifyRecipe)
    return recipe


def test_the_bundle_tells_languages_apart_and_says_how_well(recipe: Path, tmp_path: Path) -> None:
    """Figures with intervals, data with licences and sizes, one 8-bit graph, no text."""
    assert main(["identify", str(recipe), "--output", str(tmp_path / "run")]) == 0
    folder = tmp_path / "run" / "bundle"
    manifest = json.loads((folder / "bundle.json").read_text("utf-8"))
    assert manifest["task"] == "TASK_LANGUAGE_IDENTIFICATION"
    assert manifest["labels"] == ["en", "yo", "und"]
    assert manifest["licence"] == "not stated"  # of a source that does not say
    sizes = {each["name"]: int(each["examples"]) for each in manifest["dataSources"]}
    assert sizes == {"stories": 120, "old en": 30}
    assert [graph["precision"] for graph in manifest["graphs"]] == ["PRECISION_INT8"]
    shares = {each["testSet"]: each for each in manifest["metrics"]}
    for name in ("test en", "test yo", "strangers und"):
        assert shares[name]["value"] > 0.8
        assert shares[name]["ciLow"] <= shares[name]["value"] <= shares[name]["ciHigh"]
    assert "says which language a text is in" in (folder / "README.md").read_text("utf-8")
    report = json.loads((folder / "report.json").read_text("utf-8"))
    assert report["accuracy"]["languages"] > 0.9
    assert (tmp_path / "run" / "report.json").read_bytes() == (folder / "report.json").read_bytes()
    everything = b"".join(path.read_bytes() for path in folder.iterdir())
    assert _STRANGERS[1].encode() not in everything


def test_the_same_recipe_gives_the_same_weights(recipe: Path) -> None:
    """Nothing but seed and text decides."""
    first, second = (identify(_load(recipe)).model for _ in range(2))
    assert (first.table == second.table).all()
    assert first.alphabet == second.alphabet


def test_both_halves_of_a_source_are_disjoint(recipe: Path) -> None:
    """What settles "und" was not trained on; no language that is not taught may be asked for."""
    found = identify(_load(recipe))
    assert len(found.dev) == 80
    faulty = RECIPE.replace(
        'name = "test"\npath = "test.tsv"\nlanguages = ["en", "yo"]',
        'name = "test"\npath = "test.tsv"\nlanguages = ["en", "ha"]',
    )
    recipe.write_text(faulty, encoding="utf-8")
    with pytest.raises(RecipeError, match="ha: no train source is in it"):
        load_recipe(str(recipe))


@pytest.mark.parametrize(
    ("command", "told"),
    [("pretrain", 'needs "pretrain"'), ("graft", "use lingraft-train identify")],
)
def test_another_command_names_the_right_one(
    recipe: Path, command: str, told: str, capsys: Any
) -> None:
    """One line, no traceback."""
    assert main([command, str(recipe)]) == 1
    assert told in capsys.readouterr().err


def test_every_faulty_file_is_named(recipe: Path, capsys: Any) -> None:
    """Not only the first, nor those of one part alone."""
    text = RECIPE.replace("strangers.txt", "no.txt").replace('"stories.tsv"', '"gone.tsv"')
    recipe.write_text(text, encoding="utf-8")
    assert main(["identify", str(recipe)]) == 1
    told = capsys.readouterr().err
    assert "gone.tsv" in told
    assert "no.txt" in told
