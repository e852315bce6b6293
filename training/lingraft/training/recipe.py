"""Recipes: one TOML file is one experiment. All faults are reported at once, each with its line."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from lingraft.training.errors import RecipeError
from lingraft.training.faults import explain, line_of
from lingraft.training.languages import tag

DATA_VARIABLE = "LINGRAFT_DATA"
_DATA_DEFAULT = "../shared/data"
SHIPPED = Path(__file__).parent / "recipes"


def _known_language(code: str) -> str:
    try:
        tag(code)
    except RecipeError as error:
        raise ValueError(str(error)) from None
    return code


def _column(value: object) -> object:
    named = value is None or (isinstance(value, str) and value)
    if not named and (type(value) is not int or value < 0):
        raise ValueError(f"must be a column's name or its number, from 0, not {value!r}")
    return value


Fraction = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[int, Field(gt=0)]
Rate = Annotated[float, Field(gt=0, lt=1)]
Language = Annotated[str, AfterValidator(_known_language)]
Column = Annotated[int | str, BeforeValidator(_column)]
_OptionalColumn = Annotated[
    int | str | None, BeforeValidator(_column), Field(validate_default=True)
]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Pairs(_Strict):
    """Parallel text of one pair of languages."""

    name: str
    path: str
    source: Language
    target: Language
    columns: tuple[Column, Column] = (0, 1)
    header: bool = False
    licence: str = "not stated"
    both_directions: bool = True
    weight: Annotated[float, Field(gt=0)] = 1.0  # visits of each example in an epoch
    limit: Positive | None = None  # first rows only


class Text(_Strict):
    """Text of one language, for the vocabulary."""

    path: str
    language: Language
    column: Column = 0
    header: bool = False


class Labelled(_Strict):
    """Texts with a label; a third column may hold the language."""

    name: str
    path: str
    language: Language | None = None
    columns: tuple[Column, Column] = (0, 1)
    language_column: _OptionalColumn = None
    header: bool = False
    licence: str = "not stated"

    # Checks across settings belong to a field: one of the whole table would be passed over, and so
    # not reported, while any field is faulty.
    @field_validator("language_column")
    @classmethod
    def _one_language(cls, value: _OptionalColumn, info: ValidationInfo) -> _OptionalColumn:
        if "language" in info.data and (info.data["language"] is None) == (value is None):
            raise ValueError("give either language or language_column")
        return value


class Shape(_Strict):
    """Size of a new model."""

    d_model: Positive
    ffn: Positive
    heads: Positive
    encoder_layers: Positive
    decoder_layers: Positive
    activation: Literal["relu", "gelu", "swish"] = "relu"
    dropout: Fraction = 0.1
    attention_dropout: Fraction = 0.0
    max_positions: Positive = 256

    @field_validator("heads")
    @classmethod
    def _heads_divide(cls, heads: int, info: ValidationInfo) -> int:
        if info.data.get("d_model", 0) % (2 * heads):
            raise ValueError(f"d_model must be a multiple of twice heads; {heads} does not divide")
        return heads


class Vocabulary(_Strict):
    """The SentencePiece vocabulary, padding included."""

    size: Annotated[int, Field(ge=300)]
    languages: list[Language]
    sentences_per_language: Positive = 20000
    texts: list[Text]

    @field_validator("texts")
    @classmethod
    def _text_for_all(cls, texts: list[Text], info: ValidationInfo) -> list[Text]:
        named = {text.language for text in texts}
        if bare := [code for code in info.data.get("languages", ()) if code not in named]:
            raise ValueError(f"no text of {', '.join(bare)}; add some")
        return texts


class Training(_Strict):
    """One run of the loop."""

    learning_rate: Rate = 7e-4  # peak of Adam's rate
    warmup_steps: Positive = 1000
    max_steps: Positive
    batch_tokens: Positive = 4096  # padded positions of the longer side
    label_smoothing: Fraction = 0.1
    clip_norm: Annotated[float, Field(gt=0)] = 1.0
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    schedule: Literal["inverse_sqrt", "linear", "constant"] = "inverse_sqrt"
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    threads: Positive | None = None  # of PyTorch; unset: all cores
    evaluate_every: Positive = 1000  # steps between snapshots with a dev score
    save_every: Positive = 200  # steps between resumable checkpoints
    patience: Positive = 5  # evaluations without a better dev score
    average_last: Positive = 5  # snapshots in the final average
    milestones: list[Annotated[float, Field(gt=0, le=100)]] = []  # per cent of max_steps to keep
    max_tokens: Positive = 200  # longer examples are left out


class Grid(_Strict):
    """What is tuned, on dev, equally for the graft and for its control."""

    learning_rates: Annotated[list[Rate], Field(min_length=1)]
    dropouts: Annotated[list[Fraction], Field(min_length=1)]
    trial_steps: Positive


class Gate(_Strict):
    """The rule of the verdict."""

    resamples: Annotated[int, Field(ge=100)] = 1000
    seed: int = 12345
    max_parent_loss: Annotated[float, Field(gt=0)] | None = (
        None  # chrF++ a parent direction may lose
    )


class _Recipe(_Strict):
    name: Name
    display_name: str = ""
    seed: int = 1
    licence: str


class PretrainRecipe(_Recipe):
    """A parent from nothing."""

    task: Literal["pretrain"]
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


class GraftRecipe(_Recipe):
    """A child language on a parent, with its control."""

    task: Literal["graft"]
    parent: str
    training: Training
    control_steps: Positive | None = None  # the control may need longer; unset: as the graft
    grid: Grid
    gate: Gate = Gate()
    train: Annotated[list[Pairs], Field(min_length=1)]
    rehearsal: list[Pairs] = []  # parent text mixed in against forgetting; the graft alone sees it
    dev: Annotated[list[Pairs], Field(min_length=1)]
    test: Annotated[list[Pairs], Field(min_length=1)]
    parent_test: list[Pairs] = []  # parent directions, to measure what was forgotten
    dev_sentences: Positive = 200
    parity_sentences: Positive = 200


class ClassifyRecipe(_Recipe):
    """A classifier on a parent's encoder, with its control."""

    task: Literal["classify"]
    parent: str
    training: Training
    grid: Grid
    gate: Gate = Gate()
    train: Annotated[list[Labelled], Field(min_length=1)]
    dev: Annotated[list[Labelled], Field(min_length=1)]
    test: Annotated[list[Labelled], Field(min_length=1)]


