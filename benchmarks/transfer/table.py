"""Rows of the transfer table, as JSON and as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks.transfer.cases import ChildCase
from lingraft.training.gate.significance import Comparison, Interval
from lingraft.training.graft import Graft

Row = dict[str, Any]
_OTHERS = ("scratch", "random-rows", "parent")
_ARMS = ("graft", *_OTHERS)


def row_of(case: ChildCase, graft: Graft) -> Row:
    """All figures of one case."""
    tests = zip(graft.test.tests, graft.test.comparisons, strict=True)
    return {
        "case": case.name,
        "parent": case.parent,
        "pairs": sum(map(len, graft.data.train)),
        "seeds": case.seeds,
        "verdict": graft.decision.verdict.value,
        "reason": graft.decision.reason,
        "as_expected": graft.decision.verdict.value in case.expected,
        "seconds": {name: round(arm.seconds) for name, arm in graft.arms.items()},
        "tests": [
            {"test_set": test.name, "direction": test.direction, **_figures(compared)}
            for test, compared in tests
        ],
    }


def _figures(compared: Comparison) -> Row:
    return {
        "baseline": compared.baseline,
        "scores": {
            arm: {
                "mean": round(scores.mean, 2),
                "deviation": None if scores.deviation is None else round(scores.deviation, 2),
            }
            for arm, scores in compared.scores.items()
        },
        "over": {arm: _interval(difference) for arm, difference in compared.over.items()},
    }


def _interval(interval: Interval) -> list[float]:
    return [round(part, 2) for part in (interval.value, interval.low, interval.high)]


def as_markdown(rows: Sequence[Row]) -> str:
    """The table for people; a difference whose interval holds zero is called none."""
    over = [f"over {arm}" for arm in _OTHERS]
    names = ["case", "pairs", "seeds", "test set", "direction", *_ARMS, *over, "verdict"]
    lines = [f"| {' | '.join(names)} |", "|---" * len(names) + "|"]
    return "\n".join([*lines, *(line for row in rows for line in _lines(row))]) + "\n"


def _lines(row: Row) -> Iterator[str]:
    for test in row["tests"]:
        cells = [_cell(test["scores"].get(arm)) for arm in _ARMS]
        cells += [_difference(test["over"].get(arm)) for arm in _OTHERS]
        yield (
            f"| {row['case']} | {row['pairs']:,} | {row['seeds']} | {test['test_set']} "
            f"| {test['direction']} | {' | '.join(cells)} | {row['verdict']} |"
        )


def _difference(over: list[float] | None) -> str:
    if over is None:
        return ""
    value, low, high = over
    shown = f"{value:+.1f}" if low > 0 or high < 0 else "no difference shown"
    return f"{shown} [{low:+.1f}, {high:+.1f}]"


def _cell(score: Row | None) -> str:
    if score is None:
        return ""
    spread = "" if score["deviation"] is None else f" ± {score['deviation']:.1f}"
    return f"{score['mean']:.1f}{spread}"
