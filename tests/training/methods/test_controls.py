"""The parent of shuffled targets, typed transfer and the explanation, through the journey."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from lingraft.training.errors import CheckpointError, ParentError, RecipeError
from lingraft.training.experiment.typed import typed_translation
from lingraft.training.graft import graft
from lingraft.training.pipeline import Options, Outcome, run_graft
from lingraft.training.recipe.adaptation import Adaptation
from lingraft.training.recipe.experiment import Transfer
from lingraft.training.recipe.explanation import CheckpointScan, Economy, Explanation
from lingraft.training.recipe.settings import Training
from lingraft.training.recipe.stages import Stage
from lingraft.training.report.translation import translation_report

_EXPLANATION = Explanation(
    sentences=6,
    seeds=1,
    line_points=2,
    barrier_points=3,
    blocks=[1],
    economy=Economy(shares=[50, 100]),
    checkpoints=CheckpointScan(checkpoints=2),
)


def test_the_parent_of_shuffled_targets_knows_the_text_but_no_translation(
    shuffled_parent: Path, bench: Any
) -> None:
    """Same pieces, same sentences; what it makes of them is far from the parent's."""
    scores = {
        folder: {
            (s["direction"], s["name"]): s["value"]
            for s in json.loads((folder / "scores.json").read_text(encoding="utf-8"))
        }
        for folder in (shuffled_parent, bench.parent)
    }
    assert (shuffled_parent / "source.spm").read_bytes() == (
        bench.parent / "source.spm"
    ).read_bytes()
    for way in ("en-fr", "fr-en"):
        assert scores[shuffled_parent][way, "chrF++"] < scores[bench.parent][way, "chrF++"] / 2


def test_the_parent_of_shuffled_targets_is_a_control_to_beat(
    bench: Any, shuffled_parent: Path, tmp_path: Path
) -> None:
    """It goes the graft's own way from other weights, and stands in the report."""
    arms = ("random-parent", "shuffled-parent")
    recipe = bench.recipe("shuffled-parent", arms=arms, shuffled=shuffled_parent)
    report = translation_report(graft(recipe, tmp_path), examples=False)
    assert report["arms"].keys() == {"graft", *arms}
    for result in report["results"]:
        scores = {arm["name"]: arm["scores"][0] for arm in result["arms"]}
        assert scores.keys() == {"graft", *arms, "parent"}
        rivals = {name: score for name, score in scores.items() if name != "graft"}
        assert rivals[result["baseline"]] == max(rivals.values())


def test_a_shuffled_parent_of_another_shape_or_other_pieces_is_refused(
    bench: Any, shuffled_parent: Path, tmp_path: Path
) -> None:
    """With the command that makes the right one."""
    other = tmp_path / "extended"
    bench.begun(bench.recipe("extend"), tmp_path)
    shutil.move(tmp_path / "vocabulary-graft", other)
    recipe = bench.recipe("shuffled-parent", arms=("shuffled-parent",), shuffled=other)
    with pytest.raises(ParentError, match="pretrain it by the parent's own recipe with --shuffle"):
        bench.begun(recipe, tmp_path / "run")


@pytest.mark.parametrize(
    ("kind", "faults"),
    [
        (
            "transductive",
            (
                "kind: transductive transfer has no pairs of the child (yo); train holds toy train",
                "kind: transductive transfer needs [[monolingual]] text of the child (yo)",
                "selection: it chooses among [[rehearsal]], and there is none",
            ),
        ),
        (
            "unsupervised",
            (
                "kind: unsupervised transfer has no pairs of the child (yo); train holds toy train",
                "kind: unsupervised transfer needs [[monolingual]] text of the child (yo)",
                "stages: unsupervised transfer learns by denoise and iterate; add them",
            ),
        ),
    ],
)
def test_data_that_does_not_fit_the_kind_is_refused_with_all_faults(
    bench: Any, tmp_path: Path, kind: Any, faults: tuple[str, ...]
) -> None:
    """One message, before anything trains."""
    recipe = bench.recipe("select-importance", rehearsal=[], transfer=Transfer(kind=kind))
    with pytest.raises(RecipeError) as caught:
        graft(recipe, tmp_path / "run")
    heading, *lines = str(caught.value).splitlines()
    assert heading == f"en-yo-select-importance: the data does not fit {kind} transfer:"
    for fault in faults:
        assert any(fault in line for line in lines), fault
    assert not (tmp_path / "run").exists()


def test_inductive_transfer_without_pairs_of_the_child_is_refused(
    bench: Any, tmp_path: Path
) -> None:
    """The transductive recipe, had it forgotten to say so."""
    with pytest.raises(RecipeError, match=r"inductive transfer has pairs of the child \(yo\)"):
        graft(bench.recipe("denoise", transfer=Transfer()), tmp_path / "run")


