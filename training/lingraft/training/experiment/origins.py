"""What an experiment is made of, and the licence that follows from all of it."""

from __future__ import annotations

from lingraft.training.data.licences import strictest
from lingraft.training.parents.find import ParentModel, find_parent
from lingraft.training.recipe.recipes import ClassifyRecipe, GraftRecipe, Labelled, Pairs
from lingraft.training.recipe.synthesis import Monolingual

Source = Pairs | Labelled | Monolingual


def sources_by_use(recipe: GraftRecipe | ClassifyRecipe) -> list[tuple[str, Source]]:
    """All data that is trained on, each with what it is for: training, rehearsal, monolingual,
    and a classifier's parallel text, its bridge."""
    found: list[tuple[str, Source]] = [("training", source) for source in recipe.train]
    if isinstance(recipe, GraftRecipe):
        found += [("rehearsal", source) for source in recipe.rehearsal]
    found += [("monolingual", source) for source in recipe.monolingual]
    if isinstance(recipe, ClassifyRecipe):
        found += [("bridge", source) for source in recipe.bridge]
    return found


def teachers_of(recipe: GraftRecipe | ClassifyRecipe) -> list[ParentModel]:
    """Models whose translations are trained on: of distillation and of translated labels."""
    places = [stage.distillation.teacher for stage in recipe.stages if stage.distillation]
    places += [stage.translate_train.translator for stage in recipe.stages if stage.translate_train]
    return [find_parent(place) for place in dict.fromkeys(places)]


def licence_of(recipe: GraftRecipe | ClassifyRecipe, parent: ParentModel) -> str:
    """The strictest of all text and all weights that the result comes from.

    What a teacher translated comes from its text, so its licence counts as the parent's does.
    """
    models = [parent, *teachers_of(recipe)]
    return strictest(
        [
            recipe.licence,
            *(model.licence for model in models),
            *(source.licence for _, source in sources_by_use(recipe)),
        ]
    )
