"""The transfer report of a journey, as a page, as JSON with the same content and as Markdown."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lingraft.training import classify as classification
from lingraft.training import graft as translation
from lingraft.training.data.corpora import spread
from lingraft.training.gate.verdict import Comparison, Interval
from lingraft.training.measure.metrics import bleu, chrf
from lingraft.training.report.markdown import as_markdown
from lingraft.training.report.origin import cost_of, provenance_of, slices_of
from lingraft.training.report.page import as_html
from lingraft.training.report.schema import Document, complete
from lingraft.training.run.arms import Arm

__all__ = [
    "Report",
    "as_html",
    "as_json",
    "as_markdown",
    "classification_report",
    "translation_report",
    "write_report",
]

Report = dict[str, Any]
_EXAMPLES = 10


def translation_report(graft: translation.Graft, *, examples: bool) -> Report:
    """All figures of a translation graft; `examples` adds sentences with their translations."""
    test = _directions(graft.test)
    report: Report = {
        "name": graft.recipe.name,
        "task": "translation",
        "parent": {"name": graft.parent.name, "sha256": graft.parent.sha256},
        "verdict": graft.verdict.value,
        "reason": graft.reason,
        "gain": _interval(graft.gain),
        "arms": {"graft": _arm(graft.graft), "control": _arm(graft.control)},
        "training_rows": sum(map(len, graft.data.train)),
        "rows_dropped_for_overlap": graft.data.dropped,
        "dev": _directions(graft.dev),
        "test": test,
        "results": [_result(direction) for direction in test],
        "slices": slices_of(graft),
        "cost": cost_of(graft),
        "provenance": provenance_of(graft),
        "test_openings": graft.test_openings,
        "forgetting": [
            {
                "test_set": f.test.name,
                "direction": f.test.direction,
                "before": round(f.before, 2),
                "after": round(f.after, 2),
            }
            for f in graft.forgetting
        ],
    }
    if examples:
        report["examples"] = _examples(graft.test)
    return report


def _directions(measured: translation.Measured) -> list[Report]:
    return [_direction(measured, i) for i in range(len(measured.tests))]


def _direction(measured: translation.Measured, i: int) -> Report:
    test = measured.tests[i]
    scores = {}
    for arm, outputs in measured.outputs.items():
        both = (chrf(outputs[i], test.references), bleu(outputs[i], test.references))
        scores[arm] = {score.name: round(score.value, 2) for score in both}
        signatures = {score.name: score.signature for score in both}
    return {
        "test_set": test.name,
        "direction": test.direction,
        "sentences": len(test.sources),
        "scores": scores,
        "gain": _interval(measured.comparisons[i].gain),
        "signatures": signatures,
    }


def _result(direction: Report) -> Report:
    """A direction as the page shows it."""
    scores = direction["scores"]
    baseline = max((arm for arm in scores if arm != "graft"), key=lambda a: scores[a]["chrF++"])
    arms = [
        {"name": arm, "scores": [each["chrF++"]], "others": {"BLEU": each["BLEU"]}}
        for arm, each in scores.items()
    ]
    same = ("direction", "test_set", "sentences", "gain", "signatures")
    kept = {key: direction[key] for key in same}
    return {"metric": "chrF++", "arms": arms, "baseline": baseline, **kept}


def _examples(measured: translation.Measured) -> list[Report]:
    return [
        {
            "direction": test.direction,
            "source": test.sources[j],
            "reference": test.references[j],
            **{arm: outputs[i][j] for arm, outputs in measured.outputs.items()},
        }
        for i, test in enumerate(measured.tests)
        for j in spread(len(test.sources), _EXAMPLES)
    ]


def classification_report(graft: classification.Graft, *, examples: bool) -> Report:
    """All figures of a classifier graft; `examples` adds texts with their predicted labels."""
    test = {**_accuracies(graft.test_comparison), "texts": len(graft.test)}
    report: Report = {
        "name": graft.recipe.name,
        "task": "classification",
        "parent": {"name": graft.parent.name, "sha256": graft.parent.sha256},
        "verdict": graft.verdict.value,
        "reason": graft.reason,
        "gain": test["gain"],
        "labels": list(graft.labels),
        "arms": {"graft": _arm(graft.graft), "control": _arm(graft.control)},
        "training_rows": len(graft.train),
        "rows_dropped_for_overlap": graft.dropped,
        "dev": _accuracies(graft.dev_comparison),
        "test": test,
        "results": [
            {
                "language": ", ".join(dict.fromkeys(row[2] for row in graft.test)),
                "sentences": len(graft.test),
                "metric": "accuracy",
                "arms": [{"name": arm, "scores": [s]} for arm, s in test["accuracy"].items()],
                "baseline": "control",
                "gain": test["gain"],
            }
        ],
        "cost": cost_of(graft),
        "provenance": provenance_of(graft),
        "test_openings": graft.test_openings,
    }
    if examples:
        report["examples"] = [
            {"text": text, "label": label, "graft": graft.labels[guess]}
            for (text, label, _), guess in zip(graft.test, graft.predictions, strict=True)
        ]
    return report


def _accuracies(comparison: Comparison) -> Report:
    accuracy = {"graft": round(comparison.graft, 4), "control": round(comparison.control, 4)}
    return {"accuracy": accuracy, "gain": _interval(comparison.gain, digits=4)}


def _arm(arm: Arm) -> Report:
    return {
        "chosen": {"learning_rate": arm.chosen.learning_rate, "dropout": arm.chosen.dropout},
        "grid": [
            {
                "learning_rate": t.learning_rate,
                "dropout": t.dropout,
                "dev": round(t.log_likelihood, 4),
            }
            for t in arm.trials
        ],
        "steps": arm.state.step,
        "best_step": arm.state.best_step,
        "target_tokens": arm.state.tokens,
        "seconds": round(arm.state.seconds, 1),
        "dev_scores": [[step, round(score, 4)] for step, score in arm.state.scores],
    }


def _interval(interval: Interval, digits: int = 2) -> Mapping[str, float]:
    return {
        "value": round(interval.value, digits),
        "low": round(interval.low, digits),
        "high": round(interval.high, digits),
    }


def as_json(report: Document | Report) -> bytes:
    """The report as UTF-8 JSON, with all that follows from the rest (`schema.complete`)."""
    return (json.dumps(complete(report), ensure_ascii=False, indent=1) + "\n").encode()


def write_report(report: Document | Report, folder: Path) -> None:
    """`report.html`, `report.json` and `report.md` in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_bytes(as_json(report))
    (folder / "report.md").write_text(as_markdown(report), encoding="utf-8")
    (folder / "report.html").write_text(as_html(report), encoding="utf-8")
