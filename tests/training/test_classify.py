"""A classifier end to end: labels from a toy parent's encoder, with control, gate and bundle."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from sklearn.metrics import f1_score

from lingraft.training.cli import main
from lingraft.training.errors import DataError
from lingraft.training.experiment.labels import load_labels
from lingraft.training.models.marian import load_model, save_model
from lingraft.training.planning.dry_run import plan
from lingraft.training.recipe.loading import load_recipe
from lingraft.training.recipe.recipes import ClassifyRecipe

RECIPE = """\
task = "classify"
name = "toy-labels"
licence = "CC0-1.0"
parent = "{parent}"
seeds = 1
weaknesses = ["riddles"]

[training]
warmup_steps = 10
max_steps = 80
batch_tokens = 600
evaluate_every = 40
save_every = 40
average_last = 2
label_smoothing = 0.0
precision = "fp32"
threads = 1

[grid]
learning_rates = [1e-2]
dropouts = [0.0]
trial_steps = 5

[gate]
resamples = 300

[[train]]
name = "toy labels"
path = "train.tsv"
language = "en"
licence = "CC-BY-4.0"

[[dev]]
name = "toy dev"
path = "dev.tsv"
language = "en"

[[test]]
name = "toy test"
path = "test.tsv"
language_column = 2
"""

Rows = Sequence[Sequence[str]]


def _label(text: str) -> str:
    """Trade is what we look for; a bit more than a third of the sentences."""
    return "trade" if any(verb in text for verb in ("sells", "carries", "finds")) else "other"


@pytest.fixture(scope="module")
def recipe_file(
    tmp_path_factory: pytest.TempPathFactory,
    parent_run: Path,
    english: tuple[str, ...],
    write_tsv: Callable[[Path, Rows], Path],
) -> Path:
    """The recipe, its data beside it; two rows of train stand in dev and test."""
    folder = tmp_path_factory.mktemp("labels")
    rows = [(text, _label(text)) for text in english]
    write_tsv(folder / "train.tsv", [*rows[80:260], rows[0], rows[50]])
    write_tsv(folder / "dev.tsv", [*rows[:40], rows[60]])
    write_tsv(folder / "test.tsv", [(*row, "en") for row in rows[40:80]])
    (folder / "toy.toml").write_text(RECIPE.format(parent=parent_run / "model"), "utf-8")
    return folder / "toy.toml"


@pytest.fixture(scope="module")
def run(recipe_file: Path) -> Path:
    """Folder of the classifier's finished run."""
    output = recipe_file.parent / "run"
    assert main(["graft", str(recipe_file), "--output", str(output)]) == 0
    return output


@pytest.fixture
def load(recipe_file: Path, tmp_path: Path) -> Callable[..., ClassifyRecipe]:
    """The recipe with one of its files holding other rows."""

    def changed(name: str, text: str) -> ClassifyRecipe:
        for path in recipe_file.parent.glob("*.t*"):
            shutil.copy(path, tmp_path / path.name)
        (tmp_path / name).write_text(text, encoding="utf-8")
        recipe = load_recipe(str(tmp_path / "toy.toml"))
        assert isinstance(recipe, ClassifyRecipe)
        return recipe

    return changed


def _scores(result: dict[str, Any]) -> dict[str, float]:
    return {arm["name"]: arm["scores"][0] for arm in result["arms"]}


