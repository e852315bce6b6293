"""`--dry-run`: the plan is what the run then does, its faults are the run's, and nothing stays."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lingraft.training.errors import TrainingError
from lingraft.training.graft import graft
from lingraft.training.models.marian import load_model, read_weights
from lingraft.training.planning.dry_run import plan
from lingraft.training.pretrain import pretrain
from lingraft.training.recipe.loading import load_recipe
from lingraft.training.recipe.recipes import PretrainRecipe

Change = Callable[..., Any]


def _runs_on_disk(output: Path) -> set[str]:
    states = output.rglob("checkpoint/state.json")
    return {path.parents[1].relative_to(output).as_posix() for path in states}


def _kept_bytes(output: Path) -> int:
    """Checkpoints and snapshots of all runs."""
    files = [path for path in output.rglob("*") if path.suffix in (".safetensors", ".pt")]
    runs = _runs_on_disk(output)
    inside = [f for f in files if any(f.is_relative_to(output / run) for run in runs)]
    return sum(path.stat().st_size for path in inside)


def test_the_plan_names_every_run_that_the_graft_then_has(toy: Any) -> None:
    """No more and no fewer, and of a finished graft it finds all of them finished."""
    planned = plan(toy.load(), toy.output)
    assert {run.folder for run in planned.runs} == _runs_on_disk(toy.output)
    assert len(planned.runs) == 3 * (2 + 1)  # arms; trials and runs
    assert all(run.found(toy.output) == (run.settings.max_steps, True) for run in planned.runs)
    assert planned.seconds_left < planned.seconds
    assert any("graft/run: step 60 of 60, finished" in line for line in planned.as_lines())


def test_a_plan_trains_nothing_and_leaves_nothing(changed: Change) -> None:
    """Neither in the output nor beside the data."""
    toy = changed()
    before = sorted(toy.recipe.parent.rglob("*"))
    planned = plan(toy.load(), toy.output)
    assert sorted(toy.recipe.parent.rglob("*")) == before
    assert not toy.output.exists()
    assert planned.seconds_left == planned.seconds > 0
    assert "  no run" in planned.as_lines()


def test_controls_may_be_tuned_over_learning_rates_of_their_own(changed: Change) -> None:
    """The graft keeps the grid's; every trial and run of a control has those of the controls."""
    own = ("[grid]", "[controls]\nlearning_rates = [0.02, 0.04, 0.06]\n\n[grid]")
    planned = plan(changed(own).load(), Path("nowhere"))
    rates = {
        arm: [r.settings.learning_rate for r in planned.runs if (r.arm, r.kind) == (arm, "trial")]
        for arm in planned.speeds
    }
    assert len(rates["graft"]) == 2
    assert rates["scratch"] == [0.02, 0.04, 0.06]
    assert not set(rates["graft"]) & set(rates["scratch"])


def test_rows_are_told_as_read_dropped_and_too_long(changed: Change) -> None:
    """Three rows of train stand in dev or test; a side over max_tokens is no example."""
    rows = plan(changed().load(), Path("nowhere")).sources
    train = next(source for source in rows if source.part == "train")
    assert (train.read, train.kept, train.examples, train.too_long) == (143, 140, 280, 0)
    short = changed(("threads = 1", "threads = 1\nmax_tokens = 22")).load()
    train = next(s for s in plan(short, Path("nowhere")).sources if s.part == "train")
    assert train.examples == 280
    assert 0 < train.too_long < 280


def test_sizes_are_those_of_the_real_run(toy: Any, parent_run: Path) -> None:
    """Weights to the last one, and the disk of checkpoints and snapshots within a tenth."""
    planned = plan(toy.load(), toy.output)
    model = load_model(parent_run / "model")
    weights = sum(each.numel() for each in model.parameters() if each.requires_grad)
    assert planned.speeds["graft"].weights == weights
    assert planned.speeds["graft"].memory == 16 * weights
    assert planned.disk == pytest.approx(_kept_bytes(toy.output), rel=0.1)


