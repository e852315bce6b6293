"""Where it is strong and how it fails."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from lingraft.training.report import words
from lingraft.training.report.blocks import Block, Cell, Exhibit, Figure, Missing, Section, Table
from lingraft.training.report.figures import plots
from lingraft.training.report.schema import Document, Slices

_FAULTS = (
    ("copied", "copied", "left the source as it was"),
    ("wrong_language", "wrong language", "came out in another of the known languages"),
    ("looping", "looping", "said the same thing over and over"),
    ("empty", "empty", "said nothing"),
)

_MUCH = 0.02  # share of outputs with a fault that calls for a look at the text


def slices(report: Document) -> Section | Missing:
    """Scores by length and source, and the rates of four known faults."""
    title = "Where is it strong, how does it fail?"
    found = report.get("slices") or []
    names = words.test_sets(found)
    parts = zip(names, found, strict=True)
    exhibits = [exhibit for name, part in parts for exhibit in _exhibits(name, part)]
    if not exhibits:
        return Missing(
            title, "Scores by length and source, and faults such as copying, were not counted."
        )
    return Section("slices", title, "Strengths and faults", exhibits)


def _exhibits(where: str, part: Slices) -> list[Exhibit]:
    makers: Sequence[tuple[str, Callable[[str, Any, str], Exhibit]]] = (
        ("lengths", _lengths),
        ("sources", _sources),
        ("rates", _rates),
    )
    metric = part.get("metric", "chrF++")
    return [make(where, content, metric) for key, make in makers if (content := part.get(key))]


def _lengths(where: str, bins: Sequence[Mapping[str, Any]], metric: str) -> Exhibit:
    series = [
        (arm, list(range(len(bins))), [{"value": b["scores"][arm]} for b in bins])
        for arm in _arms(bins)
        if all(arm in b["scores"] for b in bins)
    ]
    ticks = [
        (i, str(b["label"]).replace(" words", "").replace(" to ", "–")) for i, b in enumerate(bins)
    ]
    blocks: list[Block] = []
    if len(bins) > 1 and series:
        svg = plots.curves(
            f"lengths-{where}", series, ("words in the right answer", metric), ticks=ticks
        )
        blocks.append(Figure(svg, "Scores by length of the sentence. Higher is better."))
    blocks.append(_slice_table(bins, metric))
    return Exhibit(
        f"{where}: short and long sentences",
        blocks,
        "Long sentences are harder. A line that falls steeply to the right says that the model has "
        "seen too few of them.",
        "If your own text is longer than where the line falls, split it into sentences first. "
        "Differences in one row are hints: the rows are small.",
    )


def _sources(where: str, bins: Sequence[Mapping[str, Any]], metric: str) -> Exhibit:
    return Exhibit(
        f"{where}: by where the text comes from",
        [_slice_table(bins, metric)],
        "A model does best on text like that which it was trained on.",
        "Judge by the row that is most like your own text, not by the mean.",
    )


def _arms(bins: Sequence[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(arm for b in bins for arm in b["scores"]))


def _slice_table(bins: Sequence[Mapping[str, Any]], metric: str) -> Table:
    arms, decimals = _arms(bins), words.digits(metric)
    rows = [
        words.cells(
            str(b["label"]),
            words.optional(b.get("sentences"), 0),
            *(words.optional(b["scores"].get(arm), decimals) for arm in arms),
        )
        for b in bins
    ]
    return Table(("", "sentences", *map(words.arm, arms)), rows, f"Scores: {metric}.")


def _rates(where: str, rates: Mapping[str, Mapping[str, Any]], _: str) -> Exhibit:
    arms = list(rates)
    rows = [_fault_row(fault, rates) for fault in _FAULTS]
    if any(rate.get("length_ratio") is not None for rate in rates.values()):
        lengths = (words.optional(rates[arm].get("length_ratio"), 2) for arm in arms)
        label = "length, as a share of the right answer's"
        rows.append(words.cells(label, *lengths))
    alarms = [a for rate in rates.values() if (a := rate.get("false_alarms")) is not None]
    means = words.join(
        "Four ways in which a translation can be worthless, whatever its score. ",
        *_language_note(alarms),
    )
    return Exhibit(
        f"{where}: faults",
        [Table(("share of outputs that …", *map(words.arm, arms)), rows)],
        means,
        _fault_advice(rates.get("graft", {})),
    )


def _fault_row(fault: tuple[str, str, str], rates: Mapping[str, Mapping[str, Any]]) -> list[Cell]:
    key, name, meaning = fault
    shares = [rate.get(key) for rate in rates.values()]
    return words.cells(
        f"{meaning} ({name})",
        *(Markup("not measured") if s is None else words.percent(s) for s in shares),
    )


def _language_note(alarms: Sequence[float]) -> list[Any]:
    if not alarms:
        return ["The language was not checked: no classifier could be trained."]
    return [
        "The language is judged by a small classifier over letter groups, trained on the text at "
        "hand; it wrongly accuses ",
        words.percent(max(alarms)),
        " of genuine sentences, so a rate near that means nothing.",
    ]


def _fault_advice(graft: Mapping[str, Any]) -> str:
    advice = {
        "copied": "copying. Look for untranslated lines in the training text.",
        "wrong_language": "the wrong language. Check the labels of the training text.",
        "looping": "looping. Train on more long sentences, or limit the output's length.",
        "empty": "empty output. Look for empty targets in the training text.",
    }
    share, key = max((graft.get(key) or 0.0, key) for key in advice)
    if share <= _MUCH:
        return "Nothing to do: no fault of the graft is above 2 %."
    return f"The graft's most frequent fault is {advice[key]}"
