"""Every number that the server counts, named in one place. Kept in memory, logged at the end."""

from __future__ import annotations

import threading
from collections import defaultdict
from dataclasses import dataclass, replace

# Counters. A label after a colon: `calls_total:OK`.
CALLS = "calls_total"
QUEUED = "rows_queued_total"
ANSWERED = "rows_answered_total"
DROPPED = "rows_dropped_total"
FAILED = "rows_failed_total"
REFUSED = "rows_refused_total"
STEPS = "steps_total"

# Durations in seconds.
CALL_SECONDS = "call_seconds"
QUEUE_SECONDS = "queue_seconds"
MODEL_SECONDS = "model_seconds"


@dataclass
class Summary:
    """Durations of one kind, in seconds."""

    count: int = 0
    total: float = 0.0
    longest: float = 0.0

    def add(self, seconds: float) -> None:
        self.count += 1
        self.total += seconds
        self.longest = max(self.longest, seconds)

    def merge(self, other: Summary) -> None:
        self.count += other.count
        self.total += other.total
        self.longest = max(self.longest, other.longest)


@dataclass(frozen=True)
class Counted:
    """All numbers of one process, to be added to those of another."""

    counters: dict[str, int]
    summaries: dict[str, Summary]


class Metrics:
    """Counters and durations; safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counters: defaultdict[str, int] = defaultdict(int)
        self._summaries: defaultdict[str, Summary] = defaultdict(Summary)

    def count(self, name: str, amount: int = 1, label: str = "") -> None:
        """Adds `amount` to a counter, under a label where one is given."""
        with self._lock:
            self._counters[f"{name}:{label}" if label else name] += amount

    def observe(self, name: str, seconds: float) -> None:
        """Adds one duration."""
        with self._lock:
            self._summaries[name].add(seconds)

    def value(self, name: str, label: str = "") -> int:
        """What a counter stands at; 0 for one that nobody counted."""
        with self._lock:
            return self._counters.get(f"{name}:{label}" if label else name, 0)

    def counted(self) -> Counted:
        """What stands there now."""
        with self._lock:
            summaries = {name: replace(each) for name, each in self._summaries.items()}
            return Counted(dict(self._counters), summaries)

    def add(self, counted: Counted) -> None:
        """Adds what another process has counted."""
        with self._lock:
            for name, amount in counted.counters.items():
                self._counters[name] += amount
            for name, summary in counted.summaries.items():
                self._summaries[name].merge(summary)

    def lines(self) -> list[str]:
        """One line per number, sorted, for the log."""
        with self._lock:
            counters = [f"{name} {value}" for name, value in self._counters.items()]
            durations = [
                f"{name} n={each.count} sum={each.total:.3f} max={each.longest:.3f}"
                for name, each in self._summaries.items()
            ]
        return sorted(counters + durations)
