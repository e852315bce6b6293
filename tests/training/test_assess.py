"""`lingraft-train assess`: a translator as it stands, in a bundle that says its worth."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from lingraft.training.cli import main

Rows = Sequence[Sequence[str]]

RECIPE = """\
task = "assess"
name = "toy-served"
licence = "CC0-1.0"
weaknesses = ["songs"]
parent = "{parent}"
{more}
precisions = ["int8"]
calibration = {{ acceptable_chrf = 60.0 }}
parity_sentences = 24
dev = [{{ name = "toy dev", path = "dev.tsv", source = "en", target = "{target}" }}]
test = [{{ name = "toy test", path = "test.tsv", source = "en", target = "{target}" }}]
"""


@pytest.fixture(scope="module")
def folder(
    tmp_path_factory: pytest.TempPathFactory,
    english: tuple[str, ...],
    to_french: Callable[[str], str],
    write_tsv: Callable[[Path, Rows], Path],
) -> Path:
    """Dev and test, one row of which stands in both."""
    folder = tmp_path_factory.mktemp("assess")
    pairs = [(text, to_french(text)) for text in english]
    write_tsv(folder / "dev.tsv", pairs[60:161])
    write_tsv(folder / "test.tsv", [*pairs[:20], pairs[60]])
    return folder


def _recipe(folder: Path, parent: Path, more: str = "", target: str = "fr") -> str:
    path = folder / f"recipe-{target}-{len(more)}.toml"
    text = RECIPE.format(parent=parent / "model", more=more, target=target)
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.fixture(scope="module")
def bundle(folder: Path, parent_run: Path, parent_recipe_file: Path) -> Path:
    """The bundle of the toy parent."""
    recipe = _recipe(folder, parent_run, f'pretraining = "{parent_recipe_file}"')
    assert main(["assess", recipe, "--output", str(folder / "run")]) == 0
    return folder / "run" / "bundle"


@pytest.fixture(scope="module")
def manifest(bundle: Path) -> dict[str, Any]:
    """bundle.json."""
    content: dict[str, Any] = json.loads((bundle / "bundle.json").read_text("utf-8"))
    return content


def test_every_direction_of_test_has_its_figures_with_an_interval(manifest: dict[str, Any]) -> None:
    """And was taught, as the recipe of its pretraining says."""
    assert [(p["sourceLanguage"], p["targetLanguage"]) for p in manifest["pairs"]] == [
        ("en", "fr"),
        ("fr", "en"),
    ]
    for pair in manifest["pairs"]:
        assert pair["status"] == "PAIR_STATUS_TRAINED"
        chrf = pair["metrics"][0]
        assert (chrf["name"], int(chrf["size"])) == ("chrF++", 21)
        assert 20 < chrf["ciLow"] <= chrf["value"] <= chrf["ciHigh"] <= 100
        assert "transfer" not in pair
    assert "parent" not in manifest


def test_dev_without_what_stands_in_test_calibrates_it(manifest: dict[str, Any]) -> None:
    """101 rows less the one that test has too: exactly as many as calibration asks for."""
    found = [(c["sourceLanguage"], c["language"], int(c["size"])) for c in manifest["calibration"]]
    assert sorted(found) == [("en", "fr", 100), ("fr", "en", 100)]


def test_what_int8_costs_is_told_by_direction(manifest: dict[str, Any]) -> None:
    """On dev, half of the sentences each way."""
    (graphs,) = manifest["graphs"]
    assert graphs["precision"] == "PRECISION_INT8"
    assert [int(loss["loss"]["size"]) for loss in graphs["pairLosses"]] == [12, 12]


def test_the_report_names_weights_and_figures_and_shows_no_text(
    bundle: Path, manifest: dict[str, Any], english: tuple[str, ...]
) -> None:
    """The same figures as the manifest's."""
    text = (bundle / "report.json").read_text("utf-8")
    report = json.loads(text)
    assert len(report["weights"]["sha256"]) == 64
    assert report["test_openings"] == 1
    assert (bundle.parent / "report.json").read_text("utf-8") == text
    first, pair = report["results"][0], manifest["pairs"][0]["metrics"][0]
    assert first["value"] == pytest.approx(pair["value"], abs=0.01)
    assert english[0] not in text


def test_the_card_tells_its_training_and_what_it_is_bad_at(bundle: Path) -> None:
    """Steps of the parent, whether its training has seen the test sets, the recipe's warning."""
    card = (bundle / "README.md").read_text("utf-8")
    assert "- songs\n" in card
    told = card[card.index("## Training") :]
    assert "240 steps" in told
    assert "Text of the test sets stands in 1 rows of it" in told  # the row that dev has too


def test_again_nothing_is_opened(folder: Path, bundle: Path) -> None:
    """The translations of test are kept."""
    recipe = next(folder.glob("recipe-fr-*.toml"))
    before = (bundle / "report.json").read_bytes()
    assert main(["assess", str(recipe), "--output", str(folder / "run")]) == 0
    assert (bundle / "report.json").read_bytes() == before


def test_a_translator_of_unknown_training_says_so(folder: Path, parent_run: Path) -> None:
    """No status is made up for its pairs."""
    assert main(["assess", _recipe(folder, parent_run), "--output", str(folder / "bare")]) == 0
    content = json.loads((folder / "bare" / "bundle" / "bundle.json").read_text("utf-8"))
    assert {pair["status"] for pair in content["pairs"]} == {"PAIR_STATUS_NOT_STATED"}
    assert content["dataSources"][0]["name"].startswith("what ")


@pytest.mark.parametrize(
    ("more", "target", "said"),
    [
        ("", "sw", "its vocabulary has no tag for sw"),
        ('pretraining = "langid"', "fr", 'pretraining is a recipe of task "identify"'),
        ("colour = 1", "fr", "colour"),
    ],
)
def test_a_mistake_is_one_message(
    folder: Path,
    parent_run: Path,
    capsys: pytest.CaptureFixture[str],
    more: str,
    target: str,
    said: str,
) -> None:
    """Before anything is translated."""
    recipe = _recipe(folder, parent_run, more, target)
    assert main(["assess", recipe, "--output", str(folder / "never")]) == 1
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error
    assert not (folder / "never").exists()


def test_what_does_not_go_together_is_told_at_once(
    folder: Path, parent_run: Path, parent_recipe_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A direction that only dev has, and a recipe that trained another model."""
    other = folder / "other.toml"
    other.write_text(parent_recipe_file.read_text("utf-8").replace('"fr"', '"de"'), "utf-8")
    path = Path(_recipe(folder, parent_run, f'pretraining = "{other}"'))
    text = path.read_text("utf-8").replace('"fr" }]\ntest', '"fr" }, EXTRA]\ntest')
    extra = '{ name = "x", path = "dev.tsv", source = "fr", target = "yo" }'
    path.write_text(text.replace("EXTRA", extra), "utf-8")
    assert main(["assess", str(path), "--output", str(folder / "never")]) == 1
    error = capsys.readouterr().err
    assert "dev has fr-yo, yo-fr, which no test set measures" in error
    assert "is in de, en, and parent" in error


def test_test_sets_that_swallow_dev_are_refused(
    folder: Path, parent_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing would be left to calibrate on."""
    path = Path(_recipe(folder, parent_run))
    path.write_text(path.read_text("utf-8").replace("dev.tsv", "test.tsv"), "utf-8")
    assert main(["assess", str(path), "--output", str(folder / "never")]) == 1
    assert "every row of dev stands in test too" in capsys.readouterr().err
