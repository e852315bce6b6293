"""The wide part of a classifier: what is counted beside the encoder."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from lingraft.training.recipe.settings import Buckets, Orders, Pairs, Positive, Strict

_Above = Annotated[float, Field(gt=0)]


class Bridge(Strict):
    """Parallel text over which what labels teach reaches languages with none, or with fewer.

    The table's logits of a sentence in the languages with labels are what its n-grams in the others
    are taught (`experiment/bridging.py`). Pairs of two languages with labels serve too: several
    versions of a sentence tell better than one what it is about.
    """

    pairs: Annotated[list[Pairs], Field(min_length=1)]
    # Times those logits: a regression that is held back foresees less than it is taught.
    weight: _Above = 4.0
    penalty: _Above = 10.0  # of the ridge regression, against `texts` texts of every language
    texts: Positive = 8000


class Wide(Strict):
    """A table of hashed n-grams of letters inside words, whose logits are added to the head's.

    Every neural arm has it, the same one, so that a gain is still that of the parent; TF-IDF counts
    already. It is fitted apart, by a solver (`experiment/counting.py`).
    """

    orders: Orders = 5
    bits: Buckets = 17
    # What complement naive Bayes counts for in the table, against the regression of the same
    # spread: it weighs every n-gram by itself, so that a few texts mislead it less.
    bayes: Annotated[float, Field(ge=0)] = 0.0
    even: bool = False  # naive Bayes speaks of a label with few texts as loudly as of the others
    # Least squares in place of logistic regression: a text that is right already still draws, and
    # so from a few hundred texts less hangs on the few that are hard.
    squares: bool = False
    # The table is all that counts: a bundle has no encoder, and the parent lends its pieces alone.
    alone: bool = False
    bridge: Bridge | None = None  # unset: languages without labels have what words they share

    @field_validator("even")
    @classmethod
    def _has_bayes(cls, even: bool, info: ValidationInfo) -> bool:
        if even and not info.data.get("bayes", 1):
            raise ValueError("is a setting of naive Bayes, which counts for nothing: set bayes too")
        return even
