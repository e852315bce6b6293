"""Engines against each other: the best setting of each is found, then all run in turns."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from types import TracebackType
from typing import Any, Self

from benchmarks.cases import Case
from benchmarks.common import Json, interleaved, paired_ratio, significant, spread
from benchmarks.workers.base import Answers
from benchmarks.workers.process import Timed, Variant, Worker

OURS, CT2, TORCH = "lingraft", "ctranslate2", "transformers"
_SHOWN = 16  # differences in the file


@dataclass(frozen=True)
class Effort:
    """How often: `trials` of each setting, `rounds` of the best.

    Transformers, by far the slowest, is tried once and runs in the first `slow_rounds` only.
    """

    trials: int
    rounds: int
    slow_rounds: int

    def trials_of(self, engine: str) -> int:
        """Of each setting of an engine."""
        return 1 if engine == TORCH else self.trials


class Arena:
    """One process for each setting of one model, started when first needed."""

    def __init__(self, folder: Path, threads: int, precision: str) -> None:
        self._folder, self._threads, self._precision = folder, threads, precision
        self._stack = ExitStack()
        self._workers: dict[str, tuple[str, Worker]] = {}
        self._ready: set[tuple[str, str]] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def run(self, variant: Variant, case: Case) -> Timed:
        """Runs a case once; the first time another run goes before, to warm up."""
        worker = self.worker(variant)
        if (variant.name, case.name) not in self._ready:
            self._ready.add((variant.name, case.name))
            worker.case(case)
            worker.run(case, variant.run)
        return worker.run(case, variant.run)

    def worker(self, variant: Variant) -> Worker:
        """The process of a setting; settings that differ in `run` alone share one."""
        if variant.process not in self._workers:
            worker = Worker(variant, self._folder, self._threads, self._precision)
            self._workers[variant.process] = (variant.engine, self._stack.enter_context(worker))
        return self._workers[variant.process][1]

    def peaks(self) -> dict[str, dict[str, float]]:
        """Peak memory (MiB) of every process so far, by engine and setting."""
        peaks: dict[str, dict[str, float]] = {}
        for name, (engine, worker) in sorted(self._workers.items()):
            peaks.setdefault(engine, {})[name] = worker.peak_rss_mib()
        return peaks


def best_variant(arena: Arena, case: Case, variants: Sequence[Variant], trials: int) -> Variant:
    """The setting with the highest rate in any trial; they are tried in turns.

    One that is less than half as fast as another in the first trial is not tried again.
    """
    rates: dict[str, float] = dict.fromkeys((each.name for each in variants), 0.0)

    def trial(variant: Variant) -> Callable[[], float]:
        def run() -> float:
            rates[variant.name] = max(rates[variant.name], arena.run(variant, case).rate)
            return rates[variant.name]

        return run

    if len(variants) > 1:
        interleaved({each.name: trial(each) for each in variants}, 1)
        left = [each for each in variants if rates[each.name] * 2 >= max(rates.values())]
        interleaved({each.name: trial(each) for each in left}, trials - 1)
    return max(variants, key=lambda each: rates[each.name])


@dataclass(frozen=True)
class Played:
    """All timed runs of one case, by engine; every engine's n-th run is of the n-th round."""

    case: Case
    settings: Mapping[str, Variant]
    runs: Mapping[str, Sequence[Timed]]

    def row(self, reference: Answers) -> Json:
        """The case's row of the file; `reference` is what Transformers answers in fp32."""
        answers = {name: runs[-1].answers for name, runs in self.runs.items()}
        return {
            "name": self.case.name,
            **{
                name: significant(median(each.rate for each in runs)) for name, runs in self._some()
            },
            **self._ratios(),
            "identical": share_identical(answers[OURS], reference),
            f"identical_{CT2}": share_identical(answers[CT2], reference),
            f"identical_to_{CT2}": share_identical(answers[OURS], answers[CT2]),
            "leading_tokens": share_leading(answers[OURS], reference),
            f"leading_tokens_{CT2}": share_leading(answers[CT2], reference),
            "best": {
                name: significant(max(each.rate for each in runs)) for name, runs in self._some()
            },
            "sentences": len(self.case.sentences),
            "tokens": {name: runs[-1].tokens for name, runs in self._some()},
            "rounds": {name: len(runs) for name, runs in self._some()},
            "setting": {name: variant.name for name, variant in self.settings.items()},
        }

    def _some(self) -> list[tuple[str, Sequence[Timed]]]:
        return [(name, runs) for name, runs in self.runs.items() if runs]

    def _ratios(self) -> Json:
        ratios: Json = {}
        for name, runs in self._some():
            if name == OURS:
                continue
            ours = [_seconds_per_token(each) for each in self.runs[OURS][: len(runs)]]
            theirs = [_seconds_per_token(each) for each in runs]
            ratios[f"ratio_{name}"] = significant(paired_ratio(ours, theirs))
            ratios[f"ratio_{name}_range"] = [significant(each) for each in spread(ours, theirs)]
        return ratios


def play(arena: Arena, case: Case, settings: Mapping[str, Variant], effort: Effort) -> Played:
    """Times the chosen settings in turns."""
    runs: dict[str, list[Timed]] = {name: [] for name in settings}

    def once(name: str) -> Callable[[], float]:
        def run() -> float:
            runs[name].append(arena.run(settings[name], case))
            return runs[name][-1].seconds

        return run

    interleaved({name: once(name) for name in settings}, effort.slow_rounds)
    fast = [name for name in settings if name != TORCH]
    interleaved({name: once(name) for name in fast}, effort.rounds - effort.slow_rounds)
    return Played(case, settings, runs)


def share_identical(answers: Answers, reference: Answers) -> float:
    """Share (0 to 1) of sentences whose tokens are all the same."""
    same = sum(a == b for a, b in zip(answers, reference, strict=True))
    return significant(same / len(reference))


def share_leading(answers: Answers, reference: Answers) -> float:
    """Share of the reference's tokens that come before the first that differs."""
    total = sum(map(len, reference))
    return significant(sum(map(_leading, answers, reference)) / total)


def differences(
    arena: Arena, judge: Variant, case: Case, ours: Answers, theirs: Answers
) -> list[Any]:
    """How near the answers that differ are, for the first few; no ids."""
    rows = zip(case.sentences, ours, theirs, strict=True)
    unlike = [(source, a, b) for source, a, b in rows if a != b]
    return [arena.worker(judge).margins(*each) for each in unlike[:_SHOWN]]


def say(text: str) -> None:
    """Progress, for people."""
    print(text, file=sys.stderr, flush=True)


def _leading(answer: Sequence[int], reference: Sequence[int]) -> int:
    same = 0
    for a, b in zip(answer, reference, strict=False):
        if a != b:
            break
        same += 1
    return same


def _seconds_per_token(timed: Timed) -> float:
    return timed.seconds / timed.tokens
