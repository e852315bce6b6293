"""The transfer report: what was tried, what each arm scored, the verdict and its interval."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lingraft.training import classify as classification
from lingraft.training import graft as translation
from lingraft.training.data.corpora import spread
from lingraft.training.gate.verdict import Comparison, Interval
from lingraft.training.measure.metrics import bleu, chrf
from lingraft.training.run.arms import Arm

Report = dict[str, Any]
_ARMS = ("graft", "control", "parent")
_EXAMPLES = 10


def translation_report(graft: translation.Graft, *, examples: bool) -> Report:
    """All figures of a translation graft; `examples` adds sentences with their translations."""
    report: Report = {
        "name": graft.recipe.name,
        "parent": {"name": graft.parent.name, "sha256": graft.parent.sha256},
        "verdict": graft.verdict.value,
        "reason": graft.reason,
        "gain": _interval(graft.gain),
        "arms": {"graft": _arm(graft.graft), "control": _arm(graft.control)},
        "training_rows": sum(map(len, graft.data.train)),
        "rows_dropped_for_overlap": graft.data.dropped,
        "dev": _directions(graft.dev),
        "test": _directions(graft.test),
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
    report: Report = {
        "name": graft.recipe.name,
        "parent": {"name": graft.parent.name, "sha256": graft.parent.sha256},
        "verdict": graft.verdict.value,
        "reason": graft.reason,
        "labels": list(graft.labels),
        "arms": {"graft": _arm(graft.graft), "control": _arm(graft.control)},
        "training_rows": len(graft.train),
        "rows_dropped_for_overlap": graft.dropped,
        "dev": _accuracies(graft.dev_comparison),
        "test": {**_accuracies(graft.test_comparison), "texts": len(graft.test)},
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


def as_json(report: Report) -> bytes:
    """The report as UTF-8 JSON."""
    return (json.dumps(report, ensure_ascii=False, indent=1) + "\n").encode()


def as_markdown(report: Report) -> str:
    """The report for people: verdict first."""
    times = report["test_openings"]
    lines = [
        f"# {report['name']}: {report['verdict']}",
        "",
        f"{report['reason'][0].upper()}{report['reason'][1:]}. Decided on dev; the table is of "
        f"test, opened {'once' if times == 1 else f'{times} times'}.",
        "",
    ]
    lines += [f"Grafted onto {report['parent']['name']} from {report['training_rows']:,} rows.", ""]
    lines += _accuracy_table(report) if "labels" in report else _score_table(report["test"])
    if report.get("forgetting"):
        lines += ["", "What the graft forgot of its parent:", ""]
        lines += ["| test set | direction | before | after |", "|---|---|---|---|"]
        lines += [
            f"| {f['test_set']} | {f['direction']} | {f['before']:.1f} | {f['after']:.1f} |"
            for f in report["forgetting"]
        ]
    return "\n".join(lines) + "\n"


def _score_table(tests: Sequence[Report]) -> list[str]:
    lines = [
        "| test set | direction | sentences | metric | graft | control | parent | gain, 95% |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for test in tests:
        gain = test["gain"]
        note = f"{gain['value']:+.1f} [{gain['low']:+.1f}, {gain['high']:+.1f}]"
        for metric in ("chrF++", "BLEU"):
            cells = " | ".join(f"{test['scores'][arm][metric]:.1f}" for arm in _ARMS)
            head = f"| {test['test_set']} | {test['direction']} | {test['sentences']} | {metric}"
            lines.append(f"{head} | {cells} | {note if metric == 'chrF++' else ''} |")
    signatures = tests[0]["signatures"].values()
    return [*lines, "", *(f"- `{signature}`" for signature in signatures)]


def _accuracy_table(report: Report) -> list[str]:
    test = report["test"]
    gain, accuracy = test["gain"], test["accuracy"]
    return [
        "| texts | graft | control | gain, 95% |",
        "|---|---|---|---|",
        f"| {test['texts']} | {accuracy['graft']:.3f} | {accuracy['control']:.3f} | "
        f"{gain['value']:+.3f} [{gain['low']:+.3f}, {gain['high']:+.3f}] |",
    ]


def write_report(report: Report, folder: Path) -> None:
    """`report.json` and `report.md` in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_bytes(as_json(report))
    (folder / "report.md").write_text(as_markdown(report), encoding="utf-8")