def test_frozen_weights_need_no_gradients(changed: Change) -> None:
    """They are held once, where the others have a gradient and two moments each."""
    frozen = '[adaptation]\nmethod = "frozen"\nfrozen = ["model.encoder.*"]\n\n[grid]'
    planned = plan(changed(("[grid]", frozen)).load(), Path("nowhere"))
    speed = planned.speeds["graft"]
    assert 0 < speed.trainable < speed.weights
    assert speed.memory == 4 * (speed.weights + 3 * speed.trainable)


def test_stages_come_first_and_what_is_not_counted_is_said(changed: Change) -> None:
    """A stage for each arm and seed; an explanation's trainings are named, and left out."""
    stage = """[explanation]
economy = { shares = [10, 100] }

[[stages]]
method = "pairs"
training = { max_steps = 7 }

[grid]"""
    planned = plan(changed(("[grid]", stage), ("seeds = 1", "seeds = 2")).load(), Path("nowhere"))
    graft_runs = [run.folder for run in planned.runs if run.arm == "graft"]
    assert graft_runs[:2] == ["graft/stages/seed-1/1-pairs", "graft/stages/seed-2/1-pairs"]
    assert graft_runs[-2:] == ["graft/run", "graft/seed-2/run"]
    lines = planned.as_lines()
    assert any("2 x stage 1 pairs of 7 steps" in line for line in lines)
    assert any("data economy: 4 runs more" in line for line in lines)


@pytest.mark.parametrize(
    "fault",
    [
        [("train.tsv", "gone.tsv"), ("old.tsv", "lost.tsv")],
        [('target = "yo"', 'target = "ig"'), ('target = "fr"', 'target = "sw"')],
        [("dev.tsv", "test.tsv")],
        [("[[rehearsal]]", '[transfer]\nmoves = ["parameters"]\n\n[[rehearsal]]')],
    ],
)
def test_a_fault_says_what_it_says_in_the_run(changed: Change, fault: Any) -> None:
    """Files, tags, an empty dev set, a type that does not fit: every fault at once."""
    toy = changed(*fault)
    messages = []
    for go in (plan, graft):
        with pytest.raises(TrainingError) as caught:
            go(toy.load(), toy.output)
        messages.append((type(caught.value), str(caught.value)))
    assert messages[0] == messages[1]


def test_the_plan_of_a_parent_is_its_run(
    parent_recipe_file: Path, parent_run: Path, tmp_path: Path
) -> None:
    """From nothing with its vocabulary yet to come, and found finished where it was trained."""
    recipe = load_recipe(str(parent_recipe_file))
    assert isinstance(recipe, PretrainRecipe)
    fresh = plan(recipe, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    assert [run.found(fresh.output) for run in fresh.runs] == [(0, False)]
    kept = read_weights(parent_run / "best.safetensors")
    drawn = sum(tensor.numel() for name, tensor in kept.items() if "final_logits_bias" not in name)
    assert fresh.speeds[recipe.name].weights == drawn
    done = plan(recipe, parent_run)
    assert [run.found(done.output) for run in done.runs] == [(240, True)]


def test_another_vocabulary_is_the_plans_fault_too(
    parent_recipe_file: Path, parent_run: Path
) -> None:
    """With the path that the run would name."""
    recipe = load_recipe(str(parent_recipe_file))
    assert isinstance(recipe, PretrainRecipe)
    other = recipe.vocabulary.model_copy(update={"size": 340})
    recipe = recipe.model_copy(update={"vocabulary": other})
    messages = []
    for go in (plan, pretrain):
        with pytest.raises(TrainingError) as caught:
            go(recipe, parent_run)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]


def test_an_explanation_that_cannot_be_made_is_refused_by_the_plan_too(changed: Change) -> None:
    """With the words of the run."""
    wanted = ("[grid]", "[vocabulary]\nmethod = \"extend\"\nsize = 20\nrows = \"random\"\n\n"
              "[explanation.checkpoints]\n\n[grid]")  # fmt: skip
    toy = changed(wanted)
    said = []
    for look in (plan, graft):
        with pytest.raises(TrainingError) as caught:
            look(toy.load(), toy.output)
        said.append(str(caught.value))
    assert said[0] == said[1]
    assert "explanation.checkpoints: earlier parents know the old pieces alone" in said[0]
