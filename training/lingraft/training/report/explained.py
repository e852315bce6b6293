"""What an explanation found, in the twin's words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lingraft.training.experiment.explaining import Explained
from lingraft.training.explain.shuffled import Shuffling
from lingraft.training.gate.significance import GRAFT
from lingraft.training.report.measured import Report


def explanation_of(explained: Explained) -> Report:
    """As `schema.Document.explanation`; parts that the recipe did not ask for are left out."""
    reuse = explained.reuse.as_dict()
    layers = [
        {
            "module": each["module"],
            "cka": each["cka"],
            "distance": each["distance"],
            "relative_distance": each["relative_distance"],
            "rewound": each["rewind_cost"],
            "reinitialised": each["reinitialise_cost"],
        }
        for each in reuse["modules"]
    ]
    line = reuse["barrier"]["line"]
    report: Report = {
        "layers": layers,
        "agreement": reuse["agreement"],
        "barrier": {
            "points": [point for point, _ in line],
            "losses": [loss for _, loss in line],
            "height": reuse["barrier"]["height"],
        },
        "shuffled": _shuffled(explained.shuffled),
        "sentences": reuse["sentences"],
        "seconds": reuse["seconds"],
    }
    if explained.economy:
        report["economy"] = _economy(explained.economy.as_dict())
    if explained.checkpoints:
        report["checkpoints"] = _checkpoints(explained.checkpoints.as_dict())
    return report


def _shuffled(found: Sequence[tuple[str, Shuffling]]) -> list[Report]:
    return [
        {"direction": direction, "block": row.words, "graft": row.graft, "control": row.control}
        for direction, shuffling in found
        for row in shuffling.rows
    ]


def _economy(found: Mapping[str, Any]) -> Report:
    """The data-economy curve, as the page draws it."""
    points = {arm: [p for p in found["points"] if p["arm"] == arm] for arm in (GRAFT, "control")}
    curves = {
        arm: [{"value": p["score"], "low": p["low"], "high": p["high"]} for p in each]
        for arm, each in points.items()
    }
    factor = found["factor"] or {}
    return {
        "shares": [p["share"] for p in points[GRAFT]],
        "sizes": [p["examples"] for p in points[GRAFT]],
        **curves,
        "times": {key: factor.get(key) for key in ("value", "low", "high")},
        "sentence": factor.get("sentence"),
        "seconds": found["seconds"],
        "kwh": found["kwh"],
        "watts": found["watts"],
    }


def _checkpoints(found: Mapping[str, Any]) -> Report:
    rows = found["checkpoints"]
    return {
        "steps": [row["steps"] for row in rows],
        "graft": [row["score"] for row in rows],
        "earliest": found["earliest"]["steps"],
        "hours_saved": found["hours_saved"],
        "sentence": found["sentence"],
    }
