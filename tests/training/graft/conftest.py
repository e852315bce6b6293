"""A graft of a toy tongue onto the toy parent, done once; and copies of it to be changed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lingraft.training.cli import main
from lingraft.training.recipe.loading import load_recipe
from lingraft.training.recipe.recipes import GraftRecipe

# What a starter's recipe says: the parent's directions are kept and served in 8 bits alone.
KEPT = (
    ("[gate]", "[gate]\nmax_parent_loss = 99"),
    ("seeds = 1", 'seeds = 1\nprecisions = ["int8"]\nzero_shot = false'),
    (
        "[[parent_test]]",
        '[[parent_dev]]\nname = "toy old dev"\npath = "old-dev.tsv"\nsource = "en"\n'
        'target = "fr"\n\n[[parent_test]]',
    ),
)

RECIPE = """\
task = "graft"
name = "toy-graft"
display_name = "Toy Yoruba"
licence = "CC0-1.0"
parent = "{parent}"
dev_sentences = 6
parity_sentences = 8
seeds = 1
weaknesses = ["verse"]

[training]
warmup_steps = 10
max_steps = 60
batch_tokens = 600
evaluate_every = 30
save_every = 30
average_last = 2
precision = "fp32"
threads = 1

[grid]
learning_rates = [3e-3, 1e-2]
dropouts = [0.0]
trial_steps = 15

[gate]
resamples = 300

[[train]]
name = "toy en-yo"
path = "train.tsv"
source = "en"
target = "yo"
licence = "CC-BY-4.0"

[[rehearsal]]
name = "toy en-fr"
path = "rehearsal.tsv"
source = "en"
target = "fr"
licence = "CC-BY-SA-4.0"
weight = 0.5

[[dev]]
name = "toy dev"
path = "dev.tsv"
source = "en"
target = "yo"

[[test]]
name = "toy test"
path = "test.tsv"
source = "en"
target = "yo"

[[parent_test]]
name = "toy old"
path = "old.tsv"
source = "en"
target = "fr"
"""

Rows = Sequence[Sequence[str]]


@dataclass(frozen=True)
class Toy:
    """A graft's recipe on disk, its data beside it, and the folder of its run."""

    recipe: Path
    output: Path

    @property
    def report(self) -> dict[str, Any]:
        """report.json."""
        content: dict[str, Any] = json.loads((self.output / "report.json").read_text("utf-8"))
        return content

    @property
    def manifest(self) -> dict[str, Any]:
        """bundle.json."""
        path = self.output / "bundle" / "bundle.json"
        content: dict[str, Any] = json.loads(path.read_text("utf-8"))
        return content

    def graft(self, *more: str) -> int:
        """Exit status of the command."""
        return main(["graft", str(self.recipe), "--output", str(self.output), *more])

    def load(self) -> GraftRecipe:
        """The recipe."""
        recipe = load_recipe(str(self.recipe))
        assert isinstance(recipe, GraftRecipe)
        return recipe


@pytest.fixture(scope="package")
def data(
    tmp_path_factory: pytest.TempPathFactory,
    parent_run: Path,
    english: tuple[str, ...],
    to_yoruba: Callable[[str], str],
    to_french: Callable[[str], str],
    write_tsv: Callable[[Path, Rows], Path],
) -> Path:
    """Recipe and data; three rows of train and one of dev stand in other sets too."""
    folder = tmp_path_factory.mktemp("graft-data")
    pairs = [(text, to_yoruba(text)) for text in english]
    dev, test, train = pairs[:24], pairs[24:40], pairs[60:200]
    shouted = [(dev[0][0].upper(), "x"), ("y", f"  {test[0][1].removesuffix('.')}"), test[1]]
    write_tsv(folder / "train.tsv", [*train, *shouted])
    write_tsv(folder / "dev.tsv", [test[2], *dev])
    write_tsv(folder / "test.tsv", test)
    old = [(text, to_french(text)) for text in english[200:248]]
    write_tsv(folder / "old.tsv", old[:8])
    write_tsv(folder / "rehearsal.tsv", old[7:])
    write_tsv(folder / "old-dev.tsv", [(t, to_french(t)) for t in english[248:256]] + old[:1])
    recipe = RECIPE.format(parent=parent_run / "model")
    (folder / "toy.toml").write_text(recipe, encoding="utf-8")
    return folder


@pytest.fixture(scope="package")
def toy(data: Path) -> Toy:
    """The graft, done."""
    toy = Toy(data / "toy.toml", data / "run")
    assert toy.graft() == 0
    return toy


@pytest.fixture
def keeping(changed: Callable[..., Toy], toy: Toy) -> Toy:
    """The same run of a recipe that keeps the parent's directions, not yet exported."""
    kept = changed(*KEPT)
    shutil.copytree(toy.output, kept.output)
    return kept


@pytest.fixture
def changed(data: Path, tmp_path: Path) -> Callable[..., Toy]:
    """A copy of recipe and data with some of the recipe's text replaced, not yet grafted."""

    def change(*replacements: tuple[str, str]) -> Toy:
        for path in data.iterdir():
            if path.is_file():
                shutil.copy(path, tmp_path / path.name)
        text = (tmp_path / "toy.toml").read_text(encoding="utf-8")
        for old, new in replacements:
            assert old in text
            text = text.replace(old, new)
        (tmp_path / "toy.toml").write_text(text, encoding="utf-8")
        return Toy(tmp_path / "toy.toml", tmp_path / "run")

    return change
