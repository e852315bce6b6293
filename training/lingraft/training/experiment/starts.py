"""Where each arm begins: its pieces, its weights before training, and which text it may see."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from transformers import MarianMTModel

from lingraft.training.adapt.origin import Origin
from lingraft.training.embedding.material import Material, material_of_pairs
from lingraft.training.embedding.transfer import Transferred, transfer
from lingraft.training.errors import ParentError, RecipeError
from lingraft.training.experiment.texts import Data
from lingraft.training.gate.significance import ABLATIONS, GRAFT
from lingraft.training.models.marian import load_model, new_model, shape_of
from lingraft.training.parents.find import ParentModel, find_parent
from lingraft.training.recipe.adaptation import Adaptation
from lingraft.training.recipe.pieces import VocabularyTransfer
from lingraft.training.recipe.recipes import GraftRecipe
from lingraft.training.recipe.settings import Pairs, Shape
from lingraft.training.vocabulary.codec import SPM_FILE, Codec, load_codec, trained_spm
from lingraft.training.vocabulary.matching import matches
from lingraft.training.vocabulary.normalise import normalise

SCRATCH, RANDOM, SHUFFLED, ROWS = "scratch", "random-parent", "shuffled-parent", "random-rows"
_FEWEST_PIECES = 300

Make = Callable[[float, int], MarianMTModel]  # from a dropout and a seed


@dataclass(frozen=True)
class Start:
    """How an arm begins.

    sha256: of everything that its weights and pieces come from.
    make: the model before training; a seed matters only where weights are drawn.
    child_only: it sees the child's text alone, nothing of the parent's.
    adaptation, origin: which of its weights train, and where they come from.
    guide: makes the model whose predictions rehearsal teaches, where not its references do.
    """

    name: str
    codec: Codec
    sha256: str
    make: Make
    child_only: bool = False
    adaptation: Adaptation = field(default_factory=Adaptation)
    origin: Origin = field(default_factory=Origin)
    guide: Callable[[], MarianMTModel] | None = None

    @property
    def inherits(self) -> bool:
        """Whether its weights are a parent's; an adaptation has nothing to hold on to elsewhere."""
        return self.origin.state is not None


@dataclass(frozen=True)
class Begun:
    """The graft's start, then those of the controls, and the parent with the child's pieces."""

    starts: tuple[Start, ...]
    transferred: Transferred

    @property
    def graft(self) -> Start:
        """How the graft begins."""
        return self.starts[0]


def begin(recipe: GraftRecipe, parent: ParentModel, data: Data, output: Path) -> Begun:
    """Give every arm its pieces and its weights.

    Raises:
        RecipeError: there is no control to beat, or none of the rows to be drawn.
        ParentError: the parent lacks a tag and keeps its vocabulary, or the parent of shuffled
            targets has other pieces or another shape.
        DataError: the text is too little for a vocabulary.
        CheckpointError: `output` holds a vocabulary of other text or settings.
    """
    _require_control(recipe)
    material = _material(recipe, data)
    settings = _spoken(recipe)

    def moved(name: str, source: ParentModel, rows: VocabularyTransfer) -> Transferred:
        return transfer(rows, source, material, output / f"vocabulary-{name}")

    def derived(name: str, source: ParentModel, rows: VocabularyTransfer) -> Start:
        return _from(name, recipe, source, moved(name, source, rows).parent)

    transferred = moved(GRAFT, parent, settings)
    makers: dict[str, Callable[[], Start]] = {
        SCRATCH: lambda: _scratch(recipe, transferred.parent, data, output / SCRATCH),
        RANDOM: lambda: random_weights(RANDOM, transferred.parent),
        SHUFFLED: lambda: derived(SHUFFLED, _shuffled(recipe, parent), settings),
        ROWS: lambda: derived(ROWS, parent, _random_rows(settings)),
    }
    graft = _from(GRAFT, recipe, parent, transferred.parent)
    if "parameters" not in (recipe.transfer.moves or ("parameters",)):
        graft = random_weights(GRAFT, transferred.parent)
    return Begun((graft, *(makers[name]() for name in recipe.controls.arms)), transferred)


def arm_named(name: str, starts: Sequence[Start]) -> Start:
    """The start of the arm that is called so.

    Raises:
        RecipeError: no arm of the recipe is; the message names those that are.
    """
    for start in starts:
        if start.name == name:
            return start
    known = ", ".join(start.name for start in starts)
    raise RecipeError(f"--arm {name}: the recipe trains no such arm; it has {known}")


def _require_control(recipe: GraftRecipe) -> None:
    if set(recipe.controls.arms) <= set(ABLATIONS):
        named = ", ".join(recipe.controls.arms)
        raise RecipeError(
            f"controls.arms: {named} explains a gain and is nothing to beat; add scratch or "
            "random-parent"
        )


def _spoken(recipe: GraftRecipe) -> VocabularyTransfer:
    """The vocabulary's settings with every language that the recipe translates."""
    held = (recipe.dev, recipe.parent_dev, recipe.test, recipe.parent_test)
    parts = (recipe.train, recipe.rehearsal, *held)
    spoken = {code for part in parts for pairs in part for code in (pairs.source, pairs.target)}
    languages = dict.fromkeys([*recipe.vocabulary.languages, *sorted(spoken)])
    return recipe.vocabulary.model_copy(update={"languages": list(languages)})


