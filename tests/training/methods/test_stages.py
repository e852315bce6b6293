"""Stages through the whole journey: order, resuming, made text, refusals and what is left of it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from lingraft.training.errors import WeakTranslatorError
from lingraft.training.experiment.stages import through_stages
from lingraft.training.experiment.texts import load_data
from lingraft.training.graft import Graft, graft
from lingraft.training.models.marian import digest_of
from lingraft.training.parents.find import find_parent
from lingraft.training.pipeline import Options, Outcome, run_graft
from lingraft.training.recipe.recipes import GraftRecipe
from lingraft.training.report.report import as_html
from lingraft.training.report.translation import translation_report

_ACCEPTED = Options(accepted_negative="a test of the journey")


def _stamps(folder: Path) -> dict[Path, int]:
    """When each checkpoint, and each made text, was written."""
    files = [*folder.rglob("state.json"), *folder.rglob("*.jsonl")]
    assert files
    return {path: path.stat().st_mtime_ns for path in files}


def _trained(folder: Path, arm: str) -> list[str]:
    """The runs of an arm in the order in which they ended."""
    runs = sorted((folder / arm).rglob("state.json"), key=lambda path: path.stat().st_mtime_ns)
    return [path.parent.parent.relative_to(folder / arm).as_posix() for path in runs]


def _again(recipe: GraftRecipe, folder: Path, first: Graft) -> None:
    """The same command again trains nothing, makes nothing and ends at the same weights."""
    before = _stamps(folder)
    assert digest_of(graft(recipe, folder).model) == digest_of(first.model)
    assert _stamps(folder) == before


def test_denoising_comes_before_the_pairs_and_is_not_done_twice(bench: Any, tmp_path: Path) -> None:
    """Transductive: the child's pairs are nobody's, and its directions are scored as zero-shot."""
    recipe = bench.recipe("denoise", arms=("scratch", "random-parent"))
    made = graft(recipe, tmp_path)
    for arm in ("graft", "scratch", "random-parent"):
        assert _trained(tmp_path, arm) == ["stages/seed-1/1-denoise", "run"]
    report = translation_report(made, examples=False)
    assert report["transfer"]["kind"] == "transductive"
    assert report["transfer"]["child"] == ["yo"]
    assert [stage["method"] for stage in report["transfer"]["stages"]] == ["denoise", "full"]
    assert all("zero-shot" in result["test_set"] for result in report["results"])
    assert {result["direction"] for result in report["results"]} == {"en-yo", "yo-en"}
    _again(recipe, tmp_path, made)


def test_the_last_training_goes_on_from_what_the_stages_left(bench: Any, tmp_path: Path) -> None:
    """With a step too small to see, the graft is the model of the stage."""
    recipe = bench.recipe("denoise")
    still = recipe.training.model_copy(update={"max_steps": 1, "evaluate_every": 1})
    grid = recipe.grid.model_copy(update={"learning_rates": [1e-12]})
    made = graft(recipe.model_copy(update={"training": still, "grid": grid}), tmp_path)
    start = bench.begun(recipe, tmp_path).graft
    staged = through_stages(start, made.recipe, made.data, 1, tmp_path)
    assert staged.weights is not None
    name = "model.encoder.layers.0.fc1.weight"
    left, now, began = (
        staged.weights[name],
        made.model.state_dict()[name],
        start.make(0.0, 1).state_dict()[name],
    )
    assert (left - now).abs().max() < 1e-6 < (left - began).abs().max()


def test_a_weak_reverse_model_is_refused(bench: Any, tmp_path: Path) -> None:
    """With its score, what is asked for, and what to do; nothing was made."""
    recipe = _quality(bench.recipe("back-translation"), 99)
    with pytest.raises(WeakTranslatorError) as caught:
        graft(recipe, tmp_path)
    assert "back-translation refused: the model for yo-en has chrF++ " in str(caught.value)
    assert "at least 99 is asked for" in str(caught.value)
    assert "lower minimum_quality" in str(caught.value)
    assert _trained(tmp_path, "graft") == ["stages/seed-1/1-pairs"]  # no round, and no control
    assert not list(tmp_path.rglob("en-yo-*.jsonl"))


def _quality(recipe: GraftRecipe, least: float) -> GraftRecipe:
    stage = recipe.stages[1]
    assert stage.back_translation is not None
    settings = stage.back_translation.model_copy(update={"minimum_quality": least})
    stages = [recipe.stages[0], stage.model_copy(update={"back_translation": settings})]
    return recipe.model_copy(update={"stages": stages})


def test_back_translation_runs_in_rounds_once_the_reverse_model_will_do(
    bench: Any, tmp_path: Path
) -> None:
    """A control that is too weak for it goes on without, and the report says so; killed between
    the rounds and called again, it trains what is left and ends at the same weights."""
    recipe = _quality(bench.recipe("back-translation"), 5)
    made = graft(recipe, tmp_path)
    back = "stages/seed-1/2-back-translate"
    wanted = ["stages/seed-1/1-pairs", f"{back}/round-1", f"{back}/round-2", "run"]
    assert _trained(tmp_path, "graft") == wanted
    assert _trained(tmp_path, "random-parent") == ["stages/seed-1/1-pairs", "run"]
    report = translation_report(made, examples=False)
    assert "notes" not in report["arms"]["graft"]
    (note,) = report["arms"]["random-parent"]["notes"]
    assert note.startswith(
        "2-back-translate stopped: back-translation refused: the model for yo-en"
    )
    assert "What an arm could not do" in as_html(report)
    names = {each["name"]: each["use"] for each in report["provenance"]["data"]}
    assert names == {"toy train": "training", "toy yo": "monolingual"}
    _cut_short(tmp_path / "graft", f"{back}/round-2", "run")
    before = _stamps(tmp_path)
    assert digest_of(graft(recipe, tmp_path).model) == digest_of(made.model)
    assert {path: _stamps(tmp_path)[path] for path in before} == before


def _cut_short(folder: Path, *runs: str) -> None:
    """As if a kill had come before these runs began."""
    for run in runs:
        shutil.rmtree(folder / run)


@pytest.fixture(scope="module")
def unsupervised(bench: Any, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """Text of both tongues and no pair, down to the bundle."""
    recipe = bench.recipe("unsupervised", arms=("scratch",))
    return run_graft(recipe, tmp_path_factory.mktemp("unsupervised"), _ACCEPTED)


def test_without_pairs_the_stages_are_all_of_it(unsupervised: Outcome) -> None:
    """Denoising, then rounds; each direction is scored, and the report names no pairs."""
    folder, report = unsupervised.folder.parent, unsupervised.report
    iterate = "stages/seed-1/2-iterate"
    wanted = ["stages/seed-1/1-denoise", f"{iterate}/round-1", f"{iterate}/round-2"]
    assert _trained(folder, "graft") == wanted
    assert _trained(folder, "scratch")[0] == "stages/seed-1/1-denoise"
    assert report["transfer"]["kind"] == "unsupervised"
    assert [stage["method"] for stage in report["transfer"]["stages"]] == ["denoise", "iterate"]
    assert {result["direction"] for result in report["results"]} == {"en-yo", "yo-en"}
    assert report["training_rows"] == 0
    sources = {s.name: s.examples for s in unsupervised.bundle.data_sources}
    assert sources == {"toy yo": 40, "toy en": 40}


def test_an_unsupervised_graft_is_not_trained_again(bench: Any, unsupervised: Outcome) -> None:
    """Every round is found as it was left."""
    folder = unsupervised.folder.parent
    before = _stamps(folder)
    again = run_graft(bench.recipe("unsupervised", arms=("scratch",)), folder, _ACCEPTED)
    assert _stamps(folder) == before
    assert again.report["results"] == unsupervised.report["results"]


@pytest.fixture(scope="module")
def teacher(bench: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which a graft leaves its model."""
    folder = tmp_path_factory.mktemp("teacher")
    run_graft(bench.recipe("full"), folder, _ACCEPTED)
    return folder / "model"


