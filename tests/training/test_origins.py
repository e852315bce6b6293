"""What a graft is made of: every text, every model that made text, and the licence that follows."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from lingraft.training.experiment.origins import licence_of, sources_by_use, teachers_of
from lingraft.training.parents.find import PROVENANCE_FILE, find_parent
from lingraft.training.recipe.loading import load_recipe
from lingraft.training.recipe.recipes import GraftRecipe


def _taught(teacher: Path) -> GraftRecipe:
    recipe = load_recipe("methods/distil")
    assert isinstance(recipe, GraftRecipe)
    stages = [
        stage.model_copy(
            update={"distillation": stage.distillation.model_copy(update={"teacher": str(teacher)})}
        )
        if stage.distillation
        else stage
        for stage in recipe.stages
    ]
    return recipe.model_copy(update={"stages": stages})


def test_a_teachers_licence_counts_as_the_parents_does(parent_run: Path, tmp_path: Path) -> None:
    """Its translations come from its text; a non-commercial one makes the student so."""
    teacher = shutil.copytree(parent_run / "model", tmp_path / "teacher")
    path = teacher / PROVENANCE_FILE
    told = json.loads(path.read_text(encoding="utf-8")) | {"licence": "CC-BY-NC-4.0"}
    path.write_text(json.dumps(told), encoding="utf-8")
    parent = find_parent(str(parent_run / "model"))
    free, bound = _taught(parent_run / "model"), _taught(teacher)
    assert [model.licence for model in teachers_of(bound)] == ["CC-BY-NC-4.0"]
    assert licence_of(bound, parent) == "CC-BY-NC-4.0"
    assert licence_of(free, parent) != "CC-BY-NC-4.0"


def test_every_text_is_named_with_its_use() -> None:
    """Pairs, the parent's sentences, and text without translation."""
    recipe = load_recipe("methods/back-translation")
    assert isinstance(recipe, GraftRecipe)
    uses = [use for use, _ in sources_by_use(recipe)]
    assert uses.count("training") == len(recipe.train) > 0
    assert uses.count("rehearsal") == len(recipe.rehearsal)
    assert uses.count("monolingual") == len(recipe.monolingual) > 0
