"""The cases of the transfer table: recipes with the size, the budget and the parent filled in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lingraft.training.recipe.experiment import ControlName
from lingraft.training.recipe.loading import load_recipe
from lingraft.training.recipe.recipes import GraftRecipe, PretrainRecipe

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class ParentCase:
    """A parent to pretrain.

    recipe: its recipe's file, beside this one.
    """

    name: str
    recipe: str = "parent.toml"

    def load(self) -> PretrainRecipe:
        """The recipe."""
        recipe = load_recipe(str(_HERE / self.recipe))
        assert isinstance(recipe, PretrainRecipe)
        return recipe


@dataclass(frozen=True)
class ChildCase:
    """A child to graft.

    parent: the case of its parent.
    rows: training pairs to draw; None takes all.
    seeds: runs of every arm.
    training: settings of the loop that differ from the recipe's.
    arms: the controls, where they differ from the recipe's.
    expected: verdicts that the gate may give; a planned negative must not pass.
    """

    name: str
    parent: str
    recipe: str
    rows: int | None
    seeds: int
    training: Mapping[str, Any] = field(default_factory=dict)
    expected: tuple[str, ...] = ("PASS",)
    arms: tuple[ControlName, ...] | None = None

    def load(self, parent: Path) -> GraftRecipe:
        """The recipe with everything filled in; `parent` is the folder of the pretrained model."""
        recipe = load_recipe(str(_HERE / self.recipe))
        assert isinstance(recipe, GraftRecipe)
        first, *others = recipe.train
        steps = self.training.get("max_steps", recipe.training.max_steps)
        share = steps / recipe.training.max_steps
        return recipe.model_copy(
            update={
                "name": self.name,
                "parent": str(parent),
                "seeds": self.seeds,
                "controls": recipe.controls.model_copy(
                    update={} if self.arms is None else {"arms": self.arms}
                ),
                "train": [first.model_copy(update={"sample": self.rows}), *others],
                "training": recipe.training.model_copy(update=dict(self.training)),
                "grid": recipe.grid.model_copy(
                    update={"trial_steps": round(recipe.grid.trial_steps * min(share, 2.0))}
                ),
            }
        )


# Nine, four and one epochs: what a night on two cores allows; every arm of a case has the same.
_FEW = {"max_steps": 600, "evaluate_every": 200, "warmup_steps": 80}
_MORE = {"max_steps": 1200, "evaluate_every": 400, "warmup_steps": 120}
_ALL = {"max_steps": 3000, "evaluate_every": 1000, "warmup_steps": 200}

PARENTS = (
    ParentCase("table-parent"),
    ParentCase("small-parent", "small-parent.toml"),
    ParentCase("strange-parent", "strange-parent.toml"),
)
_ROWS: tuple[ControlName, ...] = ("scratch", "random-rows")
TABLE = (
    ChildCase("yo-1k", "table-parent", "yo.toml", 1000, 3, _FEW, arms=_ROWS),
    ChildCase("yo-4k", "table-parent", "yo.toml", 4000, 3, _MORE),
    ChildCase("yo-all", "table-parent", "yo.toml", None, 1, _ALL),
)
_STOPPED = ("HOLD", "REFUSE")
NEGATIVES = (
    ChildCase("smaller-parent", "small-parent", "yo.toml", 4000, 1, _ALL, _STOPPED),
    ChildCase("wrong-vocabulary", "strange-parent", "yo-kept.toml", 4000, 1, _MORE, _STOPPED),
    ChildCase("random-rows", "table-parent", "es.toml", None, 1, _ALL, _STOPPED),
)
# Languages with little text: the gate's word is taken as it falls.
_ANY = ("PASS", *_STOPPED)
THIN = (
    ChildCase("sd", "table-parent", "sd.toml", None, 1, expected=_ANY),
    ChildCase("haw", "table-parent", "haw.toml", None, 1, expected=_ANY),
)
CHILDREN = (*TABLE, *NEGATIVES, *THIN)
