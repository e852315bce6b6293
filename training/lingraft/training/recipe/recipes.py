"""Recipes: one TOML file is one experiment. All faults are reported at once, each with its line."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, ValidationError, ValidationInfo, field_validator

from lingraft.training.errors import RecipeError
from lingraft.training.recipe.adaptation import Adaptation
from lingraft.training.recipe.bases import merged, with_roots
from lingraft.training.recipe.calibration import Calibration
from lingraft.training.recipe.experiment import ClassifyControls, Controls, Interpolation, Transfer
from lingraft.training.recipe.explanation import Explanation
from lingraft.training.recipe.faults import explain, line_of
from lingraft.training.recipe.identification import Counted, Fitting, Spoken, Strangers
from lingraft.training.recipe.instances import Contamination, Mixing, Selection
from lingraft.training.recipe.pieces import VocabularyTransfer
from lingraft.training.recipe.ranking import Ranking
from lingraft.training.recipe.settings import (
    BOTH,
    Gate,
    Grid,
    Labelled,
    Name,
    Pairs,
    Positive,
    Precision,
    Shape,
    Strict,
    Text,
    Training,
    Vocabulary,
)
from lingraft.training.recipe.stages import Stage
from lingraft.training.recipe.synthesis import Monolingual
from lingraft.training.recipe.wide import Wide

__all__ = [
    "SHIPPED",
    "ClassifyRecipe",
    "Gate",
    "GraftRecipe",
    "Grid",
    "IdentifyRecipe",
    "Labelled",
    "Pairs",
    "Planned",
    "PretrainRecipe",
    "Recipe",
    "Shape",
    "Text",
    "Training",
    "Vocabulary",
    "find_recipe",
    "load_recipe",
    "resolve_path",
]

DATA_VARIABLE = "LINGRAFT_DATA"
_DATA_DEFAULT = "../shared/data"
SHIPPED = Path(__file__).parent.parent / "recipes"


class _Recipe(Strict):
    name: Name
    display_name: str = ""
    seed: int = 1
    licence: str


class PretrainRecipe(_Recipe):
    """A parent from nothing, or from an earlier one of the same pieces and shape."""

    task: Literal["pretrain"]
    # A model to train on: folder, embedded starter or hub id. Vocabulary and model say what it is.
    start: str | None = None
    vocabulary: Vocabulary
    model: Shape
    training: Training
    train: Annotated[list[Pairs], Field(min_length=1)]
    dev: Annotated[list[Pairs], Field(min_length=1)]
    dev_sentences: Positive = 100  # of each direction, for early stopping

    @field_validator("training")
    @classmethod
    def _fits_model(cls, training: Training, info: ValidationInfo) -> Training:
        if "model" in info.data and training.max_tokens > info.data["model"].max_positions:
            raise ValueError("max_tokens is above the model's max_positions")
        return training

    @field_validator("train", "dev")
    @classmethod
    def _in_vocabulary(cls, sources: list[Pairs], info: ValidationInfo) -> list[Pairs]:
        if "vocabulary" in info.data:
            used = {code for pairs in sources for code in (pairs.source, pairs.target)}
            if strange := sorted(used - set(info.data["vocabulary"].languages)):
                raise ValueError(f"{', '.join(strange)}: not among vocabulary.languages")
        return sources


class _Experiment(_Recipe):
    """A child on a parent, with controls: what both tasks set."""

    parent: str
    ranking: Ranking = Ranking()  # which parents `rank-parents` compares, and how
    transfer: Transfer = Transfer()
    adaptation: Adaptation = Adaptation()
    stages: list[Stage] = Field(default_factory=list)
    training: Training
    grid: Grid
    seeds: Positive = 3  # runs of every arm, from `seed` upwards
    gate: Gate = Gate()
    contamination: Contamination = Contamination()
    calibration: Calibration = Calibration()
    monolingual: list[Monolingual] = Field(default_factory=list)
    precisions: list[Precision] = Field(default=BOTH, min_length=1)  # the first is the default


class GraftRecipe(_Experiment):
    """Child languages on a parent, with controls."""

    task: Literal["graft"]
    vocabulary: VocabularyTransfer = VocabularyTransfer()
    controls: Controls = Controls()
    mixing: Mixing | None = None
    selection: Selection | None = None
    explanation: Explanation | None = None
    train: list[Pairs] = Field(default_factory=list, validate_default=True)
    # Parent text against forgetting, not for the control from scratch; it teaches its references or
    # what the parent predicts (learning without forgetting: Li & Hoiem 2016).
    rehearsal: list[Pairs] = Field(default_factory=list)
    rehearse: Literal["references", "parent"] = "references"
    dev: Annotated[list[Pairs], Field(min_length=1)]
    test: Annotated[list[Pairs], Field(min_length=1)]
    # Parent directions: dev calibrates them, tells what precisions cost and how far to interpolate;
    # test measures what was forgotten.
    parent_dev: list[Pairs] = Field(default_factory=list)
    parent_test: list[Pairs] = Field(default_factory=list)
    interpolation: Interpolation | None = None
    zero_shot: bool = True  # measure directions of the test sets' languages that nobody paired too
    dev_sentences: Positive = 200
    parity_sentences: Positive = 200

    @field_validator("calibration")
    @classmethod
    def _no_labels(cls, calibration: Calibration) -> Calibration:
        if calibration.thresholds is not None:
            raise ValueError("thresholds belong to a classifier's labels; leave them out")
        return calibration

    @field_validator("train")
    @classmethod
    def _has_pairs(cls, train: list[Pairs], info: ValidationInfo) -> list[Pairs]:
        transfer = info.data.get("transfer")
        if not train and (transfer is None or transfer.kind == "inductive"):
            raise ValueError("is missing; only transductive and unsupervised transfer do without")
        return train


class ClassifyRecipe(_Experiment):
    """A classifier on a parent's encoder, with controls."""

    task: Literal["classify"]
    wide: Wide | None = None  # unset: the encoder and its head alone
    controls: ClassifyControls = ClassifyControls()
    train: Annotated[list[Labelled], Field(min_length=1)]
    dev: Annotated[list[Labelled], Field(min_length=1)]
    test: Annotated[list[Labelled], Field(min_length=1)]


