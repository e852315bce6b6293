"""What a ranking was worth, once grafts were made: nobody else says.

runs/gains.jsonl   one line for every finished graft, appended by `record_gain`
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

from scipy.stats import kendalltau

from lingraft.training.errors import DataError

GAINS_FILE = Path("runs") / "gains.jsonl"


@dataclass(frozen=True)
class Gain:
    """One finished graft: what `child` (`child.child_key`) scored on test on this parent.

    sha256: of the parent's weights, by which a ranking knows it again.
    score: a child's scores must be of one metric (`score_name`) and on the same test sets.
    """

    parent: str
    sha256: str
    child: str
    score: float
    score_name: str
    date: str  # YYYY-MM-DD


@dataclass(frozen=True)
class Regret:
    """A ranking against what grafts scored.

    regret: best actual score minus that of the parent ranked first; None until that was grafted
        and another one as well.
    tau: Kendall's tau-b between ranks and actual scores, 1 when they agree; None under two grafted
        parents or where all are equal.
    actual: mean score of every ranked parent that was grafted, by location, in the ranking's order.
    missing: locations of ranked parents that were not grafted.
    """

    child: str
    score_name: str
    regret: float | None
    tau: float | None
    first: str
    best: str
    actual: dict[str, float]
    missing: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """For the report."""
        return asdict(self)


def record_gain(
    parent: str,
    sha256: str,
    child: str,
    score: float,
    score_name: str = "chrF++",
    file: Path = GAINS_FILE,
    today: date | None = None,
) -> None:
    """Append a finished graft; the same one, told again by a repeated command, is written once.

    Args:
        parent, sha256: name and weights of the parent, as `ParentModel` has them.
        child: `child.child_key` of the recipe.
        score: mean score of the graft on its test sets.
        score_name: its metric.
    """
    gain = Gain(parent, sha256, child, score, score_name, (today or date.today()).isoformat())
    known = read_gains(file) if file.is_file() else []
    if any(_same(gain, other) for other in known):
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8") as lines:
        lines.write(json.dumps(asdict(gain), ensure_ascii=False, allow_nan=False) + "\n")


def _same(gain: Gain, other: Gain) -> bool:
    return {**asdict(gain), "date": ""} == {**asdict(other), "date": ""}


def read_gains(file: Path) -> list[Gain]:
    """All grafts that were recorded.

    Raises:
        DataError: a line is not as `record_gain` writes it; named with its number.
    """
    gains = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            gain = Gain(**json.loads(line))
            gains.append(gain)
        except (TypeError, ValueError):
            raise DataError(f"{file}, line {number}: not a recorded graft; remove it") from None
    return gains


def regret(ranking: dict[str, Any], gains: Sequence[Gain]) -> Regret | None:
    """The regret of a ranking (`Order.as_dict`, as ranking.json has it); None if none of its
    parents was grafted."""
    entries = ranking["candidates"]
    mine = [gain for gain in gains if gain.child == ranking["child"]]
    names = {gain.score_name for gain in mine}
    if len(names) > 1:
        raise DataError(f"grafts of {ranking['child']!r} have scores of {', '.join(sorted(names))}")
    actual = {e["location"]: _mean(mine, e["sha256"]) for e in entries}
    known = {location: score for location, score in actual.items() if score is not None}
    if not known:
        return None
    first = entries[0]["location"]
    best = max(known, key=lambda location: known[location])
    several = len(known) > 1
    return Regret(
        child=ranking["child"],
        score_name=names.pop(),
        regret=known[best] - known[first] if several and first in known else None,
        tau=_tau([e["rank"] for e in entries if e["location"] in known], list(known.values())),
        first=first,
        best=best,
        actual=known,
        missing=tuple(location for location in actual if location not in known),
    )


def _mean(gains: Sequence[Gain], sha256: str) -> float | None:
    scores = [gain.score for gain in gains if gain.sha256 == sha256]
    return sum(scores) / len(scores) if scores else None


def _tau(ranks: Sequence[int], scores: Sequence[float]) -> float | None:
    if len(set(ranks)) < 2 or len(set(scores)) < 2:
        return None
    return float(kendalltau([-rank for rank in ranks], scores).statistic)