def _random_rows(settings: VocabularyTransfer) -> VocabularyTransfer:
    if settings.method == "keep":
        raise RecipeError(
            'controls.arms: random-rows has no rows to draw where vocabulary.method is "keep"'
        )
    return settings.model_copy(update={"rows": "random", "temperature": None})


def _material(recipe: GraftRecipe, data: Data) -> Material:
    sources = [*recipe.train, *recipe.rehearsal]
    material = material_of_pairs(recipe.vocabulary, sources, [*data.train, *data.rehearsal])
    texts = {code: list(lines) for code, lines in material.texts.items()}
    named = {text.language for text in recipe.vocabulary.texts}
    for source, rows in zip(recipe.monolingual, data.monolingual, strict=True):
        if source.language not in named:
            texts.setdefault(source.language, []).extend(row[0] for row in rows)
    return Material(texts, material.parallel)


def _from(name: str, recipe: GraftRecipe, parent: ParentModel, derived: ParentModel) -> Start:
    """Begin with the parent's weights, under the child's pieces."""

    def make(dropout: float, seed: int) -> MarianMTModel:
        return load_model(derived.folder, dropout)

    rows = None
    if derived.sha256 != parent.sha256:
        # The row of padding, the last, is nobody's: it never moves.
        rows = [*matches(parent.codec, derived.codec, "match").tolist(), -1]
    guided = recipe.rehearse == "parent" and name != SHUFFLED  # that one knows no translation
    return Start(
        name,
        derived.codec,
        derived.sha256,
        make,
        adaptation=recipe.adaptation,
        origin=Origin(rows=rows, state=parent.folder),
        guide=(lambda: load_model(derived.folder)) if guided else None,
    )


def random_weights(name: str, parent: ParentModel) -> Start:
    """Everything as the graft, but random weights: what a parent of no knowledge gives."""

    def make(dropout: float, seed: int) -> MarianMTModel:
        model = load_model(parent.folder, dropout)
        return new_model(shape_of(model), model.config.vocab_size, seed)

    return Start(name, parent.codec, f"random {parent.sha256}", make)


def _shuffled(recipe: GraftRecipe, parent: ParentModel) -> ParentModel:
    """The same pieces and shape, from a parent that learnt no translation."""
    location = str(recipe.controls.shuffled_parent)
    other = find_parent(location)
    same = other.codec.spm.serialized_model_proto() == parent.codec.spm.serialized_model_proto()
    if not same or shape_of(load_model(other.folder)) != shape_of(load_model(parent.folder)):
        raise ParentError(
            f"controls.shuffled_parent {location!r} has other pieces or another shape than the "
            f"parent {parent.name!r}; pretrain it by the parent's own recipe with --shuffle-targets"
        )
    return other


def _scratch(recipe: GraftRecipe, parent: ParentModel, data: Data, folder: Path) -> Start:
    """The child's text alone, with pieces of its own where the recipe says so."""
    settings, codec = recipe.controls.scratch, parent.codec
    if settings.vocabulary is not None:
        codec = _own_pieces(recipe, data, settings.vocabulary, folder)
    shape = settings.model

    def make(dropout: float, seed: int) -> MarianMTModel:
        wanted = shape or shape_of(load_model(parent.folder))
        return new_model(_dropped(wanted, dropout), codec.pad + 1, seed)

    digest = hashlib.sha256(codec.spm.serialized_model_proto())
    digest.update(json.dumps(shape and shape.model_dump()).encode() + parent.sha256.encode())
    return Start(SCRATCH, codec, digest.hexdigest(), make, child_only=True)


def _dropped(shape: Shape, dropout: float) -> Shape:
    return shape.model_copy(update={"dropout": dropout})


def _own_pieces(recipe: GraftRecipe, data: Data, most: int, folder: Path) -> Codec:
    """The vocabulary that a killed run has left, or one of the child's text."""
    path = folder / SPM_FILE
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        # What it learns from need not name what it is asked for: without pairs, dev alone does.
        asked = {code for s in (*recipe.train, *recipe.dev, *recipe.test) for code in _sides(s)}
        languages = sorted(asked | {text.language for text in recipe.monolingual})
        sentences = list(_sentences(recipe, data))
        fresh = path.with_suffix(".new")
        size = _affordable(sentences, most)
        fresh.write_bytes(trained_spm(sentences, size, languages, at_most=True))
        fresh.rename(path)
    return load_codec(folder)


def _sides(pairs: Pairs) -> tuple[str, str]:
    return pairs.source, pairs.target


def _sentences(recipe: GraftRecipe, data: Data) -> Iterable[str]:
    for source, rows in zip(recipe.train, data.train, strict=True):
        for left, right in rows:
            yield normalise(left, source.source)
            yield normalise(right, source.target)
    for text, lines in zip(recipe.monolingual, data.monolingual, strict=True):
        yield from (normalise(line, text.language) for (line,) in lines)


def _affordable(sentences: Sequence[str], most: int) -> int:
    """At most one piece for every eight characters: fewer texts cannot fill more."""
    return max(_FEWEST_PIECES, min(most, sum(map(len, sentences)) // 8))