class IdentifyRecipe(_Recipe):
    """Which language a text is in; no parent."""

    task: Literal["identify"]
    ngrams: Counted = Counted()
    training: Fitting = Fitting()
    train: Annotated[list[Spoken], Field(min_length=1)]
    # Half of what decides where a language ends and "und" begins; strangers are the other half.
    dev: Annotated[list[Spoken], Field(min_length=1)]
    strange_dev: Annotated[list[Strangers], Field(min_length=1)]
    test: Annotated[list[Spoken], Field(min_length=1)]
    strange_test: list[Strangers] = Field(default_factory=list)

    @field_validator("dev", "test")
    @classmethod
    def _taught(cls, sources: list[Spoken], info: ValidationInfo) -> list[Spoken]:
        if "train" in info.data:
            asked = {code for source in sources for code in source.languages}
            known = {code for source in info.data["train"] for code in source.languages}
            if strange := sorted(asked - known):
                raise ValueError(f"{', '.join(strange)}: no train source is in it")
        return sources


Planned = PretrainRecipe | GraftRecipe | ClassifyRecipe  # long enough to plan
Recipe = Planned | IdentifyRecipe
_R = TypeVar("_R", bound=_Recipe)
_KINDS: dict[str, type[_Recipe]] = {
    "pretrain": PretrainRecipe,
    "graft": GraftRecipe,
    "classify": ClassifyRecipe,
    "identify": IdentifyRecipe,
}


def load_recipe(location: str) -> Recipe:
    """The recipe at a path, or the shipped one of that name; its data's paths are filled in.

    `base = "OTHER"` takes everything from another recipe, beside it or shipped, that the file does
    not say itself: tables are merged, lists replaced.

    Raises:
        RecipeError: it cannot be read, or does not say what it must; every fault with its line.
    """
    return _loaded(find_recipe(location), ())[0]


def _loaded(path: Path, above: tuple[Path, ...]) -> tuple[Recipe, dict[str, Any]]:
    """The recipe of a file, and what the file and its bases say, for those that build on it."""
    text = _read(path)
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{path}: not TOML: {error}") from None
    if (base := content.pop("base", None)) is not None:
        below = _base(base, path, text, (*above, path.resolve()))
        content = merged(_loaded(below, (*above, path.resolve()))[1], content)
    kind = _KINDS.get(str(content.get("task")))
    if kind is None:
        line = line_of(text, ("task",))
        known = ", ".join(f'"{name}"' for name in _KINDS)
        raise RecipeError(f"{path}, line {line}: task must be one of {known}")
    try:
        recipe = kind.model_validate(content)
    except ValidationError as error:
        raise RecipeError(explain(path, text, error)) from None
    return _with_paths(recipe, path.parent), with_roots(content, path.parent)  # type: ignore[return-value]


def _base(location: object, path: Path, text: str, above: tuple[Path, ...]) -> Path:
    """The file of a base, beside the recipe or shipped; RecipeError with the line where there is
    none, or where it leads back."""
    where = f"{path}, line {line_of(text, ('base',))}: base"
    if not isinstance(location, str) or not location:
        raise RecipeError(f"{where} must be the path or the name of a recipe, not {location!r}")
    for folder, name in (
        (path.parent, location),
        (SHIPPED, location),
        (SHIPPED, location + ".toml"),
    ):
        if (found := folder / name).is_file():
            if found.resolve() in above:
                raise RecipeError(f"{where}: {location} builds on this recipe itself")
            return found
    raise RecipeError(f"{where}: no recipe {location} beside it or among the shipped ones")


def find_recipe(location: str) -> Path:
    """A recipe file by path, or by name among the shipped ones."""
    for candidate in (Path(location), SHIPPED / location, SHIPPED / f"{location}.toml"):
        if candidate.is_file():
            return candidate
    shipped = ", ".join(sorted(p.relative_to(SHIPPED).as_posix() for p in SHIPPED.rglob("*.toml")))
    raise RecipeError(f"{location}: no such recipe; give a path or one of the shipped: {shipped}")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path}: not UTF-8 at byte {error.start}") from None
    except OSError as error:
        raise RecipeError(f"{path}: cannot be read: {error.strerror}") from None


def _with_paths(recipe: _R, folder: Path) -> _R:
    """The recipe with `$LINGRAFT_DATA` and paths relative to the recipe's folder resolved."""

    def resolve(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {k: resolve(v, k) for k, v in value.items()}
        if isinstance(value, list):
            return [resolve(v, key) for v in value]
        return resolve_path(value, folder) if key == "path" else value

    return type(recipe).model_validate(resolve(recipe.model_dump()))


def resolve_path(location: str, folder: Path) -> str:
    """`location` with `$LINGRAFT_DATA` filled in; relative ones start at the recipe's `folder`."""
    variable = f"${DATA_VARIABLE}"
    if location.startswith(variable):
        return (os.environ.get(DATA_VARIABLE) or _DATA_DEFAULT) + location.removeprefix(variable)
    if location.startswith("hf:"):
        return location
    return str(folder / location)
