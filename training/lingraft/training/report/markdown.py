"""The report for a terminal and a repository: verdict first, one table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lingraft.training.report import words
from lingraft.training.report.schema import ArmScores, Document, Result, complete


def as_markdown(report: Document | dict[str, Any]) -> str:
    """The report for people: verdict first."""
    document = complete(report)
    lines = [f"# {document['name']}: {document['verdict']}", "", _reason(document), ""]
    trained = document.get("training_rows")
    if trained is not None:
        parent = document.get("parent", {}).get("name", "a parent")
        lines += [f"Grafted onto {parent} from {trained:,} rows.", ""]
    if wide := document.get("wide"):
        told = f"n-grams of 1 to {wide['orders']} letters, {wide['weights']:,} weights"
        place = "In place of" if wide.get("alone") else "Beside"
        lines += [f"{place} the encoder stands a table of {told}.", ""]
    lines += _score_table(document.get("results") or [])
    if forgotten := document.get("forgetting"):
        lines += ["", "What the graft forgot of its parent:", ""]
        lines += ["| test set | direction | before | after |", "|---|---|---|---|"]
        lines += [
            f"| {f.get('test_set', '')} | {f['direction']} | {f['before']:.1f} | {f['after']:.1f} |"
            for f in forgotten
        ]
    if (share := document.get("interpolation", {}).get("share", 1.0)) < 1:
        told = "of what training changed is kept, so that less is forgotten; chosen on dev"
        lines += ["", f"{100 * share:.0f}% {told}."]
    return "\n".join(lines) + "\n"


def _reason(report: Document) -> str:
    text = f"{words.reason(report)} Decided on dev; the table is of test"
    if (times := report.get("test_openings")) is None:
        return f"{text}."
    return f"{text}, opened {'once' if times == 1 else f'{times} times'}."


def _score_table(results: Sequence[Result]) -> list[str]:
    if not results:
        return ["No arm was scored on test."]
    names = list(dict.fromkeys(arm["name"] for result in results for arm in result["arms"]))
    head = ["test set", "direction", "sentences", "metric", *map(words.arm, names)]
    lines = [_row([*head, "gain, 95%"]), "|" + "---|" * (len(head) + 1)]
    for result in results:
        others = dict.fromkeys(n for arm in result["arms"] for n in arm.get("others", {}))
        lines += [_row(_cells(result, names, metric)) for metric in (result["metric"], *others)]
    signatures = dict.fromkeys(s for r in results for s in r.get("signatures", {}).values())
    return [*lines, "", *(f"- `{signature}`" for signature in signatures)] if signatures else lines


def _cells(result: Result, names: Sequence[str], metric: str) -> list[str]:
    arms = {arm["name"]: arm for arm in result["arms"]}
    scores = [_score(arms[name], metric, result) if name in arms else "" for name in names]
    gain = _gain(result) if metric == result["metric"] else ""
    where = result.get("direction") or result.get("language") or ""
    return [
        result.get("test_set", ""),
        where,
        str(result.get("sentences", "")),
        metric,
        *scores,
        gain,
    ]


def _score(arm: ArmScores, metric: str, result: Result) -> str:
    decimals = words.digits(metric)
    if metric != result["metric"]:
        value = arm.get("others", {}).get(metric)
        return "" if value is None else f"{value:.{decimals}f}"
    spread = arm.get("sd")
    return f"{arm['mean']:.{decimals}f}" + ("" if spread is None else f" ± {spread:.{decimals}f}")


def _gain(result: Result) -> str:
    if not (gain := result.get("gain")):
        return ""
    decimals = words.digits(result["metric"])
    value, low, high = (f"{gain[end]:+.{decimals}f}" for end in ("value", "low", "high"))
    return (
        f"no difference shown [{low}, {high}]"
        if words.crosses_zero(gain)
        else f"{value} [{low}, {high}]"
    )


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