Recipe = PretrainRecipe | GraftRecipe | ClassifyRecipe
_R = TypeVar("_R", bound=_Recipe)
_KINDS: dict[str, type[_Recipe]] = {
    "pretrain": PretrainRecipe,
    "graft": GraftRecipe,
    "classify": ClassifyRecipe,
}


def load_recipe(location: str) -> Recipe:
    """The recipe at a path, or the shipped one of that name; its data's paths are filled in.

    Raises:
        RecipeError: it cannot be read, or does not say what it must; every fault with its line.
    """
    path = find_recipe(location)
    text = _read(path)
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{path}: not TOML: {error}") from None
    kind = _KINDS.get(str(content.get("task")))
    if kind is None:
        line = line_of(text, ("task",))
        known = ", ".join(f'"{name}"' for name in _KINDS)
        raise RecipeError(f"{path}, line {line}: task must be one of {known}")
    try:
        recipe = kind.model_validate(content)
    except ValidationError as error:
        raise RecipeError(explain(path, text, error)) from None
    return _with_paths(recipe, path.parent)  # type: ignore[return-value]


def find_recipe(location: str) -> Path:
    """A recipe file by path, or by name among the shipped ones."""
    for candidate in (Path(location), SHIPPED / location, SHIPPED / f"{location}.toml"):
        if candidate.is_file():
            return candidate
    shipped = ", ".join(sorted(p.name for p in SHIPPED.glob("*.toml")))
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
