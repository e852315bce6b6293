"""`python -m benchmarks.training --json FILE`: our training loop and Transformers' Seq2SeqTrainer.

The same model from the same weights, the same pairs, the same arithmetic and threads, each in a
process of its own. The peer is tried in several ways, and the fastest is timed in turns with ours.
Then both train longer, from several seeds, and are compared by the loss of held-out targets after
the same number of target tokens.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean, median, stdev
from typing import Any, Protocol

from benchmarks.common import (
    Json,
    interleaved,
    load_average,
    machine,
    paired_ratio,
    report,
    significant,
    spread,
    write_json,
)
from benchmarks.workers.process import Process, WorkerError, thread_limits

_PACKAGES = ("lingraft", "torch", "transformers", "accelerate", "datasets", "numpy")
_OURS, _THEIRS = "lingraft", "seq2seqtrainer"
_DOES_NOT_MEASURE = (
    "evaluation, checkpoints, the model's making: outside the time of both. Our progress and "
    "TensorBoard events are inside; the peer logs nothing",
    "reading text and cutting it into pieces: ids are ready for both",
    "torch.compile, which neither uses: batches have lengths of many kinds",
    "quality after a whole training: the losses are those of its beginning",
    "other machines, other shapes of models and texts, GPUs, more than the threads stated",
)


@dataclass(frozen=True)
class Plan:
    """How much is trained.

    shape: "parent-xs", or "tiny" for a trial of the benchmark itself.
    made: made ids even where there is text.
    trial, timed, long: target tokens of a run while settings are tried, of a timed one, and of one
        whose loss is compared.
    warm: updates of a timed run that are not counted.
    """

    shape: str = "parent-xs"
    made: bool = False
    batch_tokens: int = 2048
    warmup_steps: int = 50
    learning_rate: float = 1e-3
    trial: int = 16_000
    timed: int = 24_000
    long: int = 150_000
    warm: int = 2
    rounds: int = 9
    seeds: int = 3


_FULL = Plan()
_QUICK = Plan(trial=10_000, timed=20_000, long=30_000, warm=1, rounds=2, seeds=2)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the comparison and writes the file. Exit status 0 when it was written."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training", description=__doc__)
    parser.add_argument("--json", type=Path, required=True, metavar="FILE", help="file to write")
    parser.add_argument("--quick", action="store_true", help="few rounds: to try it, not to quote")
    parser.add_argument("--threads", type=int, default=1, help="of each trainer (default: 1)")
    parser.add_argument(
        "--precision",
        choices=("auto", "fp32", "bf16"),
        default="auto",
        help="of both (default: bf16 where the processor multiplies in it, else fp32)",
    )
    given = parser.parse_args(arguments)
    plan = _QUICK if given.quick else _FULL
    try:
        content = compare(plan, given.threads, _precision(given.precision))
    except WorkerError as error:
        print(f"benchmarks.training: {error}", file=sys.stderr)
        return 1
    write_json(given.json, content)
    return 0


class Trainer(Protocol):
    """What answers the requests of workers/training.py."""

    def ask(self, request: Json) -> Json:
        """The answer to a request."""


Open = Callable[[str, int], AbstractContextManager[Trainer]]  # from a name and threads


def _process(name: str, threads: int) -> AbstractContextManager[Trainer]:
    return Process(name, "benchmarks.workers.training", thread_limits(threads))


def compare(plan: Plan, threads: int, precision: str, opened: Open = _process) -> Json:
    """The content of the file; each trainer is `opened`, as a process of its own."""
    load_before = load_average()
    with ExitStack() as stack:
        trainers = {name: stack.enter_context(opened(name, threads)) for name in (_OURS, _THEIRS)}
        arena = _Arena(trainers, plan, threads, precision)
        options, tried = arena.best()
        rounds = arena.rounds(options)
        seeds = arena.seeds(options)
        rows = {**_speed(rounds), "loss": _loss(seeds, plan.long), "peak_rss_mib": arena.peaks()}
    about = {
        **asdict(plan),
        "data": arena.origin,
        "precision": precision,
        "threads_of_each": threads,
        "label_smoothing": 0.1,
        "schedule": "inverse square root after warm-up, AdamW (0.9, 0.98), norm clipped at 1",
        "sentences_of_an_update": {_OURS: f"mean {arena.sentences}", _THEIRS: arena.sentences},
        _THEIRS: {**options, "batches": "grouped by the longer side's length", "tried": tried},
        "rates": "target tokens per second, median of the rounds; ratios are medians of rounds",
    }
    return report(
        rows,
        load_before=load_before,
        packages=_PACKAGES,
        settings=about,
        does_not_measure=_DOES_NOT_MEASURE,
    )


class _Arena:
    """Both trainers with their task."""

    def __init__(
        self, trainers: Mapping[str, Trainer], plan: Plan, threads: int, precision: str
    ) -> None:
        self._trainers, self._plan = trainers, plan
        names = ("shape", "made", "batch_tokens", "warmup_steps", "learning_rate")
        told = {name: asdict(plan)[name] for name in names}
        task = {**told, "precision": precision, "threads": threads}
        for name, trainer in trainers.items():
            about = trainer.ask({"do": "load", "engine": name, "task": task})
        self.sentences, self.origin = about["sentences"], about["origin"]

    def run(self, name: str, target_tokens: int, seed: int, options: Mapping[str, Any]) -> Json:
        """One training from the seed's weights: what the clock and the held-out text say."""
        wanted = {"target_tokens": target_tokens, "seed": seed, "warm": self._plan.warm}
        return self._trainers[name].ask({"do": "run", **wanted, "options": dict(options)})

    def best(self) -> tuple[Json, Json]:
        """The peer's fastest settings, and the tokens per second of all that were tried.

        One thing after the other: attention, batches of an update, optimiser, workers.
        """
        chosen: Json = {
            "attention": "eager",
            "accumulation": 1,
            "optimiser": "adamw_torch_fused",
            "workers": 0,
        }
        tried: Json = {}
        for name, values in _choices():
            rates = {}
            for value in values:
                done = self.run(_THEIRS, self._plan.trial, 1, {**chosen, name: value})
                rates[value] = significant(done["tokens"] / done["seconds"])
            tried[name] = {str(value): rate for value, rate in rates.items()}
            chosen[name] = max(rates, key=lambda value: rates[value])
        return chosen, tried

    def rounds(self, options: Json) -> list[dict[str, Json]]:
        """What both clocks said in every round; every round has weights and order of its own."""
        done: dict[str, list[Json]] = {_OURS: [], _THEIRS: []}

        def once(name: str) -> Callable[[], float]:
            def go() -> float:
                seed = 1 + len(done[name])
                done[name].append(self.run(name, self._plan.timed, seed, options))
                return float(done[name][-1]["seconds"])

            return go

        interleaved({name: once(name) for name in done}, self._plan.rounds)
        return [dict(zip(done, both, strict=True)) for both in zip(*done.values(), strict=True)]

    def seeds(self, options: Json) -> list[dict[str, Json]]:
        """Longer runs of both, one pair for each seed."""
        return [
            {name: self.run(name, self._plan.long, seed, options) for name in self._trainers}
            for seed in range(1, self._plan.seeds + 1)
        ]

    def peaks(self) -> Json:
        """Peak memory of each process, MiB."""
        return {
            name: trainer.ask({"do": "memory"})["peak_rss_mib"]
            for name, trainer in self._trainers.items()
        }


