"""What a person and the trackers see of a run."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from lingraft.training.run.tracking import Events

_LINE_SECONDS = 30.0  # without a terminal, one plain line this often


class Tracker:
    """A progress bar with loss, target tokens per second and time left, and figures for `events`.

    Without `events` nothing is told: another process of the same run does that.
    """

    def __init__(
        self,
        name: str,
        total_steps: int,
        events: Sequence[Events] | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name, self._total, self._clock = name, total_steps, clock
        self._events = events
        self._terminal = sys.stderr.isatty() and events is not None
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed}/{task.total} {task.fields[note]}"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            disable=not self._terminal,
        )
        self._task = self._bar.add_task(name, total=total_steps, note="")
        self._since = self._printed = clock()
        self._first_step: int | None = None
        self._tokens = 0

    def __enter__(self) -> Tracker:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()
        for each in self._events or ():
            each.close()

    def step(self, step: int, loss: float, rate: float, tokens: int) -> None:
        """One optimiser step: loss in nats per target piece, learning rate, target pieces seen."""
        if self._events is None:
            return
        if self._first_step is None:
            self._first_step = step - 1
        self._tokens += tokens
        elapsed = max(self._clock() - self._since, 1e-9)
        speed = self._tokens / elapsed
        self._bar.update(self._task, completed=step, note=f"loss {loss:.3f}  {speed:,.0f} tok/s")
        if step % 10 == 0:
            self._tell("train/loss", loss, step)
            self._tell("train/learning_rate", rate, step)
            self._tell("train/tokens_per_second", speed, step)
        if not self._terminal and self._clock() - self._printed >= _LINE_SECONDS:
            self._print_line(step, loss, speed, elapsed)

    def _print_line(self, step: int, loss: float, speed: float, elapsed: float) -> None:
        self._printed = self._clock()
        done = step - (self._first_step or 0)
        left = elapsed / done * (self._total - step) / 60
        note = f"loss {loss:.3f}, {speed:,.0f} tok/s, {left:.0f} min left"
        print(f"{self._name}: step {step}/{self._total}, {note}", file=sys.stderr, flush=True)

    def score(self, step: int, name: str, value: float) -> None:
        """A dev score at `step`."""
        if self._events is None:
            return
        self._tell(f"dev/{name}", value, step)
        line = f"{self._name}: step {step}: dev {name} {value:.2f}"
        if self._terminal:
            self._bar.print(line)
        else:
            print(line, file=sys.stderr, flush=True)

    def _tell(self, tag: str, value: float, step: int) -> None:
        for each in self._events or ():
            each.add_scalar(tag, value, step)
