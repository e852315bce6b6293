"""From scores to an order with its reasons."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from lingraft.training.rank.score import Candidate, Scores, Unfit

# What the mean rank is made of, each better when it is greater. One vocabulary would count thrice
# if whole words, which follow fertility, had a place of their own.
_CHEAP: dict[str, Callable[[Scores], float | None]] = {
    "vocabulary": lambda scores: scores.coverage.known,
    "fertility": lambda scores: -scores.coverage.fertility,
    "data size": lambda scores: scores.facts.pairs,
    "script": lambda scores: scores.script_match,
    "LogME": lambda scores: scores.logme,
    "model size": lambda scores: scores.facts.parameters,
}


@dataclass(frozen=True)
class Place:
    """A candidate's place in the order; equal ones share the rank, from 1.

    mean_rank: over those cheap scores that all candidates have, 1 being the best of each.
    """

    rank: int
    candidate: Candidate
    mean_rank: float
    reason: str


@dataclass(frozen=True)
class Order:
    """The ranking: places first to last, then those that cannot be the parent.

    by: "probe" where it was run, else "mean rank of cheap scores".
    unit: of the probe.
    dev_examples: that the probe is compared on.
    note: why there was no probe though one was asked for; else empty.
    """

    child: str
    by: str
    unit: str
    dev_examples: int
    note: str
    places: tuple[Place, ...]
    unfit: tuple[Unfit, ...]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "child": self.child,
            "by": self.by,
            "probe_unit": self.unit,
            "dev_examples": self.dev_examples,
            "note": self.note,
            "candidates": [_entry(place) for place in self.places],
            "unfit": [asdict(unfit) for unfit in self.unfit],
        }


@dataclass(frozen=True)
class Trial:
    """What the probes have in common; see `Order`."""

    unit: str
    dev_examples: int = 0
    note: str = ""


def order(
    child: str, trial: Trial, candidates: Sequence[Candidate], unfit: Sequence[Unfit]
) -> Order:
    """Order candidates by the probe where all have one, else by the mean rank of cheap scores."""
    probed = bool(candidates) and all(c.scores.probe is not None for c in candidates)
    means = mean_ranks([candidate.scores for candidate in candidates])
    keys = [_key(c.scores, mean, probed) for c, mean in zip(candidates, means, strict=True)]
    places: list[Place] = []
    for i in sorted(range(len(candidates)), key=lambda i: (keys[i], means[i])):
        rank = 1 + sum(key < keys[i] for key in keys)
        places.append(Place(rank, candidates[i], means[i], ""))
    told = [replace(p, reason=_reason(p, places, trial.unit, probed)) for p in places]
    by = "probe" if probed else "mean rank of cheap scores"
    return Order(child, by, **asdict(trial), places=tuple(told), unfit=tuple(unfit))


def _key(scores: Scores, mean_rank: float, probed: bool) -> float:
    return -scores.probe if probed and scores.probe is not None else mean_rank


def mean_ranks(scores: Sequence[Scores]) -> list[float]:
    """Mean rank of each over the cheap scores that all have; equal values share their mean rank."""
    columns = []
    for score in _CHEAP.values():
        values = [score(candidate) for candidate in scores]
        known = [value for value in values if value is not None]
        if len(known) == len(values):
            columns.append(_ranks(known))
    return [sum(ranks) / len(columns) for ranks in zip(*columns, strict=True)]


def _ranks(values: Sequence[float]) -> list[float]:
    """Ranks from 1, the greatest value first."""
    return [
        sum(other > value for other in values) + (sum(other == value for other in values) + 1) / 2
        for value in values
    ]


def _reason(place: Place, places: Sequence[Place], unit: str, probed: bool) -> str:
    scores = place.candidate.scores
    lead = _by_probe(place, places, unit) if probed else _by_rank(place, places)
    return f"{_ordinal(place, places)}: {lead}; {_vocabulary(scores)}{_script(scores)}"


def _ordinal(place: Place, places: Sequence[Place]) -> str:
    names = ("first", "second", "third")
    name = names[place.rank - 1] if place.rank <= len(names) else f"place {place.rank}"
    tied = sum(other.rank == place.rank for other in places) > 1
    return f"{name}, tied" if tied else name


def _by_probe(place: Place, places: Sequence[Place], unit: str) -> str:
    loss = _loss(place)
    if place.rank == 1:
        return f"lowest probe loss ({loss:.3f} {unit})"
    return f"probe loss {loss:.3f} {unit}, {loss - _loss(places[0]):.3f} above the first"


def _loss(place: Place) -> float:
    assert place.candidate.scores.probe is not None
    return -place.candidate.scores.probe


def _by_rank(place: Place, places: Sequence[Place]) -> str:
    best = [
        name
        for name, score in _CHEAP.items()
        if _is_best(score(place.candidate.scores), [score(p.candidate.scores) for p in places])
    ]
    lead = f"mean rank {place.mean_rank:.2f} over the cheap scores"
    return f"{lead}, best in {', '.join(best)}" if best else lead


def _is_best(value: float | None, values: Sequence[float | None]) -> bool:
    """Whether it alone is greatest: a score that all share is no reason."""
    known = [other for other in values if other is not None]
    return (
        value is not None and len(known) == len(values) > 1 and sum(o >= value for o in known) == 1
    )


def _vocabulary(scores: Scores) -> str:
    coverage = scores.coverage
    english = coverage.english_fertility
    beside = f" (English {english:.2f})" if english is not None else ""
    return (
        f"its vocabulary knows {coverage.known:.1%} of the pieces, keeps "
        f"{coverage.whole_words:.1%} of the words whole and cuts a word into "
        f"{coverage.fertility:.2f} pieces{beside}"
    )


def _script(scores: Scores) -> str:
    if scores.script_match > 0.99:
        return ""
    return f"; its languages' scripts hold {scores.script_match:.1%} of the child's letters"


def _entry(place: Place) -> dict[str, Any]:
    candidate = place.candidate
    scores = asdict(candidate.scores)
    seconds = scores.pop("seconds")
    return {
        "rank": place.rank,
        "location": candidate.location,
        "parent": candidate.parent.name,
        "sha256": candidate.parent.sha256,
        "languages": list(candidate.parent.languages),
        "reason": place.reason,
        "mean_rank": place.mean_rank,
        "scores": scores,
        "seconds": seconds,
    }


def as_table(order: Order) -> str:
    """The order for a terminal: a table, then the reasons."""
    heads = ["", "parent", "known", "whole", "fertility", "pairs", "script", "weights", "LogME"]
    heads += ["probe loss", "seconds"]
    rows: list[Sequence[str]] = [_cells(place) for place in order.places]
    rows += [("-", unfit.location, "cannot be the parent") for unfit in order.unfit]
    by = f"by {order.by}"
    if order.dev_examples:
        by += f"; probe loss in {order.unit} of {order.dev_examples} dev examples"
    lines = [order.child, "; ".join(filter(None, (by, order.note))), ""]
    lines += _aligned([heads, *rows])
    lines += ["", *(f"{p.candidate.location}: {p.reason} ({_seconds(p)})" for p in order.places)]
    lines += [f"{unfit.location}: {unfit.reason}" for unfit in order.unfit]
    return "\n".join(lines)


def _seconds(place: Place) -> str:
    seconds = place.candidate.scores.seconds
    return "seconds: " + ", ".join(f"{name} {value:.1f}" for name, value in seconds.items())


def _cells(place: Place) -> tuple[str, ...]:
    scores = place.candidate.scores
    coverage, facts = scores.coverage, scores.facts
    return (
        str(place.rank),
        place.candidate.location,
        f"{coverage.known:.1%}",
        f"{coverage.whole_words:.1%}",
        f"{coverage.fertility:.2f}",
        f"{facts.pairs:,}" if facts.pairs is not None else "not stated",
        f"{scores.script_match:.1%}",
        f"{facts.parameters / 1e6:.1f}M",
        f"{scores.logme:.3f}" if scores.logme is not None else "too little text",
        f"{-scores.probe:.3f}" if scores.probe is not None else "not run",
        f"{sum(scores.seconds.values()):.1f}",
    )


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows if i < len(row)) for i in range(len(rows[0]))]
    # A refusal's text runs on: it has no column.
    widths[2] = max(len(row[2]) for row in rows if len(row) == len(rows[0]))
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)).rstrip()
        for row in rows
    ]
