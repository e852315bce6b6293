"""The wide part of a classifier: what is counted beside the encoder."""

from __future__ import annotations

from lingraft.training.recipe.settings import Buckets, Orders, Strict


class Wide(Strict):
    """A table of hashed n-grams of letters inside words, whose logits are added to the head's.

    Every neural arm has it, the same one, so that a gain is still that of the parent; TF-IDF counts
    already. It is fitted apart, by a solver (`experiment/counting.py`).
    """

    orders: Orders = 5
    bits: Buckets = 17
