"""Where each arm begins: its pieces, its weights before training, and which text it may see."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from transformers import MarianMTModel

from lingraft.training.data.corpora import Row
from lingraft.training.errors import ParentError
from lingraft.training.gate.significance import GRAFT
from lingraft.training.models.marian import load_model, new_model, shape_of
from lingraft.training.parents.find import ParentModel, find_parent
from lingraft.training.recipe.experiment import Scratch
from lingraft.training.recipe.recipes import GraftRecipe
from lingraft.training.recipe.settings import Pairs, Shape
from lingraft.training.vocabulary.codec import SPM_FILE, Codec, load_codec, trained_spm
from lingraft.training.vocabulary.normalise import normalise

SCRATCH, RANDOM, SHUFFLED = "scratch", "random-parent", "shuffled-parent"
_FEWEST_PIECES = 300

Make = Callable[[float, int], MarianMTModel]  # from a dropout and a seed


@dataclass(frozen=True)
class Start:
    """How an arm begins.

    sha256: of everything that its weights and pieces come from.
    make: the model before training; a seed matters only where weights are drawn.
    child_only: it sees the child's text alone, nothing of the parent's.
    """

    name: str
    codec: Codec
    sha256: str
    make: Make
    child_only: bool = False


def starts(
    recipe: GraftRecipe, parent: ParentModel, train: Sequence[Sequence[Row]], output: Path
) -> list[Start]:
    """The graft's start, then those of the controls in the recipe's order.

    Raises:
        ParentError: the parent of shuffled targets has other pieces or another shape.
        DataError: the child's text is too little for a vocabulary.
    """
    controls = recipe.controls
    makers = {
        SCRATCH: lambda: _scratch(controls.scratch, parent, recipe.train, train, output / SCRATCH),
        RANDOM: lambda: _random(parent),
        SHUFFLED: lambda: _shuffled(str(controls.shuffled_parent), parent),
    }
    return [from_parent(GRAFT, parent), *(makers[name]() for name in controls.arms)]


def from_parent(name: str, parent: ParentModel) -> Start:
    """Begin with the parent's weights."""

    def make(dropout: float, seed: int) -> MarianMTModel:
        return load_model(parent.folder, dropout)

    return Start(name, parent.codec, parent.sha256, make)


def _random(parent: ParentModel) -> Start:
    """Everything as the graft, but random weights: what a parent of no knowledge gives."""

    def make(dropout: float, seed: int) -> MarianMTModel:
        model = load_model(parent.folder, dropout)
        return new_model(shape_of(model), model.config.vocab_size, seed)

    return Start(RANDOM, parent.codec, f"random {parent.sha256}", make)


def _shuffled(location: str, parent: ParentModel) -> Start:
    """The same pieces and shape, from a parent that learnt no translation."""
    other = find_parent(location)
    same = other.codec.spm.serialized_model_proto() == parent.codec.spm.serialized_model_proto()
    if not same or shape_of(load_model(other.folder)) != shape_of(load_model(parent.folder)):
        raise ParentError(
            f"controls.shuffled_parent {location!r} has other pieces or another shape than the "
            f"parent {parent.name!r}; pretrain it by the parent's own recipe with --shuffle-targets"
        )
    return from_parent(SHUFFLED, other)


def _scratch(
    settings: Scratch,
    parent: ParentModel,
    sources: Sequence[Pairs],
    train: Sequence[Sequence[Row]],
    folder: Path,
) -> Start:
    """The child's text alone, with pieces of its own where the recipe says so."""
    codec = parent.codec
    if settings.vocabulary is not None:
        codec = _own_pieces(sources, train, settings.vocabulary, folder)
    shape = settings.model

    def make(dropout: float, seed: int) -> MarianMTModel:
        wanted = shape or shape_of(load_model(parent.folder))
        return new_model(_dropped(wanted, dropout), codec.pad + 1, seed)

    digest = hashlib.sha256(codec.spm.serialized_model_proto())
    digest.update(json.dumps(shape and shape.model_dump()).encode() + parent.sha256.encode())
    return Start(SCRATCH, codec, digest.hexdigest(), make, child_only=True)


def _dropped(shape: Shape, dropout: float) -> Shape:
    return shape.model_copy(update={"dropout": dropout})


def _own_pieces(
    sources: Sequence[Pairs], train: Sequence[Sequence[Row]], most: int, folder: Path
) -> Codec:
    """The vocabulary that a killed run has left, or one of the child's text."""
    path = folder / SPM_FILE
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        languages = sorted({code for s in sources for code in (s.source, s.target)})
        sentences = list(_sentences(sources, train))
        fresh = path.with_suffix(".new")
        size = _affordable(sentences, most)
        fresh.write_bytes(trained_spm(sentences, size, languages, at_most=True))
        fresh.rename(path)
    return load_codec(folder)


def _sentences(sources: Sequence[Pairs], train: Sequence[Sequence[Row]]) -> Iterable[str]:
    for source, rows in zip(sources, train, strict=True):
        for left, right in rows:
            yield normalise(left, source.source)
            yield normalise(right, source.target)


def _affordable(sentences: Sequence[str], most: int) -> int:
    """At most one piece for every eight characters: fewer texts cannot fill more."""
    return max(_FEWEST_PIECES, min(most, sum(map(len, sentences)) // 8))
