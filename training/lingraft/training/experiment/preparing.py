"""What is looked at before any text is read: the parent, the type of the transfer, its settings."""

from __future__ import annotations

from dataclasses import dataclass

from lingraft.training.experiment.explaining import require_explicable
from lingraft.training.experiment.typed import TypedTransfer, typed_translation
from lingraft.training.parents.find import ParentModel, find_parent, fitted
from lingraft.training.recipe.recipes import GraftRecipe


@dataclass(frozen=True)
class Prepared:
    """A translation recipe that fits its parent.

    recipe: with no example longer than the parent has positions, in any stage.
    """

    recipe: GraftRecipe
    parent: ParentModel
    typed: TypedTransfer


def prepare(recipe: GraftRecipe) -> Prepared:
    """Find the parent and refuse what cannot be done with it.

    Raises:
        ParentError: there is no such parent.
        RecipeError: the data does not fit the kind of transfer, or the explanation cannot be made.
        CheckpointError: the parent's run kept too few milestones for a scan.
    """
    parent = find_parent(recipe.parent)
    stages = [
        stage.model_copy(update={"training": stage.training and fitted(stage.training, parent)})
        for stage in recipe.stages
    ]
    training = fitted(recipe.training, parent)
    recipe = recipe.model_copy(update={"training": training, "stages": stages})
    typed = typed_translation(recipe, parent.languages)
    require_explicable(recipe, parent)
    return Prepared(recipe, parent, typed)
