"""A whole tiny graft, from text files to a running server; made once for all end-to-end tests."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path

import pytest

from lingraft.training.models.marian import new_model, save_model
from lingraft.training.pipeline import Options, Outcome, run_graft
from lingraft.training.recipe.loading import load_recipe
from lingraft.training.recipe.recipes import ClassifyRecipe, GraftRecipe, Shape
from lingraft.training.vocabulary.codec import SPM_FILE, save_tokenizer, train_spm

_SUBJECTS = ("the farmer", "my sister", "a teacher", "our friend", "the old man", "a child")
_VERBS = ("sees", "likes", "buys", "paints", "carries", "forgets")
_OBJECTS = ("the boat", "a basket", "the red stone", "some bread", "a small tree", "the letter")
_VOCABULARY_SIZE = 340


def _child_word(word: str) -> str:
    """A made-up language: every word turned around, with an ending."""
    return word[::-1] + "ọ"


def _child(sentence: str) -> str:
    return " ".join(map(_child_word, sentence.rstrip(".").split())).capitalize() + "."


def _sentences() -> list[str]:
    parts = product(_SUBJECTS, _VERBS, _OBJECTS)
    return [f"{' '.join(three)}.".capitalize() for three in parts]


@pytest.fixture(scope="session")
def parent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A parent with random weights and a real vocabulary."""
    folder = tmp_path_factory.mktemp("parent")
    english = _sentences()
    text = [*english, *map(_child, english), "0123456789 abcdefghijklmnopqrstuvwxyz ọ ẹ ṣ"]
    train_spm(text, _VOCABULARY_SIZE, ["en", "yo"], folder / SPM_FILE)
    shape = Shape(
        d_model=64, ffn=128, heads=2, encoder_layers=2, decoder_layers=1, max_positions=64
    )
    save_model(new_model(shape, _VOCABULARY_SIZE, seed=3), folder)
    save_tokenizer(folder / SPM_FILE, folder, shape.max_positions)
    return folder


_TRAINING = """
licence = "CC0-1.0"
[training]
max_steps = 240
warmup_steps = 40
batch_tokens = 700
evaluate_every = 120
precision = "fp32"
threads = 1
[grid]
learning_rates = [4e-3]
dropouts = [0.1]
trial_steps = 10
"""


def _write(path: Path, rows: Sequence[tuple[str, ...]]) -> None:
    path.write_text("".join("\t".join(row) + "\n" for row in rows), encoding="utf-8")


@pytest.fixture(scope="session")
def translation(parent: Path, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """A translation graft with its bundle and report."""
    folder = tmp_path_factory.mktemp("translation")
    rows = [(sentence, _child(sentence)) for sentence in _sentences()]
    parts = {"train": rows[24:], "dev": rows[:12], "test": rows[12:24]}
    tables = []
    for part, chosen in parts.items():
        _write(folder / f"{part}.tsv", chosen)
        tables.append(
            f'[[{part}]]\nname = "toy {part}"\npath = "{part}.tsv"\nsource = "en"\ntarget = "yo"\n'
            'licence = "CC0-1.0"\n'
        )
    head = f'task = "graft"\nname = "toy"\nparent = "{parent.as_posix()}"\n'
    (folder / "toy.toml").write_text(head + _TRAINING + "".join(tables), encoding="utf-8")
    recipe = load_recipe(str(folder / "toy.toml"))
    assert isinstance(recipe, GraftRecipe)
    return run_graft(recipe, folder / "run", Options(accepted_negative="only a test"))


@pytest.fixture(scope="session")
def classifier(parent: Path, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """A classifier graft with its bundle and report."""
    folder = tmp_path_factory.mktemp("classifier")
    rows = [(s, "art" if "paints" in s else "trade") for s in _sentences() if "ee" not in s]
    rows = [row for row in rows if row[1] == "art" or "buys" in row[0]]
    parts = {"train": rows[0::3] + rows[1::3], "dev": rows[2::6], "test": rows[5::6]}
    tables = []
    for part, chosen in parts.items():
        _write(folder / f"{part}.tsv", chosen)
        tables.append(f'[[{part}]]\nname = "toy {part}"\npath = "{part}.tsv"\nlanguage = "en"\n')
    head = f'task = "classify"\nname = "toy-topic"\nparent = "{parent.as_posix()}"\n'
    (folder / "topic.toml").write_text(head + _TRAINING + "".join(tables), encoding="utf-8")
    recipe = load_recipe(str(folder / "topic.toml"))
    assert isinstance(recipe, ClassifyRecipe)
    return run_graft(recipe, folder / "run", Options(accepted_negative="only a test"))


@pytest.fixture(scope="session")
def server(translation: Outcome, classifier: Outcome) -> Iterator[str]:
    """The address of a real server process that serves both bundles."""
    bundles = [str(translation.folder), str(classifier.folder)]
    command = [sys.executable, "-m", "lingraft.server", *bundles, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert "listening on " in line
        yield line.split("listening on ")[1].strip()
        process.terminate()