def test_a_graft_is_kept_as_a_parent_that_speaks_the_child_too(teacher: Path) -> None:
    """So that another graft, or a smaller model, may learn from it."""
    kept = find_parent(str(teacher))
    assert kept.languages == ("en", "fr", "yo")
    assert kept.licence == "CC-BY-SA-4.0"


def test_a_teachers_text_is_made_once_for_all_arms(
    bench: Any, teacher: Path, tmp_path: Path
) -> None:
    """One file for each direction; the student trains on it, but for the share that stays real."""
    recipe = bench.recipe("distil")
    stage = recipe.stages[0]
    settings = stage.distillation.model_copy(update={"teacher": str(teacher)})
    stages = [stage.model_copy(update={"distillation": settings})]
    recipe = recipe.model_copy(update={"stages": stages})
    made = graft(recipe, tmp_path)
    texts = sorted((tmp_path / "teacher").glob("*.jsonl"))
    assert [path.name[:5] for path in texts] == ["en-yo", "yo-en"]
    first_trained = (tmp_path / "graft" / "run" / "checkpoint" / "state.json").stat().st_mtime_ns
    assert all(path.stat().st_mtime_ns < first_trained for path in texts)
    start = bench.begun(recipe, tmp_path).graft
    staged = through_stages(start, recipe, load_data(recipe), 1, tmp_path)
    taught = {
        text
        for line in texts[0].read_text(encoding="utf-8").splitlines()
        for best in json.loads(line)
        for text in best
    }
    real = {row[0]: row[1] for row in made.data.train[0]}
    new = [(source, target) for source, target in staged.rows[0] if target != real[source]]
    assert len(new) > 30
    assert {target for _, target in new} <= taught
    kept = sum(target == real[source] for source, target in staged.rows[0])
    assert kept >= round(settings.real_share * len(real))
    _again(recipe, tmp_path, made)
