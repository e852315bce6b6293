"""Writes models/README.md and models/figures.json from the manifests of the embedded bundles.

    python scripts/figures.py

No figure stands in two places by hand: what a bundle's own manifest says is what these say, below
what models/ASKED.md says of what was asked.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MODELS = Path(__file__).resolve().parent.parent / "models"

_OF_TRANSLATION = (
    *("model", "source", "target", "test_set", "chrf", "interval"),
    *("control", "parent", "gain", "int8_loss"),
)
_OF_CLASSIFICATION = ("model", "test_set", "metric", "value", "interval", "size")
Figures = dict[str, list[dict[str, Any]]]
_HEAD = """\
# The embedded models

Written by `python scripts/figures.py` from the models' own manifests, which say more: data,
licences, calibration. An interval is the middle 95% of a bootstrap over the test sentences.
"""
_PARENT = """\
| folder | what it is |
|---|---|
| [parent-xs](parent-xs/README.md) | the parent of grafts, no bundle: its card has its scores |
"""


def figures(models: Path = MODELS) -> Figures:
    """All figures of all bundles in a folder: translation by direction, classification by test."""
    found: Figures = {"translation": [], "classification": []}
    for path in sorted(models.glob("*/bundle.json")):
        manifest = json.loads(path.read_text(encoding="utf-8"))
        found["translation"] += _directions(manifest)
        found["classification"] += [
            {"model": manifest["name"], **_measured(metric)}
            for metric in manifest.get("metrics", ())
        ]
    return found


def _directions(manifest: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for pair in manifest.get("pairs", ()):
        transfer = pair.get("transfer", {})
        for metric in pair.get("metrics", ()):
            if metric["name"] != "chrF++":
                continue
            measured = _measured(metric)
            first = metric is pair["metrics"][0]  # what the transfer report is about
            yield {
                "model": manifest["name"],
                "source": pair["sourceLanguage"],
                "target": pair["targetLanguage"],
                "test_set": measured["test_set"],
                "chrf": measured["value"],
                "interval": measured["interval"],
                "control": _value(transfer.get("scratch")) if first else None,
                "parent": _value(transfer.get("zeroShot")) if first else None,
                "gain": _value(transfer.get("gain")) if first else None,
                "int8_loss": _int8_loss(manifest, pair),
            }


def _int8_loss(manifest: dict[str, Any], pair: dict[str, Any]) -> float | None:
    """chrF++ that int8 loses in a direction on dev, if it was measured there."""
    way = (pair["sourceLanguage"], pair["targetLanguage"])
    for graphs in manifest["graphs"]:
        int8 = graphs["precision"] == "PRECISION_INT8"
        for each in graphs.get("pairLosses", ()) if int8 else ():
            if (each["sourceLanguage"], each["targetLanguage"]) == way:
                return _value(each["loss"])
    return None


def _measured(metric: dict[str, Any]) -> dict[str, Any]:
    interval = [round(metric[end], 4) for end in ("ciLow", "ciHigh") if end in metric]
    return {
        "test_set": metric["testSet"],
        "metric": metric["name"],
        "value": round(metric.get("value", 0.0), 4),
        "interval": interval or None,
        "size": int(metric["size"]),
    }


def _value(metric: dict[str, Any] | None) -> float | None:
    return None if metric is None else round(metric.get("value", 0.0), 2)


def as_markdown(found: Figures, asked: str = "") -> str:
    """The table for people, after what was asked of the models and what became of it."""
    lines = [_HEAD, _PARENT, asked] if asked else [_HEAD, _PARENT]
    if found["translation"]:
        lines += _table("Translation, chrF++", found["translation"], _OF_TRANSLATION)
    if found["classification"]:
        lines += _table("Classification", found["classification"], _OF_CLASSIFICATION)
    return "\n".join(lines).rstrip() + "\n"


def _table(title: str, rows: list[dict[str, Any]], names: tuple[str, ...]) -> Iterator[str]:
    yield f"## {title}\n"
    yield f"| {' | '.join(name.replace('_', ' ') for name in names)} |"
    yield "|---" * len(names) + "|"
    yield from (f"| {' | '.join(_cell(row[name]) for name in names)} |" for row in rows)
    yield ""


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value[0]} to {value[1]}" if isinstance(value, list) else str(value)


def asked() -> str:
    """What was asked of the embedded models and what is reached; written by hand."""
    return (MODELS / "ASKED.md").read_text(encoding="utf-8")


def main() -> int:
    """Writes both files."""
    found = figures()
    (MODELS / "figures.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    (MODELS / "README.md").write_text(as_markdown(found, asked()), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
