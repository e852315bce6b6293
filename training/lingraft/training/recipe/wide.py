"""The wide part of a classifier: what is counted beside the encoder, and how fast it learns."""

from __future__ import annotations

from lingraft.training.recipe.settings import Buckets, Orders, Rate, Strict


class Wide(Strict):
    """A table of hashed piece n-grams whose logits are added to the head's (`models/wide.py`).

    Every neural arm has it, so that a gain is still that of the parent; TF-IDF counts already.

    learning_rate: peak of the table's own, whatever the grid gives the encoder. A row learns from
        the few texts that have its n-gram, and begins at zero, where a parent's weights are near
        their end.
    """

    orders: Orders = 2
    bits: Buckets = 16
    learning_rate: Rate = 0.1
