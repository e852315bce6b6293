"""Instance transfer through the whole journey: what of the parent's text the arms train on."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lingraft.training.data.batches import BatchPlan, epoch_batches
from lingraft.training.errors import RecipeError
from lingraft.training.experiment.jobs import pairs_job
from lingraft.training.experiment.starts import Start
from lingraft.training.experiment.texts import Data, load_data
from lingraft.training.graft import graft
from lingraft.training.recipe.experiment import Transfer
from lingraft.training.recipe.recipes import GraftRecipe
from lingraft.training.report.translation import translation_report
from lingraft.training.run.loop import Job


def _jobs(bench: Any, recipe: GraftRecipe, output: Path) -> tuple[Data, dict[str, Job]]:
    """What each arm trains on at the end."""
    data = load_data(recipe)

    def job(start: Start) -> Job:
        return pairs_job(start, recipe, data, recipe.train, data.train, output)

    return data, {start.name: job(start) for start in bench.begun(recipe, output).starts}


def _visited(job: Job) -> Counter[int]:
    """Examples of each data source in the first epoch's batches."""
    plan = BatchPlan(job.settings.batch_tokens, job.weights, job.seed)
    chosen = np.concatenate(epoch_batches(job.corpus, plan, 0))
    return Counter(job.corpus.group[chosen].tolist())


def test_the_mixs_weights_reach_the_batches(bench: Any, tmp_path: Path) -> None:
    """The parent's share of the recipe, 0.3, of 160 + x examples; from scratch sees none of it."""
    recipe = bench.recipe("mixing", arms=("scratch", "random-parent"))
    data, jobs = _jobs(bench, recipe, tmp_path)
    assert recipe.mixing.parent_share == 0.3
    assert data.mixed is not None
    assert data.mixed.weights == jobs["graft"].weights == jobs["random-parent"].weights
    visits = _visited(jobs["graft"])
    assert visits[0] == 160
    assert visits[1] / visits.total() == pytest.approx(0.3, abs=0.01)
    assert _visited(jobs["scratch"]) == {0: 160}


def test_a_mix_counts_what_an_arm_sees_not_how_many_files(bench: Any, tmp_path: Path) -> None:
    """Two sources are two sources, be one of them the parent's or made by a stage."""
    recipe = bench.recipe("mixing")
    data = load_data(recipe)
    start = bench.begun(recipe, tmp_path).graft
    made = bench.source("made", "yo").model_copy(update={"both_directions": False})
    sources, rows = [*recipe.train, made], [*data.train, data.train[0][:10]]
    weights = pairs_job(start, recipe, data, sources, rows, tmp_path).weights
    sizes = np.array([160, 10, 120])
    shares = np.array(weights) * sizes / np.sum(np.array(weights) * sizes)
    assert shares[2] == pytest.approx(0.3, abs=0.03)
    assert shares[0] / shares[1] == pytest.approx((160 / 10) ** (1 / 5), rel=0.1)


def test_the_report_says_what_the_mix_was(bench: Any, tmp_path: Path) -> None:
    """Of the sources by name."""
    report = translation_report(graft(bench.recipe("mixing"), tmp_path), examples=False)
    mixing = report["transfer"]["mixing"]
    assert mixing["shares"].keys() == {"toy train", "toy rehearsal"}
    assert mixing["parent_share"] == pytest.approx(0.3, abs=0.01)
    assert report["transfer"]["moves"] == ["parameters", "instances"]


@pytest.mark.parametrize("name", ["select-cross-entropy", "select-importance"])
def test_selection_trains_on_the_kept_rows_alone(bench: Any, tmp_path: Path, name: str) -> None:
    """A fifth of the parent's sentences, both ways, beside the child's; the report lists some."""
    recipe = bench.recipe(name)
    made = graft(recipe, tmp_path)
    (kept,) = made.data.rehearsal
    everything = load_data(recipe.model_copy(update={"selection": None})).rehearsal[0]
    assert len(everything) == 60
    assert len(kept) == len(set(kept)) == 12
    assert set(kept) < set(everything)
    _, jobs = _jobs(bench, recipe, tmp_path)
    corpus, codec = jobs["graft"].corpus, made.codec
    seen = {
        codec.decode(corpus.target(i).tolist())
        for i in np.flatnonzero(jobs["graft"].corpus.group == 1).tolist()
    }
    assert seen == {cell for row in kept for cell in row}
    instances = translation_report(made, examples=True)["instances"]
    assert (instances["kept"], instances["of"]) == (12, 60)
    assert instances["method"] == recipe.selection.method
    best, worst = instances["helpful"][0]["score"], instances["harmful"][0]["score"]
    assert best > worst


def test_instances_alone_begin_with_random_weights(bench: Any, tmp_path: Path) -> None:
    """And a control that begins so as well would be the graft itself: it is refused."""
    alone = Transfer(moves=("instances",))
    recipe = bench.recipe("mixing", arms=("scratch",), transfer=alone)
    begun = bench.begun(recipe, tmp_path)
    assert [start.inherits for start in begun.starts] == [False, False]
    same = bench.recipe("mixing", arms=("random-parent",), transfer=alone)
    with pytest.raises(RecipeError, match="random-parent is the same; compare it with scratch"):
        graft(same, tmp_path / "run")
