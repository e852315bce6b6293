"""Settings of made text: noise, masks, filters, and who translates what for whom."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from lingraft.training.recipe.settings import Fraction, Language, Positive, Strict, Text

_Above = Annotated[float, Field(gt=0)]


class Monolingual(Text):
    """Text of one language to learn from, one sentence a row."""

    name: str
    licence: str = "not stated"
    weight: _Above = 1.0  # visits of each sentence in an epoch
    limit: Positive | None = None  # first rows only


class Decoding(Strict):
    """How a model writes text: greedily, with a beam, or by drawing pieces."""

    beams: Positive = 1
    sample: bool = False
    temperature: _Above = 1.0  # of drawing; under 1 keeps to the likely
    top_k: Annotated[int, Field(ge=0)] = 0  # draw among so many pieces; 0: among all
    seed: int = 1  # of drawing

    @field_validator("sample")
    @classmethod
    def _draws_or_searches(cls, sample: bool, info: ValidationInfo) -> bool:
        if sample and info.data.get("beams", 1) > 1:
            raise ValueError("sample draws one text, so it needs beams = 1")
        return sample


GREEDY = Decoding()


class Filters(Strict):
    """What is left out of made text."""

    max_copied: Annotated[float, Field(ge=0, le=1)] = 0.7  # share of words taken from the source
    max_repeats: Positive = 3  # times that the same words may stand one after another
    max_length_ratio: Annotated[float, Field(gt=1)] = 3.0  # of characters, either way


class Denoising(Strict):
    """Noise that a translation model learns to undo (BART's infilling; Lample et al. 2018)."""

    mask_share: Fraction = 0.3  # of the units, in spans of one mask each
    span_mean: Annotated[float, Field(ge=0.5)] = 3.0  # of the Poisson law of span lengths
    drop: Fraction = 0.1  # of the units, left out without a mask
    shuffle_distance: Annotated[int, Field(ge=0)] = 3  # places that a unit may move
    unit: Literal["word", "piece"] = "word"  # "piece" where words are not divided by spaces
    mask_piece: str | None = None  # unset: the unknown piece, which byte fallback leaves unused

    @field_validator("shuffle_distance")
    @classmethod
    def _some_noise(cls, distance: int, info: ValidationInfo) -> int:
        if not (distance or info.data.get("mask_share", 1) or info.data.get("drop", 1)):
            raise ValueError(
                "without noise the model would learn to copy: set mask_share, drop or "
                "shuffle_distance above 0"
            )
        return distance


class MaskedLm(Strict):
    """Masked language modelling of an encoder (Devlin et al. 2019)."""

    share: Annotated[float, Field(gt=0, lt=1)] = 0.15  # of the pieces, to be predicted
    random: Fraction = 0.1  # of those, shown as another piece
    # Of those, shown as they are; the rest is masked.
    keep: Annotated[Fraction, Field(validate_default=True)] = 0.1
    mask_piece: str | None = None  # unset: the unknown piece

    @field_validator("keep")
    @classmethod
    def _some_are_masked(cls, keep: float, info: ValidationInfo) -> float:
        if keep + info.data.get("random", 0) >= 1:
            raise ValueError("random and keep together leave nothing to mask; lower one")
        return keep


class TranslateTrain(Strict):
    """Labelled rows translated into the languages where labels lack."""

    translator: str  # a parent folder, starter or hub id that speaks both languages
    languages: Annotated[list[Language], Field(min_length=1)]  # to translate into
    keep_source: bool = True  # train on the rows as they were too
    decoding: Decoding = GREEDY
    filters: Filters = Filters()


class BackTranslation(Strict):
    """Target text with a made source, in rounds (Sennrich et al. 2016; Caswell et al. 2019)."""

    rounds: Positive = 2
    metric: Literal["BLEU", "chrF++"] = "BLEU"
    # Of the reverse model on dev. Text made by a weaker one teaches its mistakes.
    minimum_quality: Annotated[float, Field(ge=0, le=100)] = 8.0
    ratio: Annotated[float, Field(ge=1, le=2)] = 1.0  # made rows for each real one, at most
    # Stands before a made source. No vocabulary has a tag piece for it, so it is spelt in pieces
    # that every vocabulary has; it is always the same ones, as no piece crosses a space.
    marker: Annotated[str, Field(pattern=r"^\S+$")] = "<BT>"
    decoding: Decoding = GREEDY
    filters: Filters = Filters()


class Iterative(Strict):
    """Back-translation in rounds without any parallel text (Lample et al. 2018)."""

    rounds: Positive = 3
    sentences: Positive = 10000  # of each direction, drawn anew in each round
    decoding: Decoding = GREEDY
    filters: Filters = Filters()


class Distillation(Strict):
    """A teacher's translations as a student's targets (Kim & Rush 2016)."""

    teacher: str  # a parent folder, starter or hub id
    decoding: Decoding = Decoding(beams=5)
    # "nearest": of the beam, what is most like the reference (their Seq-Inter).
    choice: Literal["best", "nearest"] = "best"
    real_share: Fraction = 0.0  # of the rows, left with their reference
    filters: Filters = Filters()

    @field_validator("choice")
    @classmethod
    def _has_a_choice(cls, choice: str, info: ValidationInfo) -> str:
        decoding = info.data.get("decoding")
        if choice == "nearest" and decoding and decoding.beams == 1:
            raise ValueError('"nearest" chooses among the beam, so decoding.beams must be above 1')
        return choice
