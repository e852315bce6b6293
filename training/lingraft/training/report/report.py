"""The transfer report: what was tried, what each arm scored, the verdict and its interval."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from lingraft.training.classify import ClassifierGraft
from lingraft.training.data.corpora import spread
from lingraft.training.experiment.classification import LabelsMeasured
from lingraft.training.experiment.measuring import Measured
from lingraft.training.experiment.seeds import Seeded
from lingraft.training.gate.significance import GRAFT, Comparison, Interval, seeds_needed
from lingraft.training.gate.verdict import Decision
from lingraft.training.graft import Graft
from lingraft.training.measure.metrics import bleu, chrf
from lingraft.training.run.arms import Arm

Report = dict[str, Any]
_EXAMPLES = 10


def translation_report(graft: Graft, *, examples: bool) -> Report:
    """All figures of a translation graft; `examples` adds sentences with their translations."""
    report: Report = {
        "name": graft.recipe.name,
        "parent": {"name": graft.parent.name, "sha256": graft.parent.sha256},
        "verdict": graft.decision.verdict.value,
        "reason": graft.decision.reason,
        "gain": _interval(graft.gain),
        "arms": {name: _seeded(arm) for name, arm in graft.arms.items()},
        "training_rows": sum(map(len, graft.data.train)),
        "rows_dropped_for_overlap": graft.data.dropped,
        "dev": _directions(graft.dev, graft.decision),
        "test": _directions(graft.test, None),
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
        report["examples"] = _examples(graft)
    return report


def _directions(measured: Measured, decision: Decision | None) -> list[Report]:
    return [_direction(measured, i, decision) for i in range(len(measured.tests))]


def _direction(measured: Measured, i: int, decision: Decision | None) -> Report:
    test, compared = measured.tests[i], measured.comparisons[i]
    scores: Report = {}
    for arm, seeds in measured.outputs.items():
        both = [(chrf(o[i], test.references), bleu(o[i], test.references)) for o in seeds]
        means = zip(*both, strict=True)
        scores[arm] = {s[0].name: round(mean(x.value for x in s), 2) for s in means}
        signatures = {score.name: score.signature for score in both[0]}
    return {
        "test_set": test.name,
        "direction": test.direction,
        "sentences": len(test.sources),
        "scores": scores,
        "signatures": signatures,
        **_compared(compared),
        **_judged(decision, i),
    }


def _compared(compared: Comparison) -> Report:
    """Scores of every seed, and the gain over the best other arm."""
    return {
        "seeds": {
            arm: {
                "values": [round(value, 2) for value in scores.values],
                "deviation": None if scores.deviation is None else round(scores.deviation, 2),
            }
            for arm, scores in compared.scores.items()
        },
        "baseline": compared.baseline,
        "gain": _interval(compared.gain),
        "over": {arm: _interval(difference) for arm, difference in compared.over.items()},
        "seeds_needed": _seeds_needed(compared),
    }


def _seeds_needed(compared: Comparison) -> int | None:
    """Seeds of each arm that would find a difference of one point; None where one was run."""
    spreads = [compared.scores[arm].deviation for arm in (GRAFT, compared.baseline)]
    known = [spread for spread in spreads if spread is not None]
    return seeds_needed(max(known), 1.0) if known else None


def _judged(decision: Decision | None, i: int) -> Report:
    if decision is None:
        return {}
    judged = decision.directions[i]
    return {"p_holm": round(judged.p, 4), "verdict": judged.verdict.value}


def _examples(graft: Graft) -> list[Report]:
    measured = graft.test
    return [
        {
            "direction": test.direction,
            "source": test.sources[j],
            "reference": test.references[j],
            **{
                arm: seeds[graft.served if arm == GRAFT else 0][i][j]
                for arm, seeds in measured.outputs.items()
            },
        }
        for i, test in enumerate(measured.tests)
        for j in spread(len(test.sources), _EXAMPLES)
    ]


def classification_report(graft: ClassifierGraft, *, examples: bool) -> Report:
    """All figures of a classifier graft; `examples` adds texts with their predicted labels."""
    report: Report = {
        "name": graft.recipe.name,
        "parent": {"name": graft.parent.name, "sha256": graft.parent.sha256},
        "verdict": graft.decision.verdict.value,
        "reason": graft.decision.reason,
        "labels": list(graft.data.names),
        "arms": {name: _seeded(arm) for name, arm in graft.arms.items()},
        "gain": _interval(graft.gain),
        "training_rows": len(graft.data.train),
        "rows_dropped_for_overlap": graft.data.dropped,
        "dev": _languages(graft.dev, graft.decision),
        "test": _languages(graft.test, None),
        "test_openings": graft.test_openings,
    }
    if examples:
        report["examples"] = _labelled_examples(graft)
    return report


def _languages(measured: LabelsMeasured, decision: Decision | None) -> list[Report]:
    return [
        {
            "test_set": part.name,
            "language": part.language,
            "texts": len(part.rows),
            "scores": {
                arm: {"macro-F1": round(scores.mean, 2)} for arm, scores in compared.scores.items()
            },
            **_compared(compared),
            **_judged(decision, i),
        }
        for i, (part, compared) in enumerate(zip(measured.sets, measured.comparisons, strict=True))
    ]


def _labelled_examples(graft: ClassifierGraft) -> list[Report]:
    guesses, names = graft.test.guesses[GRAFT][graft.served], graft.data.names
    return [
        {"text": text, "label": label, "language": language, "graft": names[guess]}
        for part, made in zip(graft.test.sets, guesses, strict=True)
        for (text, label, language), guess in zip(part.rows, made, strict=True)
    ]


def _seeded(arm: Seeded) -> Report:
    return {**_arm(arm.first), "seconds_of_all_seeds": round(arm.seconds, 1)}


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
    lines += _label_table(report["test"]) if "labels" in report else _score_table(report["test"])
    if report.get("forgetting"):
        lines += ["", "What the graft forgot of its parent:", ""]
        lines += ["| test set | direction | before | after |", "|---|---|---|---|"]
        lines += [
            f"| {f['test_set']} | {f['direction']} | {f['before']:.1f} | {f['after']:.1f} |"
            for f in report["forgetting"]
        ]
    return "\n".join(lines) + "\n"


def _score_table(tests: Sequence[Report]) -> list[str]:
    arms = list(tests[0]["scores"])
    lines = [
        f"| test set | direction | sentences | metric | {' | '.join(arms)} | over the best other |",
        "|---" * (len(arms) + 5) + "|",
    ]
    for test in tests:
        for metric in ("chrF++", "BLEU"):
            cells = " | ".join(f"{test['scores'][arm][metric]:.1f}" for arm in arms)
            head = f"| {test['test_set']} | {test['direction']} | {test['sentences']} | {metric}"
            lines.append(f"{head} | {cells} | {_claim(test) if metric == 'chrF++' else ''} |")
    signatures = tests[0]["signatures"].values()
    return [*lines, "", *(f"- `{signature}`" for signature in signatures)]


def _label_table(tests: Sequence[Report]) -> list[str]:
    arms = list(tests[0]["scores"])
    lines = [
        f"| test set | language | texts | {' | '.join(arms)} | over the best other |",
        "|---" * (len(arms) + 4) + "|",
    ]
    for test in tests:
        cells = " | ".join(f"{test['scores'][arm]['macro-F1']:.1f}" for arm in arms)
        head = f"| {test['test_set']} | {test['language']} | {test['texts']}"
        lines.append(f"{head} | {cells} | {_claim(test)} |")
    return [*lines, "", "Macro-F1 in points of 100."]


def _claim(test: Report) -> str:
    """The gain with its interval; where that holds zero, no gain is claimed."""
    gain = test["gain"]
    between = f"[{gain['low']:+.1f}, {gain['high']:+.1f}]"
    if gain["low"] <= 0 <= gain["high"]:
        return f"no difference shown {between}"
    return f"{gain['value']:+.1f} {between}"


def write_report(report: Report, folder: Path) -> None:
    """`report.json` and `report.md` in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_bytes(as_json(report))
    (folder / "report.md").write_text(as_markdown(report), encoding="utf-8")
