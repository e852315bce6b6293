"""The cases of the label table: recipes with how many labels of the children they train on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lingraft.training.recipe.experiment import Transfer
from lingraft.training.recipe.loading import load_recipe
from lingraft.training.recipe.recipes import ClassifyRecipe
from lingraft.training.recipe.settings import Labelled

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Case:
    """One classifier with its controls.

    task: what it tells apart.
    recipe: its recipe's file, beside this one.
    seeds: runs of every arm.
    per_label: labelled rows of each class and child language; 0 takes none, None all.
    stages: whether the recipe's stages come before the training on labels.
    without: a language of which nothing is trained or chosen on, and which alone is tested.
    """

    name: str
    task: str
    recipe: str
    seeds: int = 1
    per_label: int | None = None
    stages: bool = False
    without: str | None = None

    def load(self, parent: str, *, seeds: int | None = None, counts: bool = True) -> ClassifyRecipe:
        """The recipe with everything filled in.

        Args:
            parent: a folder, starter or hub id.
            seeds: runs of every arm, where not the case's own.
            counts: whether a table of n-grams stands beside the encoder.
        """
        recipe = load_recipe(str(_HERE / self.recipe))
        assert isinstance(recipe, ClassifyRecipe)
        return recipe.model_copy(
            update={
                **self._left(recipe),
                "name": self.name,
                "parent": parent,
                "seeds": seeds or self.seeds,
                "wide": recipe.wide if counts else None,
                "transfer": self._typed(recipe.transfer),
                "stages": recipe.stages if self.stages else [],
                "monolingual": recipe.monolingual if self.stages else [],
            }
        )

    def _left(self, recipe: ClassifyRecipe) -> dict[str, list[Labelled]]:
        """Train, dev and test."""
        if self.without is None:
            return {"train": self._drawn(recipe), "dev": recipe.dev, "test": recipe.test}
        strange = (self.without, None)  # only rows tell a language that no source does
        kept = {
            part: [source for source in sources if source.language not in strange]
            for part, sources in (("train", recipe.train), ("dev", recipe.dev))
        }
        return {
            **kept,
            "test": [source for source in recipe.test if source.language == self.without],
        }

    def _drawn(self, recipe: ClassifyRecipe) -> list[Labelled]:
        child, most = recipe.transfer.child or (), self.per_label
        if most is None:
            return recipe.train
        others = [source for source in recipe.train if source.language not in child]
        own = [source for source in recipe.train if source.language in child]
        few = [source.model_copy(update={"per_label": most}) for source in own if most]
        return [*others, *few]

    def _typed(self, transfer: Transfer) -> Transfer:
        if self.without:
            return Transfer(kind="transductive", child=(self.without,))
        if self.per_label is None:
            return transfer
        kind = "inductive" if self.per_label else "transductive"
        return transfer.model_copy(update={"kind": kind})


def _topics(labels: int) -> Case:
    return Case(f"topics-{labels}", "topics", "topics.toml", 3, labels)


CASES = (
    _topics(0),
    Case("spam-out", "spam", "spam-out.toml"),
    Case("spam-back", "spam", "spam-back.toml"),
    *(
        Case(f"spam-without-{code}", "spam", "spam-without.toml", without=code)
        for code in ("de", "fr", "hi")
    ),
    _topics(1),
    _topics(4),
    _topics(16),
    _topics(32),
    Case("afrisenti", "sentiment", "afrisenti.toml"),
    Case("nusax", "sentiment", "nusax.toml"),
    Case("topics-0-masked", "topics", "topics.toml", 3, 0, stages=True),
)