def test_stages_that_cannot_run_are_refused_at_once(bench: Any, tmp_path: Path) -> None:
    """All of them, before the first one trains."""
    back = bench.recipe("back-translation")
    denoise, iterate = bench.recipe("unsupervised").stages
    masked = Stage(method="masked-lm", training=Training(max_steps=1))
    stages = [*back.stages, denoise, iterate, masked]
    with pytest.raises(RecipeError) as caught:
        graft(back.model_copy(update={"stages": stages, "monolingual": []}), tmp_path / "run")
    assert [line.removeprefix("  - ") for line in str(caught.value).splitlines()[1:]] == [
        "stages, 2: back-translate needs [[monolingual]] text, and there is none",
        "stages, 3: denoise needs [[monolingual]] text, and there is none",
        "stages, 4: iterate needs [[monolingual]] text, and there is none",
        "stages, 5: masked-lm belongs to a classifier; leave it out",
    ]
    french = [bench.text("fr")]
    with pytest.raises(
        RecipeError, match=r"needs pairs into a language of \[\[monolingual\]\] \(fr\)"
    ):
        graft(back.model_copy(update={"monolingual": french}), tmp_path / "run")


def test_the_parents_moments_are_not_kept_across_a_stage(bench: Any, tmp_path: Path) -> None:
    """They are of its last step; in the first stage they may go on."""
    recipe = bench.recipe("denoise")
    keep = Adaptation(optimizer="keep")
    with pytest.raises(RecipeError, match='"keep" it in the first stage that trains'):
        graft(recipe.model_copy(update={"adaptation": keep}), tmp_path)
    first = recipe.stages[0].model_copy(update={"adaptation": keep})
    kept = recipe.model_copy(update={"stages": [first]})
    assert typed_translation(kept, ("en", "fr")).child == ("yo",)


@pytest.fixture(scope="module")
def explained(bench: Any, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """All parts of an explanation, each as small as it can be."""
    recipe = bench.recipe("explanation", explanation=_EXPLANATION)
    folder = tmp_path_factory.mktemp("explained")
    return run_graft(recipe, folder, Options(accepted_negative="a test of the journey"))


def test_the_explanations_parts_stand_in_the_report(explained: Outcome) -> None:
    """Every module, the line, shuffled words, both curves of the economy, both checkpoints."""
    report = json.loads((explained.folder.parent / "report.json").read_text(encoding="utf-8"))
    found = report["explanation"]
    modules = {layer["module"] for layer in found["layers"]}
    assert {module.split()[0].split(".")[0] for module in modules} >= {"encoder", "decoder"}
    assert all(layer["distance"] is not None for layer in found["layers"])
    assert len(found["barrier"]["points"]) == 3
    assert {row["direction"] for row in found["shuffled"]} == {"en-yo", "yo-en"}
    assert found["economy"]["shares"] == [50, 100]
    assert len(found["economy"]["graft"]) == len(found["economy"]["control"]) == 2
    assert found["checkpoints"]["steps"] == [120, 240]
    assert found["checkpoints"]["earliest"] in (120, 240)


def test_the_explanation_is_on_the_page(explained: Outcome) -> None:
    """For people: with the sentences that the figures come down to."""
    page = (explained.folder.parent / "report.html").read_text(encoding="utf-8")
    found = explained.report["explanation"]
    assert "decoder" in page
    assert found["checkpoints"]["sentence"].split(";")[0] in page
    assert "<svg" in page


def test_what_the_explanation_trained_is_kept(bench: Any, explained: Outcome) -> None:
    """A repeated command trains none of it again."""
    folder = explained.folder.parent
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("state.json")}
    assert {"economy", "checkpoints"} <= {path.relative_to(folder).parts[0] for path in before}
    graft(bench.recipe("explanation", explanation=_EXPLANATION), folder)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("state.json")} == before


def test_an_explanation_that_cannot_be_made_is_refused_before_anything_trains(
    bench: Any, tmp_path: Path
) -> None:
    """No pairs of the child, new pieces, a parent that is no run, a run without milestones."""
    changes = {"explanation": _EXPLANATION}
    with pytest.raises(RecipeError, match="shares of the child's pairs, and transductive transfer"):
        graft(bench.recipe("denoise", **changes), tmp_path / "run")
    with pytest.raises(RecipeError, match="earlier parents know the old pieces alone"):
        graft(bench.recipe("extend", **changes), tmp_path / "run")
    bare = tmp_path / "bare" / "model"
    shutil.copytree(bench.parent, bare)
    with pytest.raises(RecipeError, match="is no run of lingraft-train pretrain"):
        graft(bench.recipe("explanation", parent=str(bare), **changes), tmp_path / "run")
    shutil.copytree(bench.parent.parent / "checkpoint", bare.parent / "checkpoint")
    with pytest.raises(CheckpointError, match="0 milestones, and a scan needs two or more"):
        graft(bench.recipe("explanation", parent=str(bare), **changes), tmp_path / "run")
    assert not (tmp_path / "run").exists()
