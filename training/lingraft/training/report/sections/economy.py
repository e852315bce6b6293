"""What the transfer saved: parent training, and the child's data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lingraft.training.report import words
from lingraft.training.report.blocks import Block, Exhibit, Figure, Missing, Section, Table, Text
from lingraft.training.report.figures import plots
from lingraft.training.report.schema import Document

_ARMS = ("graft", "control")


def economy(report: Document) -> Section | Missing:
    """Data-economy curve and earliest checkpoint."""
    title = "What did it save?"
    found = report.get("explanation") or {}
    metric = next((result["metric"] for result in report.get("results") or []), "score")
    exhibits = [
        exhibit
        for exhibit in (
            _data(found.get("economy") or {}, metric),
            _checkpoints(found.get("checkpoints") or {}, metric),
        )
        if exhibit
    ]
    if not exhibits:
        return Missing(title, "The graft was not tried with less data, nor from earlier parents.")
    return Section("economy", title, "What it saved", exhibits)


def _data(found: Mapping[str, Any], metric: str) -> Exhibit | None:
    sizes = found.get("sizes")
    curves = {arm: _intervals(found[arm]) for arm in _ARMS if found.get(arm)}
    if not sizes or not curves:
        return None
    series = [(arm, sizes, values) for arm, values in curves.items()]
    ticks = [(size, f"{size:,}") for size in _spread(sizes)]
    labels = ("examples in the new language", metric)
    svg = plots.curves("economy", series, labels, ticks=ticks, log=True)
    rows = [_size_row(i, found, curves, words.digits(metric)) for i in range(len(sizes))]
    columns = ["examples", *map(words.arm, curves)]
    columns += ["seconds"] if _per_size(found.get("seconds"), len(sizes)) else []
    columns += ["kWh"] if _per_size(found.get("kwh"), len(sizes)) else []
    sentence = str(found.get("sentence") or "")
    return Exhibit(
        "With less data",
        [Figure(svg, _savings(found, sentence)), Table(columns, rows)],
        "Each step to the right takes several times the examples. The sideways gap between the "
        "lines is how many examples the parent stands for; bands are 95% intervals.",
        "Where the lines meet, you have enough text of your own and need no parent.",
    )


def _savings(found: Mapping[str, Any], sentence: str) -> Text:
    times = found.get("times")
    value = times.get("value") if isinstance(times, Mapping) else times
    if sentence:
        return f"{sentence[:1].upper()}{sentence[1:].rstrip('.')}."
    if value is None:
        return "Scores by how much of the child's text was used."
    return words.join("From scratch needs ", words.number(value), " times the data.")


def _size_row(
    i: int, found: Mapping[str, Any], curves: Mapping[str, Any], decimals: int
) -> list[Any]:
    size = words.number(found["sizes"][i], 0)
    shares = found.get("shares") or []
    row: list[Any] = [
        size if i >= len(shares) else words.join(size, " (", words.percent(shares[i], 0), ")")
    ]
    for values in curves.values():
        score = words.optional(values[i]["value"], decimals)
        if "low" in values[i]:
            ends = (words.number(values[i][end], decimals) for end in ("low", "high"))
            score = words.join(score, " [", next(ends), ", ", next(ends), "]")
        row.append(score)
    for key, decimals in (("seconds", 0), ("kwh", 4)):
        if values := _per_size(found.get(key), len(found["sizes"])):
            row.append(words.number(values[i], decimals))
    return words.cells(*row)


def _per_size(values: Any, size: int) -> list[float]:
    """A figure for each size; sums and other shapes are not for the table."""
    usable = isinstance(values, Sequence) and len(values) == size
    return list(values) if usable and all(isinstance(v, int | float) for v in values) else []


def _spread(sizes: Sequence[int]) -> list[int]:
    """Sizes far enough apart on a logarithmic axis for their labels."""
    kept: list[int] = []
    for size in sorted(sizes, reverse=True):
        if not kept or size * 2.2 < kept[-1]:
            kept.append(size)
    return kept[::-1]


def _intervals(values: Sequence[Any]) -> list[Mapping[str, float]]:
    return [v if isinstance(v, Mapping) else {"value": v} for v in values]


def _checkpoints(found: Mapping[str, Any], metric: str) -> Exhibit | None:
    steps, scores = found.get("steps"), found.get("graft") or found.get("scores")
    if not steps or not scores:
        return None
    values, earliest = _intervals(scores), found.get("earliest")
    mark = None if earliest is None else (float(earliest), f"early enough: {earliest:,}")
    svg = plots.curves(
        "checkpoints",
        [("graft", steps, values)],
        ("steps of the parent's training", metric),
        ticks=[(step, f"{step:,}") for step in _apart(steps)],
        mark=mark,
    )
    blocks: list[Block] = [Figure(svg, _earliest(found))]
    return Exhibit(
        "From an earlier parent",
        blocks,
        "Each point is the graft's score when it starts from the parent as it was after so many "
        "steps. Where the line goes flat, training the parent longer brought the child nothing.",
        "Stop the next parent at about the marked step."
        if earliest is not None
        else "If the line still rises at its end, train the parent longer.",
    )


def _apart(steps: Sequence[int]) -> list[int]:
    kept: list[int] = []
    for step in sorted(steps, reverse=True):
        if not kept or kept[-1] - step >= (max(steps) - min(steps)) / 5:
            kept.append(step)
    return kept[::-1]


def _earliest(found: Mapping[str, Any]) -> Text:
    earliest, saved = found.get("earliest"), found.get("hours_saved")
    if sentence := found.get("sentence"):
        return str(sentence)
    if earliest is None:
        return "No earlier parent was shown to be as good as the last."
    start = words.join("The parent after ", words.number(earliest, 0), " steps was not worse")
    if saved is None:
        return words.join(start, " than the last.")
    return words.join(
        start, " than the last; stopping there would have saved ", words.number(saved), " hours."
    )
