"""Vocabulary transfer: which pieces the child gets and how the rows of new ones begin."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from lingraft.training.recipe.settings import Language, Positive, Strict, Text

Method = Literal["keep", "extend", "replace"]
Rows = Literal["random", "match", "align"]


class VocabularyTransfer(Strict):
    """How a child gets from the parent's pieces to its own.

    keep: the parent's vocabulary as it stands. extend: the child's pieces behind the parent's.
    replace: a new vocabulary; name in `languages` also those of the parent that must survive.
    """

    # Checks stand on the later field of each pair; unset settings are checked as well.
    method: Method = "keep"
    # replace: all pieces, padding included; extend: new pieces at most, tags not counted
    size: Annotated[Positive | None, Field(validate_default=True)] = None
    # rows of new pieces; match (the parent's row of the same piece) is for replace alone, and
    # align begins with it there
    rows: Annotated[Rows | None, Field(validate_default=True)] = None
    languages: list[Language] = Field(default_factory=list)  # get a tag, as those of the text do
    # What the pieces are learnt from: of a language named here this, of others the training data.
    texts: list[Text] = Field(default_factory=list)
    sentences_per_language: Positive = 20000  # of that text, evenly spread
    # align: weights are the alignment's probabilities to the power of 1/temperature
    temperature: Annotated[float | None, Field(gt=0, validate_default=True)] = None
    seed: int = 1  # of random rows

    @field_validator("size")
    @classmethod
    def _size_for_new_pieces(cls, size: int | None, info: ValidationInfo) -> int | None:
        method = info.data.get("method")
        if method == "keep" and size is not None:
            raise ValueError("method keep adds no pieces; leave size out, or extend or replace")
        if method in ("extend", "replace") and size is None:
            raise ValueError(f"method {method} needs a size")
        if method == "replace" and size is not None and size < 300:
            raise ValueError(f"a whole vocabulary has 300 pieces or more, not {size}")
        return size

    @field_validator("rows")
    @classmethod
    def _rows_for_new_pieces(cls, rows: Rows | None, info: ValidationInfo) -> Rows | None:
        method = info.data.get("method")
        if method == "keep" and rows is not None:
            raise ValueError("method keep has no new rows; leave rows out, or extend or replace")
        if method in ("extend", "replace") and rows is None:
            raise ValueError(f"method {method} needs rows: random, match (replace alone) or align")
        if method == "extend" and rows == "match":
            raise ValueError(
                "extend adds only pieces that the parent lacks, so none can match; use random or "
                "align"
            )
        return rows

    @field_validator("texts")
    @classmethod
    def _texts_are_read(cls, texts: list[Text], info: ValidationInfo) -> list[Text]:
        if texts and info.data.get("method") == "keep":
            raise ValueError("method keep learns no pieces; leave texts out")
        return texts

    @field_validator("temperature")
    @classmethod
    def _temperature_of_weights(cls, value: float | None, info: ValidationInfo) -> float | None:
        if value is not None and "rows" in info.data and info.data["rows"] != "align":
            raise ValueError('only rows = "align" has weights; leave temperature out')
        return value
