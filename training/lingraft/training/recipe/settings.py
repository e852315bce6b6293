"""Settings: the tables that recipes are made of, each field with its bounds."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
)

from lingraft.training.errors import RecipeError
from lingraft.training.recipe.languages import tag


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
Precision = Literal["fp32", "int8", "int4", "fp16"]  # of a bundle's graphs
BOTH: list[Precision] = ["fp32", "int8"]
# Of hashed n-grams: the longest, and the logarithm to base 2 of the rows they share.
Orders = Annotated[int, Field(ge=1, le=8)]
Buckets = Annotated[int, Field(ge=8, le=20)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")]


class Strict(BaseModel):
    """A table that knows all its keys and never changes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Pairs(Strict):
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
    sample: Positive | None = None  # so many of them, drawn; fewer are always among more


class Text(Strict):
    """Text of one language, for the vocabulary."""

    path: str
    language: Language
    column: Column = 0
    header: bool = False


class Labelled(Strict):
    """Texts with a label; a third column may hold the language."""

    name: str
    path: str
    language: Language | None = None
    columns: tuple[Column, Column] = (0, 1)
    language_column: _OptionalColumn = None
    header: bool = False
    licence: str = "not stated"
    per_label: Positive | None = None  # rows of each label and language, drawn by the seed

    # Checks across settings belong to a field: one of the whole table would be passed over, and so
    # not reported, while any field is faulty.
    @field_validator("language_column")
    @classmethod
    def _one_language(cls, value: _OptionalColumn, info: ValidationInfo) -> _OptionalColumn:
        if "language" in info.data and (info.data["language"] is None) == (value is None):
            raise ValueError("give either language or language_column")
        return value


class Shape(Strict):
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


class Vocabulary(Strict):
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


class Training(Strict):
    """One run of the loop."""

    learning_rate: Rate = 7e-4  # peak of Adam's rate
    warmup_steps: Positive = 1000
    max_steps: Positive
    batch_tokens: Positive = 4096  # positions of the longer side, without padding
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
    # Who is told loss, rate, speed and dev scores; MLflow's server is MLFLOW_TRACKING_URI.
    trackers: list[Literal["tensorboard", "mlflow"]] = ["tensorboard"]

    @field_validator("trackers")
    @classmethod
    def _installed(cls, trackers: list[str]) -> list[str]:
        if "mlflow" in trackers and find_spec("mlflow") is None:
            raise ValueError("names mlflow, which is not installed: pip install 'lingraft[mlflow]'")
        return trackers


class Grid(Strict):
    """What is tuned, on dev, equally for the graft and for its control."""

    learning_rates: Annotated[list[Rate], Field(min_length=1)]
    dropouts: Annotated[list[Fraction], Field(min_length=1)]
    trial_steps: Positive


class Gate(Strict):
    """The rule of the verdict."""

    resamples: Annotated[int, Field(ge=100)] = 1000
    seed: int = 12345
    max_parent_loss: Annotated[float, Field(gt=0)] | None = (
        None  # chrF++ a parent direction may lose
    )
