"""What the tests of training share: a toy tongue, tiny recipes, a tiny parent."""

from __future__ import annotations

import atexit
import os
import random
import tempfile
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from pathlib import Path

import pytest
import torch

from lingraft.training.pretrain import pretrain
from lingraft.training.recipe.loading import load_recipe
from lingraft.training.recipe.recipes import PretrainRecipe

Rows = Sequence[Sequence[str]]

# Read by `datasets` when it is imported: what tests load must not stay in a person's own cache.
_CACHE = tempfile.TemporaryDirectory(prefix="lingraft-tests-")
atexit.register(_CACHE.cleanup)
os.environ["HF_DATASETS_CACHE"] = _CACHE.name

_WHO = ("the farmer", "my sister", "a small dog", "our teacher", "her brother", "the red bird")
_DOES = ("sees", "finds", "sells", "carries", "likes", "paints", "hears", "moves")
_WHAT = ("a green stone", "two eggs", "warm bread", "a broken cup", "three boxes", "my blue hat")
_ENGLISH = tuple(" ".join(parts) + "." for parts in product(_WHO, _DOES, _WHAT))

_PRETRAIN = """\
task = "pretrain"
name = "toy-parent"
licence = "CC0-1.0"
dev_sentences = 10

[vocabulary]
size = 345
languages = ["en", "fr", "yo"]
sentences_per_language = 200
texts = [
    { language = "en", path = "en-fr.tsv", column = 0 },
    { language = "fr", path = "en-fr.tsv", column = 1 },
    { language = "yo", path = "yo.txt" },
]

[model]
d_model = 32
ffn = 64
heads = 2
encoder_layers = 1
decoder_layers = 1
dropout = 0.0
max_positions = 64

[training]
learning_rate = 1e-2
warmup_steps = 30
max_steps = 240
batch_tokens = 600
max_tokens = 60
evaluate_every = 120
save_every = 20
average_last = 2
precision = "fp32"
threads = 1
milestones = [50, 100]

[[train]]
name = "toy en-fr"
path = "en-fr.tsv"
source = "en"
target = "fr"
licence = "CC0-1.0"

[[dev]]
name = "toy dev"
path = "en-fr.dev.tsv"
source = "en"
target = "fr"
"""


def _to_french(text: str) -> str:
    """The parent's toy tongue: every word backwards."""
    return " ".join(word[::-1] for word in text.removesuffix(".").split()) + "."


def _to_yoruba(text: str) -> str:
    """The child's toy tongue: the parent's, with other vowels."""
    return _to_french(text).translate(str.maketrans("eo", "ẹọ"))


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """Sums of floats depend on the number of threads, and bit-equality is promised on one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def english() -> tuple[str, ...]:
    """288 different English sentences, shuffled once and for all."""
    return tuple(random.Random(7).sample(_ENGLISH, len(_ENGLISH)))


@pytest.fixture(scope="session")
def to_french() -> Callable[[str], str]:
    """Translates English to the tongue that the parent learns."""
    return _to_french


@pytest.fixture(scope="session")
def to_yoruba() -> Callable[[str], str]:
    """Translates English to the tongue that is grafted."""
    return _to_yoruba


@pytest.fixture(scope="session")
def write_tsv() -> Callable[[Path, Rows], Path]:
    """Writes rows to a TSV file and gives its path."""

    def write(path: Path, rows: Rows) -> Path:
        path.write_text("".join("\t".join(row) + "\n" for row in rows), encoding="utf-8")
        return path

    return write


@pytest.fixture(scope="session")
def parent_recipe_file(
    tmp_path_factory: pytest.TempPathFactory,
    english: tuple[str, ...],
    write_tsv: Callable[[Path, Rows], Path],
) -> Path:
    """A recipe of a parent so small that it is trained in seconds, beside its data."""
    folder = tmp_path_factory.mktemp("parent-data")
    pairs = [(text, _to_french(text)) for text in english]
    write_tsv(folder / "en-fr.tsv", pairs[40:])
    write_tsv(folder / "en-fr.dev.tsv", pairs[:20])
    write_tsv(folder / "yo.txt", [[_to_yoruba(text)] for text in english[40:]])
    (folder / "parent.toml").write_text(_PRETRAIN, encoding="utf-8")
    return folder / "parent.toml"


@pytest.fixture(scope="session")
def parent_run(tmp_path_factory: pytest.TempPathFactory, parent_recipe_file: Path) -> Path:
    """Folder of the parent's finished run; the parent is in its folder `model`."""
    output = tmp_path_factory.mktemp("parent-run")
    recipe = load_recipe(str(parent_recipe_file))
    assert isinstance(recipe, PretrainRecipe)
    pretrain(recipe, output)
    return output
