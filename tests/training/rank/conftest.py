"""A child's recipe and its candidates: a parent pretrained on half of the task, a random one."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from lingraft.training.models.marian import load_model, new_model, save_model, shape_of
from lingraft.training.rank.child import Child, load_child
from lingraft.training.recipe.loading import load_recipe
from lingraft.training.recipe.recipes import GraftRecipe

Rows = Sequence[Sequence[str]]

RECIPE = """\
task = "graft"
name = "toy-child"
licence = "CC0-1.0"
parent = "unused"
dev_sentences = 8

[training]
warmup_steps = 5
max_steps = 60
batch_tokens = 600
evaluate_every = 30
save_every = 5
average_last = 2
precision = "fp32"
threads = 1

[grid]
learning_rates = [3e-3, 5e-3, 1e-2]
dropouts = [0.0]
trial_steps = 15

[[train]]
name = "toy en-yo"
path = "train.tsv"
source = "en"
target = "yo"

[[dev]]
name = "toy dev"
path = "dev.tsv"
source = "en"
target = "yo"

[[test]]
name = "toy test"
path = "never-read.tsv"
source = "en"
target = "yo"
"""

LABELS = """\
task = "classify"
name = "toy-labels"
licence = "CC0-1.0"
parent = "unused"
training = { warmup_steps = 5, max_steps = 60, batch_tokens = 600, precision = "fp32", threads = 1 }
grid = { learning_rates = [5e-3], dropouts = [0.0], trial_steps = 5 }
train = [{ name = "a", path = "labels.tsv", language = "yo" }]
dev = [{ name = "b", path = "labels.dev.tsv", language = "yo" }]
test = [{ name = "c", path = "never-read.tsv", language = "yo" }]
"""


def _label(text: str) -> str:
    return "trade" if any(verb in text for verb in ("sells", "carries", "finds")) else "other"


@pytest.fixture(scope="package")
def folder(
    tmp_path_factory: pytest.TempPathFactory,
    english: tuple[str, ...],
    to_yoruba: Callable[[str], str],
    write_tsv: Callable[[Path, Rows], Path],
) -> Path:
    """Both recipes and their data; two rows of train stand in dev as well."""
    folder = tmp_path_factory.mktemp("rank-data")
    pairs = [(text, to_yoruba(text)) for text in english]
    write_tsv(folder / "train.tsv", [*pairs[40:160], *pairs[:2]])
    write_tsv(folder / "dev.tsv", pairs[:24])
    labels = [(there, _label(here)) for here, there in pairs]
    write_tsv(folder / "labels.tsv", labels[40:160])
    write_tsv(folder / "labels.dev.tsv", labels[:24])
    (folder / "child.toml").write_text(RECIPE, encoding="utf-8")
    (folder / "labels.toml").write_text(LABELS, encoding="utf-8")
    return folder


@pytest.fixture(scope="package")
def child(folder: Path) -> Child:
    """The translation child."""
    recipe = load_recipe(str(folder / "child.toml"))
    assert isinstance(recipe, GraftRecipe)
    return load_child(recipe)


@pytest.fixture(scope="package")
def pretrained(parent_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A parent that turns words round, which is half of what the child has to learn."""
    folder = tmp_path_factory.mktemp("candidates") / "pretrained"
    return shutil.copytree(parent_run / "model", folder)


@pytest.fixture(scope="package")
def random_parent(pretrained: Path) -> Path:
    """The same with weights drawn anew: same vocabulary, same size."""
    folder = shutil.copytree(pretrained, pretrained.parent / "random")
    model = load_model(folder)
    save_model(new_model(shape_of(model), model.config.vocab_size, seed=5), folder)
    return folder


@pytest.fixture(scope="package")
def unfit(pretrained: Path) -> Path:
    """A model of another family."""
    folder = shutil.copytree(pretrained, pretrained.parent / "unfit")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    text = json.dumps(config | {"model_type": "t5"})
    (folder / "config.json").write_text(text, encoding="utf-8")
    return folder
