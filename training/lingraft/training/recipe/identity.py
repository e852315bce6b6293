"""What makes two runs the same run: recipe, data and parent, but not where the data lies."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel

# Settings that change what is seen or kept on the way, never the weights of a step.
FREE = {
    "display_name",
    "licence",
    "path",
    "save_every",
    "threads",
    "milestones",
    "trackers",
    "start",  # its weights are told apart by their digest
    # What an arm is compared with, and how often, changes none of its weights.
    "seeds",
    "controls",
    "gate",
    "ranking",
    "explanation",
    "calibration",
    "contamination",
    "parent_dev",
    "parent_test",
    "interpolation",  # of weights that are trained
    "precisions",
    "zero_shot",
    "weaknesses",
}


def identity_of(recipe: BaseModel, rows: Sequence[Sequence[tuple[str, ...]]], *more: str) -> str:
    """SHA-256 over the recipe's settings, all training text and whatever else is given.

    Settings at their defaults are left out, so that a run may go on under a version of this program
    that knows more of them.
    """
    settings = _without_free(recipe.model_dump(exclude_defaults=True))
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for texts in rows:
        for row in texts:
            digest.update("\t".join(row).encode())
    for part in more:
        digest.update(part.encode())
    return digest.hexdigest()


def _without_free(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_free(v) for k, v in value.items() if k not in FREE}
    if isinstance(value, list | tuple):
        return [_without_free(v) for v in value]
    return value
