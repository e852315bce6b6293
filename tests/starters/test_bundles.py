"""The models that ship in the repository: whole, small, and told of by figures of their own."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest

from scripts import figures

MODELS = Path(__file__).resolve().parents[2] / "models"
BUNDLES = sorted(path.parent for path in MODELS.glob("*/bundle.json"))
MIB = 1 << 20


@pytest.mark.parametrize("folder", BUNDLES, ids=lambda folder: folder.name)
def test_a_starter_is_what_its_manifest_says(folder: Path) -> None:
    """Every file with its size and hash, none beside them, and none too large to keep."""
    files = json.loads((folder / "bundle.json").read_text("utf-8"))["files"]
    found = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert set(found) == {file["path"] for file in files} | {"bundle.json"}
    for file in files:
        content = found[file["path"]]
        assert len(content) == int(file["sizeBytes"]) < 25 * MIB
        assert hashlib.sha256(content).hexdigest() == file["sha256"]


def test_the_starters_together_stay_small() -> None:
    """They travel with every clone."""
    assert sum(path.stat().st_size for path in MODELS.rglob("*") if path.is_file()) <= 60 * MIB
    langid = [path.stat().st_size for path in (MODELS / "langid").iterdir()]
    assert sum(langid) <= 3 * MIB


def test_the_table_of_figures_is_what_the_manifests_say() -> None:
    """`python scripts/figures.py` was run after the last change of a model."""
    found = figures.figures()
    assert json.loads((MODELS / "figures.json").read_text("utf-8")) == found
    assert (MODELS / "README.md").read_text("utf-8") == figures.as_markdown(found, figures.asked())
    assert not re.search("@[A-Z]+@", figures.asked())  # a figure that was to be filled in
    assert {row["model"] for row in found["classification"]} >= {"langid", "spam", "topic"}
    assert {row["model"] for row in found["translation"]} >= {"translate", "translate-parent"}


def test_a_grafted_direction_stands_with_its_control_and_its_gain(tmp_path: Path) -> None:
    """The parent's own directions have neither."""
    metric = {"name": "chrF++", "value": 31.25, "testSet": "toy en-yo", "size": "9"}
    grafted = {
        "sourceLanguage": "en",
        "targetLanguage": "yo",
        "metrics": [{**metric, "ciLow": 30.0, "ciHigh": 32.0}, {**metric, "name": "BLEU"}],
        "transfer": {"scratch": {"value": 20.0}, "gain": {"value": 11.25}},
    }
    own = {"sourceLanguage": "en", "targetLanguage": "fr", "metrics": [metric]}
    int8 = {
        "precision": "PRECISION_INT8",
        "pairLosses": [
            {"sourceLanguage": "en", "targetLanguage": "yo", "loss": {"value": 0.126}},
            {"sourceLanguage": "en", "targetLanguage": "fr", "loss": {"value": -0.25}},
        ],
    }
    manifest = {"name": "toy", "graphs": [int8], "pairs": [grafted, own]}
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "bundle.json").write_text(json.dumps(manifest), encoding="utf-8")
    first, second = figures.figures(tmp_path)["translation"]
    assert (first["control"], first["gain"], first["interval"]) == (20.0, 11.25, [30.0, 32.0])
    assert (second["chrf"], second["control"], second["gain"]) == (31.25, None, None)
    assert (first["int8_loss"], second["int8_loss"]) == (0.13, -0.25)
    shown = figures.as_markdown(figures.figures(tmp_path))
    assert "| toy | en | yo | toy en-yo | 31.25 | 30.0 to 32.0 | 20.0 |  | 11.25 | 0.13 |" in shown
