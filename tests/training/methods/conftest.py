"""Shipped recipes of the methods made small: toy parent, toy text, a few steps, one control."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lingraft.training.cli import main
from lingraft.training.experiment.starts import Begun, begin
from lingraft.training.experiment.texts import load_data
from lingraft.training.graft import Graft, graft
from lingraft.training.parents.find import find_parent
from lingraft.training.recipe.loading import load_recipe
from lingraft.training.recipe.recipes import GraftRecipe
from lingraft.training.recipe.settings import Pairs, Training
from lingraft.training.recipe.stages import Stage
from lingraft.training.recipe.synthesis import Monolingual

Rows = Sequence[Sequence[str]]

STEPS = 12
TRAINING = Training(
    learning_rate=3e-3,
    warmup_steps=2,
    max_steps=STEPS,
    batch_tokens=400,
    evaluate_every=STEPS,
    save_every=STEPS,
    average_last=1,
    precision="fp32",
    threads=1,
)
# As many pieces as the toy text of each recipe is good for.
_SIZES = {"extend": 40, "replace-random": 336, "replace-match": 350, "replace-align": 350}


@dataclass(frozen=True)
class Bench:
    """Toy data on disk, and shipped recipes that read it."""

    parent: Path
    data: Path

    def recipe(
        self,
        name: str,
        *,
        arms: tuple[str, ...] = ("random-parent",),
        shuffled: Path | None = None,
        **changes: Any,
    ) -> GraftRecipe:
        """The shipped recipe `methods/NAME` on the toy: its method's tables, not its budget.

        Args:
            name: of the method.
            arms: the controls.
            shuffled: a parent of shuffled targets.
            changes: settings that are put in last.
        """
        shipped = load_recipe(f"methods/{name}")
        assert isinstance(shipped, GraftRecipe)
        controls = {"arms": arms, "shuffled_parent": shuffled and str(shuffled)}
        small: dict[str, Any] = {
            "parent": str(self.parent),
            "seeds": 1,
            "dev_sentences": 4,
            "parity_sentences": 4,
            "training": TRAINING,
            "grid": {"learning_rates": [3e-3], "dropouts": [0.0], "trial_steps": 2},
            "controls": shipped.controls.model_copy(update=controls),
            "gate": shipped.gate.model_copy(update={"resamples": 300}),
            "stages": [_small(stage) for stage in shipped.stages],
            "vocabulary": shipped.vocabulary.model_copy(update={"size": _SIZES.get(name)}),
            "train": self.pairs("train", shipped.train),
            "rehearsal": self.pairs("rehearsal", shipped.rehearsal),
            "monolingual": [self.text(text.language) for text in shipped.monolingual],
            "dev": self.pairs("dev", shipped.dev),
            "test": self.pairs("test", shipped.test),
            "parent_test": [],
        }
        made = shipped.model_copy(update={**small, **changes})
        return GraftRecipe.model_validate(made.model_dump(warnings=False))

    def pairs(self, part: str, sources: Sequence[Pairs]) -> list[Pairs]:
        """The toy's text for a part, in the tongues of the first source."""
        return [self.source(part, each.target) for each in sources[:1]]

    def source(self, part: str, target: str) -> Pairs:
        """One file of the toy."""
        path = str(self.data / f"{part}.{target}.tsv")
        return Pairs(name=f"toy {part}", path=path, source="en", target=target, licence="CC0-1.0")

    def text(self, language: str) -> Monolingual:
        """Text without translation."""
        path = str(self.data / f"{language}.txt")
        return Monolingual(name=f"toy {language}", path=path, language=language, licence="CC0-1.0")

    def begun(self, recipe: GraftRecipe, output: Path) -> Begun:
        """How every arm starts; nothing is trained."""
        return begin(recipe, find_parent(recipe.parent), load_data(recipe), output)


def _small(stage: Stage) -> Stage:
    training = stage.training and TRAINING
    return stage.model_copy(update={"training": training, "dropout": 0.0})


@pytest.fixture(scope="package")
def bench(
    tmp_path_factory: pytest.TempPathFactory,
    parent_run: Path,
    english: tuple[str, ...],
    to_yoruba: Callable[[str], str],
    to_french: Callable[[str], str],
    write_tsv: Callable[[Path, Rows], Path],
) -> Bench:
    """Dev and test in both tongues over the same English; no other sentence stands twice."""
    folder = tmp_path_factory.mktemp("methods-data")
    for code, translated in (("yo", to_yoruba), ("fr", to_french)):
        pairs = [(text, translated(text)) for text in english]
        for part, rows in (("dev", pairs[:12]), ("test", pairs[12:18]), ("train", pairs[20:100])):
            write_tsv(folder / f"{part}.{code}.tsv", rows)
        write_tsv(folder / f"rehearsal.{code}.tsv", pairs[100:160])
        write_tsv(folder / f"{code}.txt", [[there] for _, there in pairs[160:200]])
    write_tsv(folder / "en.txt", [[text] for text in english[200:240]])
    return Bench(parent_run / "model", folder)


@pytest.fixture(scope="package")
def full(bench: Bench, tmp_path_factory: pytest.TempPathFactory) -> Graft:
    """What the other methods are held against: everything trains."""
    return graft(bench.recipe("full"), tmp_path_factory.mktemp("full"))


@pytest.fixture(scope="package")
def shuffled_parent(parent_recipe_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy parent's own recipe on shuffled targets, by the command."""
    output = tmp_path_factory.mktemp("shuffled-parent")
    command = ["pretrain", str(parent_recipe_file), "--shuffle-targets", "--output", str(output)]
    assert main(command) == 0
    return output / "model"