def _json(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def test_the_report_holds_every_figure(run: Path) -> None:
    """Accuracy of graft and control on dev and test, the gain's interval, the verdict."""
    report = _json(run / "report.json")
    assert report["labels"] == ["other", "trade"]
    assert report["verdict"] in ("PASS", "HOLD")
    assert report["rows_dropped_for_overlap"] == 2
    assert report["training_rows"] == 180
    assert report["results"][0]["sentences"] == len(report["examples"]) == 40
    assert report["test_openings"] == 1
    assert (run / "test" / "openings.log").read_text().split().count("served-logits") == 1
    for part in ("dev", "results"):
        (language,) = report[part]
        scores = _scores(language)
        assert scores.keys() == {"graft", "random-parent", "tfidf"}
        assert scores["graft"] > 75
        gain = language["gain"]
        assert gain["value"] == pytest.approx(
            scores["graft"] - scores[language["baseline"]], abs=0.02
        )
        assert gain["low"] <= gain["value"] <= gain["high"]
    assert {arm["steps"] for arm in report["arms"].values() if "steps" in arm} == {80}
    truth, guesses = zip(*((e["label"], e["graft"]) for e in report["examples"]), strict=True)
    expected = f1_score(truth, guesses, average="macro")
    assert _scores(report["results"][0])["graft"] == round(100 * expected, 2)
    table = (run / "report.md").read_text(encoding="utf-8")
    assert table.startswith(f"# toy-labels: {report['verdict']}\n")
    assert "| sentences | metric | graft | random parent | TF-IDF | gain, 95% |" in table


def test_the_bundle_tells_what_was_measured(run: Path) -> None:
    """Labels, languages, accuracy and the comparison with the control."""
    manifest, report = _json(run / "bundle" / "bundle.json"), _json(run / "report.json")
    assert manifest["labels"] == ["other", "trade"]
    assert manifest["languages"] == ["en"]
    scores = _scores(report["results"][0])
    assert round(manifest["metrics"][0]["value"], 2) == scores.pop("graft")
    assert round(manifest["transfer"]["scratch"]["value"], 2) == max(scores.values())
    assert manifest["transfer"]["verdict"] == f"VERDICT_{report['verdict']}"
    assert manifest["limits"]["maxSourceTokens"] == 64
    assert manifest["licence"] == "CC-BY-4.0"


def test_the_same_command_again_trains_nothing_and_opens_nothing(
    run: Path, recipe_file: Path
) -> None:
    """The report is the same, and counts one opening of the test set."""
    report = _json(run / "report.json")
    kept = [*run.glob("*/run/checkpoint/*"), *run.glob("t*/*"), *run.glob("dev/*")]
    before = [path.stat().st_mtime_ns for path in kept]
    assert main(["graft", str(recipe_file), "--output", str(run)]) == 0
    assert _json(run / "report.json") == report
    assert [path.stat().st_mtime_ns for path in kept] == before


def test_an_arm_alone_trains_as_it_does_among_the_others(
    recipe_file: Path, run: Path, tmp_path: Path
) -> None:
    """The control of a classifier too may be another process's work."""
    alone = ["graft", str(recipe_file), "--output", str(tmp_path / "run"), "--arm"]
    assert main([*alone, "random-parent"]) == 0
    curves = []
    for folder in (run, tmp_path / "run"):
        (path,) = folder.glob("random-parent/run/*/state.json")
        curves.append(_json(path)["scores"])
    assert curves[0] == curves[1] != []
    assert not any((tmp_path / "run" / name).exists() for name in ("graft", "test", "bundle"))
    assert main([*alone, "tfidf"]) == 1


def test_without_examples_no_test_message_is_published(
    run: Path, recipe_file: Path, english: tuple[str, ...], tmp_path: Path
) -> None:
    """Neither in the report nor in the bundle."""
    output = shutil.copytree(run, tmp_path / "run")
    assert main(["graft", str(recipe_file), "--output", str(output), "--no-examples"]) == 0
    published = [*output.glob("report.*"), *(output / "bundle").iterdir()]
    contents = b"".join(path.read_bytes() for path in published)
    assert not any(text.encode() in contents for text in english[40:80])


def test_harm_is_refused_unless_there_is_a_reason(
    recipe_file: Path, parent_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A parent whose weights are all zero can learn nothing; the control does better."""
    shutil.copytree(parent_run / "model", tmp_path / "dead")
    dead = load_model(parent_run / "model")
    with torch.no_grad():
        for parameter in dead.parameters():
            parameter.zero_()
    save_model(dead, tmp_path / "dead")
    for path in recipe_file.parent.glob("*.tsv"):
        shutil.copy(path, tmp_path / path.name)
    (tmp_path / "toy.toml").write_text(RECIPE.format(parent=tmp_path / "dead"), "utf-8")
    command = ["graft", str(tmp_path / "toy.toml"), "--output", str(tmp_path / "run")]
    assert main(command) == 1
    assert _json(tmp_path / "run" / "report.json")["verdict"] == "REFUSE"
    assert "--accept-negative" in capsys.readouterr().err
    assert main([*command, "--accept-negative", "to show what harm looks like"]) == 0
    manifest = _json(tmp_path / "run" / "bundle" / "bundle.json")
    assert manifest["transfer"]["acceptedNegativeReason"] == "to show what harm looks like"
    card = (tmp_path / "run" / "bundle" / "README.md").read_text(encoding="utf-8")
    assert "because: to show what harm looks like" in card
    assert "- riddles\n" in card
    assert "- graft: " in card[card.index("## Training") :]


def test_rows_that_stand_in_dev_or_test_are_not_trained_on(recipe_file: Path) -> None:
    """And a row of dev that stands in test is not selected on."""
    recipe = load_recipe(str(recipe_file))
    assert isinstance(recipe, ClassifyRecipe)
    data = load_labels(recipe)
    held_out = [row for part in data.test for row in part.rows]
    assert (len(data.train), len(data.dev), len(held_out), data.dropped) == (180, 40, 40, 2)
    assert not {row[0] for row in data.train} & {row[0] for row in (*data.dev, *held_out)}


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("train.tsv", "two eggs\tother\n", "one label only (other); a classifier needs two"),
        ("dev.tsv", "two eggs\tfruit\n", "dev or test has labels that train lacks: fruit"),
        ("dev.tsv", "two eggs\n", "line 1: 1 columns where 2 were expected"),
    ],
)
def test_faulty_labels_are_named(
    load: Callable[..., ClassifyRecipe],
    name: str,
    text: str,
    fault: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    """One label, a label that train lacks, a row without any."""
    load(name, text)
    assert main(["graft", str(tmp_path / "toy.toml"), "--output", str(tmp_path / "run")]) == 1
    assert fault in capsys.readouterr().err


def test_data_of_which_nothing_is_left_is_refused(
    load: Callable[..., ClassifyRecipe], english: tuple[str, ...]
) -> None:
    """When dev is nothing but test."""
    with pytest.raises(DataError, match="stands in test too; split the data anew"):
        load_labels(load("dev.tsv", f"{english[41]}\tother\n"))


def test_the_plan_names_every_run_and_leaves_nothing(
    run: Path, recipe_file: Path, tmp_path: Path
) -> None:
    """Before: nothing found, nothing written. After: the runs of the loop, all finished."""
    recipe = load_recipe(str(recipe_file))
    assert isinstance(recipe, ClassifyRecipe)
    fresh = plan(recipe, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    assert fresh.seconds_left == fresh.seconds > 0
    done = plan(recipe, run)
    states = run.rglob("checkpoint/state.json")
    assert {r.folder for r in done.runs} == {
        path.parents[1].relative_to(run).as_posix() for path in states
    }
    assert all(each.found(run)[1] for each in done.runs)
    assert any("tfidf" in line for line in done.as_lines())
