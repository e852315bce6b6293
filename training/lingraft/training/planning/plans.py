"""A plan: text read, runs in order, sizes, and an estimate of time and disk."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from lingraft.training.recipe.settings import Training

_BYTES = 4  # of a weight, a gradient and each of Adam's two moments, in fp32
_MIB = 2**20


@dataclass(frozen=True)
class Source:
    """A data source: rows read, rows left after the guard and selection, and what they become.

    examples: of all directions; too_long: how many of them have a side over `max_tokens` and are
        left out of training. None where rows become no training examples.
    """

    part: str
    name: str
    read: int
    kept: int
    examples: int | None = None
    too_long: int = 0

    def line(self) -> str:
        """For people."""
        text = f"{self.part} {self.name}: {self.read:,} rows read"
        if dropped := self.read - self.kept:
            text += f", {dropped:,} of them left out (they stand in dev or test, or not selected)"
        if self.examples is not None:
            text += f"; {self.examples:,} examples, {self.too_long:,} of them too long to train on"
        return text


@dataclass(frozen=True)
class Held:
    """Held-out sentences of a name and direction or language, and what they are for."""

    name: str
    sentences: int
    purpose: str


@dataclass(frozen=True)
class Speed:
    """What a few steps of a real model on real batches took, and how large it is.

    step_seconds, step_targets: of a step, means.
    sentence_seconds: to answer a held-out sentence.
    weights: all but what is computed, as position tables are; trainable: those that get gradients
        and moments, adapters among them.
    """

    step_seconds: float
    step_targets: float
    sentence_seconds: float
    weights: int
    trainable: int

    @property
    def memory(self) -> int:
        """Bytes of weights, gradients and Adam's moments; activations come on top."""
        return _BYTES * (self.weights + 3 * self.trainable)

    def disk(self, settings: Training) -> int:
        """Bytes that a finished run leaves: checkpoint, snapshots, the best one, milestones.

        While a checkpoint is replaced there are two for a moment, which is not counted.
        """
        evaluations = max(1, -(-settings.max_steps // settings.evaluate_every))
        kept = 1 + min(settings.average_last, evaluations) + 1 + len(settings.milestones) / 2
        return int(_BYTES * (self.weights * kept + 2 * self.trainable))


@dataclass(frozen=True)
class Run:
    """One run of the loop.

    folder: relative to the output.
    kind: what people call it within its arm: "stage 1 denoise", "trial", "run".
    sentences: answered at each of its evaluations; 0 where its score is a likelihood.
    """

    arm: str
    kind: str
    folder: str
    settings: Training
    sentences: int = 0

    def found(self, output: Path) -> tuple[int, bool]:
        """Steps that a run in the output folder has saved, and whether it is finished."""
        for name in ("checkpoint", "checkpoint.old"):
            path = output / self.folder / name / "state.json"
            if path.is_file():
                state = json.loads(path.read_text(encoding="utf-8"))
                return int(state["step"]), bool(state["finished"])
        return 0, False

    def seconds(self, speed: Speed, done: int = 0) -> float:
        """Of training and evaluating after `done` steps; patience may end it sooner."""
        left = self.settings.max_steps - done
        evaluations = -(-left // self.settings.evaluate_every)
        return left * speed.step_seconds + evaluations * self.sentences * speed.sentence_seconds


@dataclass(frozen=True)
class Plan:
    """Everything that `--dry-run` shows.

    speeds: of each arm.
    answered: held-out sentences that are answered once all arms are trained.
    notes: what else would be done, and what is not in the estimate.
    """

    title: str
    output: Path
    sources: list[Source]
    held: list[Held]
    runs: list[Run]
    speeds: dict[str, Speed]
    answered: int
    threads: int
    notes: list[str]

    @property
    def seconds(self) -> float:
        """All of it, from the beginning."""
        return sum(run.seconds(self.speeds[run.arm]) for run in self.runs) + self._last

    @property
    def seconds_left(self) -> float:
        """What the runs found in the output folder leave to be done."""
        total = self._last
        for run in self.runs:
            done, finished = run.found(self.output)
            if not finished:
                total += run.seconds(self.speeds[run.arm], done)
        return total

    @property
    def _last(self) -> float:
        return self.answered * max(each.sentence_seconds for each in self.speeds.values())

    @property
    def disk(self) -> int:
        """Bytes of checkpoints and snapshots of all runs."""
        return sum(self.speeds[run.arm].disk(run.settings) for run in self.runs)

    def as_lines(self) -> list[str]:
        """For people."""
        return [
            f"{self.title}: the plan. Nothing is trained, nothing stays on disk.",
            "",
            "Text",
            *_indented(source.line() for source in self.sources),
            *_indented(f"{h.name}: {h.sentences:,} sentences {h.purpose}" for h in self.held),
            "",
            "What is trained, in order",
            *_indented(self._arms()),
            *_indented(self.notes),
            "",
            f"Found in {self.output}",
            *_indented(self._found()),
            "",
            "Sizes",
            *_indented(self._sizes()),
            "",
            f"Time: an estimate from a few steps, with {_threads(self.threads)} of this machine",
            *_indented(self._times()),
        ]

    def _arms(self) -> Iterator[str]:
        for arm, runs in groupby(self.runs, key=lambda run: run.arm):
            kinds = groupby(runs, key=lambda run: (run.kind, run.settings.max_steps))
            told = [_several(len(list(same)), kind, steps) for (kind, steps), same in kinds]
            yield f"{arm}: {'; '.join(told)}"

    def _found(self) -> Iterator[str]:
        any_found = False
        for run in self.runs:
            done, finished = run.found(self.output)
            if done:
                any_found = True
                state = "finished" if finished else "goes on from there"
                yield f"{run.folder}: step {done:,} of {run.settings.max_steps:,}, {state}"
        if not any_found:
            yield "no run"

    def _sizes(self) -> Iterator[str]:
        for arm, speed in self.speeds.items():
            moved = "" if speed.trainable == speed.weights else f", {speed.trainable:,} train"
            yield (
                f"{arm}: {speed.weights:,} weights{moved}; {_mib(speed.memory)} of memory for "
                "weights, gradients and Adam's moments, and the activations on top"
            )
        yield f"{_mib(self.disk)} of disk for checkpoints and snapshots of all runs"

    def _times(self) -> Iterator[str]:
        for arm, speed in self.speeds.items():
            rate = speed.step_targets / speed.step_seconds
            yield (
                f"{arm}: {speed.step_seconds:.3g} s for a step of {speed.step_targets:,.0f} "
                f"targets, {rate:,.0f} a second"
            )
        yield f"all of it about {_span(self.seconds)}"
        yield f"left about {_span(self.seconds_left)}"


def _indented(lines: Iterable[str]) -> Iterator[str]:
    return (f"  {line}" for line in lines)


def _several(count: int, kind: str, steps: int) -> str:
    return f"{kind} of {steps:,} steps" if count == 1 else f"{count} x {kind} of {steps:,} steps"


def _threads(count: int) -> str:
    return "one thread" if count == 1 else f"{count} threads"


def _mib(size: int) -> str:
    return f"{size / _MIB:,.1f} MiB"


def _span(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def halves(select: Sequence[int], decide: Sequence[int], answering: str) -> Iterator[Held]:
    """The two halves of dev, from the sizes of their parts."""
    yield Held("dev, one half", sum(select), "to choose and stop by, at each evaluation")
    yield Held("dev, the other half", sum(decide), f"to decide by, answered by {answering}")
