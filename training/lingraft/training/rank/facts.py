"""What a parent's folder tells of it: data, size, own scores."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from lingraft.training.errors import ParentError
from lingraft.training.models.marian import WEIGHTS_FILE
from lingraft.training.parents.find import PROVENANCE_FILE

SCORES_FILE = "scores.json"


@dataclass(frozen=True)
class Facts:
    """None where the folder does not say.

    pairs: sentence pairs that the parent was trained on, of all its directions.
    parameters: weights, tied ones once.
    dev_chrf: mean chrF++ of its own directions on its own dev set.
    """

    pairs: int | None
    parameters: int
    dev_chrf: float | None


def facts_of(folder: Path) -> Facts:
    """Facts of a parent's folder; a file that is not as `pretrain` writes it says nothing.

    Raises:
        ParentError: the weights cannot be read.
    """
    provenance, scores = _read(folder / PROVENANCE_FILE), _read(folder / SCORES_FILE)
    pairs = provenance.get("pairs") if isinstance(provenance, dict) else None
    return Facts(
        pairs=pairs if isinstance(pairs, int) and pairs > 0 else None,
        parameters=_parameters(folder / WEIGHTS_FILE),
        dev_chrf=_mean_chrf(scores if isinstance(scores, list) else []),
    )


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _parameters(path: Path) -> int:
    try:
        with safe_open(str(path), framework="numpy") as weights:
            names = list(weights.keys())
            return sum(math.prod(weights.get_slice(name).get_shape()) for name in names)
    except (OSError, SafetensorError) as error:
        raise ParentError(f"{path}: its weights cannot be read: {error}") from None


def _mean_chrf(scores: list[Any]) -> float | None:
    values = [
        float(score["value"])
        for score in scores
        if isinstance(score, dict) and score.get("name") == "chrF++" and "value" in score
    ]
    return sum(values) / len(values) if values else None
