"""Settings of language identification."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from lingraft.training.recipe.settings import (
    Buckets,
    Column,
    Fraction,
    Language,
    Orders,
    Positive,
    Rate,
    Strict,
)

PLACE = "{language}"  # in a path or a column's name: one source of many languages
_Languages = Annotated[list[Language], Field(min_length=1)]


class Spoken(Strict):
    """Lines of text in known languages."""

    name: str
    path: str
    languages: _Languages
    column: Column = 0
    header: bool = False
    licence: str = "not stated"
    sample: Positive | None = None  # lines of each language, drawn by the seed
    # Every second line: a source may serve both training and dev.
    lines: Literal["all", "even", "odd"] = "all"

    @field_validator("languages")
    @classmethod
    def _once(cls, languages: list[str]) -> list[str]:
        if len(set(languages)) < len(languages):
            raise ValueError("names a language twice")
        return languages


class Strangers(Strict):
    """Lines of text in none of the languages: what must be answered by "und"."""

    name: str
    path: str
    column: Column = 0
    header: bool = False


class Counted(Strict):
    """What is counted: n-grams of up to `orders` characters, in 2^`bits` buckets."""

    orders: Orders = 5
    bits: Buckets = 16
    longest: Positive = 1000  # characters of a text that are read


class Fitting(Strict):
    """One fitting of the weights."""

    learning_rate: Rate = 0.05
    decay: Annotated[float, Field(gt=0, le=1)] = 0.7  # of the rate, after each epoch
    epochs: Positive = 8
    batch: Positive = 2000
    per_language: Positive = 4000  # texts of each language, most of them cut out of longer ones
    outliers: Positive = 24000  # texts in no language, made
    # Of the texts to come: how many are expected to be in none of the languages.
    strangers: Fraction = 0.15