def _choices() -> Iterator[tuple[str, tuple[Any, ...]]]:
    yield "attention", ("eager", "sdpa")
    yield "accumulation", (1, 2, 4)
    yield "optimiser", ("adamw_torch_fused", "adamw_torch")
    yield "workers", (0, 1)


def _speed(rounds: Sequence[Mapping[str, Json]]) -> Json:
    """Rates and ratios, by the clock on the wall and by the time that cores worked."""
    ours, theirs = (_costs(rounds, name, "seconds") for name in (_OURS, _THEIRS))
    cpu = [_costs(rounds, name, "cpu_seconds") for name in (_OURS, _THEIRS)]
    return {
        f"ratio_{_THEIRS}": significant(paired_ratio(ours, theirs)),
        "range": [significant(each) for each in spread(ours, theirs)],
        "ratio_cpu_seconds": significant(paired_ratio(*cpu)),
        "range_cpu_seconds": [significant(each) for each in spread(*cpu)],
        f"{_OURS}_tokens_per_s": significant(1 / median(ours)),
        f"{_THEIRS}_tokens_per_s": significant(1 / median(theirs)),
    }


def _costs(rounds: Sequence[Mapping[str, Json]], name: str, clock: str) -> list[float]:
    """Seconds of a target token in every round."""
    return [each[name][clock] / each[name]["tokens"] for each in rounds]


def _loss(seeds: Sequence[Mapping[str, Json]], wanted: int) -> Json:
    """Held-out loss of both, and by how much it differs between seeds."""
    losses = {name: [each[name]["loss"] for each in seeds] for name in (_OURS, _THEIRS)}
    pairs = list(zip(losses[_THEIRS], losses[_OURS], strict=True))
    differences = [theirs - ours for theirs, ours in pairs]
    noise = {name: stdev(values) if len(values) > 1 else 0.0 for name, values in losses.items()}
    return {
        **{name: significant(mean(values), 5) for name, values in losses.items()},
        "unit": "nats per held-out target piece, without smoothing; mean of the seeds",
        "after_target_tokens": wanted,
        "updates": {name: [each[name]["updates"] for each in seeds] for name in losses},
        "each_seed": {name: [significant(v, 5) for v in losses[name]] for name in losses},
        "differences": [significant(each) for each in differences],
        "difference": significant(mean(differences)),
        "noise": {
            "what": "standard deviation between seeds",
            **{name: significant(value) for name, value in noise.items()},
            "of_differences": significant(stdev(differences) if len(differences) > 1 else 0.0),
        },
    }


def _precision(wanted: str) -> str:
    if wanted != "auto":
        return wanted
    return "bf16" if "avx512_bf16" in machine()["flags"] else "fp32"


if __name__ == "__main__":
    sys.exit(main())
