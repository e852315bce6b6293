"""`python -m benchmarks.classify --json FILE`: a classifier of ours, Transformers and ONNX Runtime.

The same weights, the same texts of mixed lengths, one thread each. Each peer is tried in batches of
many sizes, in order of arrival and sorted by length, and the best setting of each kind is timed in
turns with ours.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.common import (
    ROOT,
    Json,
    interleaved,
    load_average,
    paired_ratio,
    report,
    significant,
    spread,
    write_json,
)
from benchmarks.workers.process import Process, WorkerError, thread_limits

_FOLDER = ROOT / "build" / "bench" / "models" / "classifier"
_PACKAGES = ("lingraft", "onnxruntime", "transformers", "torch", "numpy")
_SHORTEST, _LONGEST, _VOCABULARY = 5, 200, 250_002
_BATCHES = (1, 2, 4, 8, 16, 32)
_TRIED = 32  # texts of a trial
_TOKENS = (128, 256, 384, 512)
_OURS, _PLAIN, _TORCH = "lingraft", "onnxruntime", "transformers"
_DOES_NOT_MEASURE = (
    "tokenising, gRPC, the wait for others in a queue: all texts are there, ids in, logits out",
    "quality: weights are random, so int8 may choose another label where two are near",
    "the time to load, convert or export a model",
    "other machines, other shapes of models, GPUs, more than the threads stated",
    "ONNX Runtime's peers in other servers, which bring tokenizers and batching of their own",
)

Logits = NDArray[np.float64]


@dataclass(frozen=True)
class _Setting:
    """One way to run one process."""

    process: str
    name: str
    options: Mapping[str, Any] = field(hash=False)


class _Arena:
    """The processes and the texts."""

    def __init__(self, stack: ExitStack, threads: int, rows: Sequence[Sequence[int]]) -> None:
        self._stack, self._threads, self._rows = stack, threads, rows
        self._processes: dict[str, Process] = {}

    def load(self, name: str, engine: str, **options: str) -> None:
        """Starts a process, loads, and warms up with a few texts."""
        module = "benchmarks.workers.classify"
        process = Process(name, module, thread_limits(self._threads))
        self._processes[name] = self._stack.enter_context(process)
        load = {"folder": str(_FOLDER), "threads": self._threads, "precision": "int8"}
        process.ask({"do": "load", "engine": engine, "options": options, **load})
        process.ask({"do": "case", "rows": self._rows})
        warm = {"tokens": _TOKENS[0], "batch": 2, "sorted": False}
        process.ask({"do": "run", "rows": 4, "options": warm})

    def run(self, setting: _Setting, rows: int) -> tuple[float, Logits]:
        """Seconds and logits of the first `rows` texts."""
        request = {"do": "run", "rows": rows, "options": dict(setting.options)}
        answer = self._processes[setting.process].ask(request)
        return answer["seconds"], np.array(answer["logits"])

    def best(self, settings: Iterable[_Setting], rows: int) -> _Setting:
        """The fastest setting in one trial."""
        return min(settings, key=lambda setting: self.run(setting, rows)[0])

    def peaks(self) -> Json:
        """Peak memory of each process, MiB."""
        return {
            name: process.ask({"do": "memory"})["peak_rss_mib"]
            for name, process in self._processes.items()
        }


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the comparison and writes the file. Exit status 0 when it was written."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.classify", description=__doc__)
    parser.add_argument("--json", type=Path, required=True, metavar="FILE", help="file to write")
    parser.add_argument("--quick", action="store_true", help="few rounds: to try it, not to quote")
    parser.add_argument("--threads", type=int, default=1, help="of each engine (default: 1)")
    given = parser.parse_args(arguments)
    load_before = load_average()
    rows = _texts(48 if given.quick else 128)
    make = [sys.executable, "-m", "benchmarks.classify_model", str(_FOLDER)]
    try:
        subprocess.run(make, cwd=ROOT, check=True, stdout=sys.stderr)
        content = _compare(rows, given.threads, rounds=2 if given.quick else 9)
    except (WorkerError, subprocess.CalledProcessError) as error:
        print(f"benchmarks.classify: {error}", file=sys.stderr)
        return 1
    about = {
        "model": "XLM-RoBERTa base's sizes, random weights, int8 (Transformers: fp32, bf16)",
        "texts": len(rows),
        "tokens": {"shortest": _SHORTEST, "longest": _LONGEST, "all": sum(map(len, rows))},
        "threads_of_each_engine": given.threads,
        "quick": given.quick,
        "rates": "texts per second, median of the rounds; ratios are medians of paired rounds",
    }
    written = report(
        content,
        load_before=load_before,
        packages=_PACKAGES,
        settings=about,
        does_not_measure=_DOES_NOT_MEASURE,
    )
    write_json(given.json, written)
    return 0


def _texts(count: int) -> list[list[int]]:
    """Ids of `count` texts, lengths even over the whole range, in random order."""
    random = np.random.RandomState(1)
    lengths = random.permutation(np.linspace(_SHORTEST, _LONGEST, count).astype(int))
    return [[0, *random.randint(5, _VOCABULARY, length - 2).tolist(), 2] for length in lengths]


def _compare(rows: Sequence[Sequence[int]], threads: int, rounds: int) -> Json:
    with ExitStack() as stack:
        arena = _Arena(stack, threads, rows)
        arena.load(_OURS, _OURS)
        arena.load(_PLAIN, _PLAIN)
        for dtype in ("float32", "bfloat16"):
            arena.load(f"{_TORCH} {dtype}", _TORCH, dtype=dtype, attention="sdpa")
        settings = _settings(arena, min(len(rows), _TRIED))
        _, reference = arena.run(_batches(f"{_TORCH} float32", (1,), False)[0], len(rows))
        seconds, logits = _timed(arena, settings, len(rows), rounds)
        name = f"mixed-{_SHORTEST}-{_LONGEST}"
        case = {"name": name, **_rates(seconds, len(rows)), **_nearness(logits, reference)}
        case["setting"] = {kind: setting.name for kind, setting in settings.items()}
        return {"cases": [case], "peak_rss_mib": arena.peaks()}


def _settings(arena: _Arena, rows: int) -> dict[str, _Setting]:
    """The best setting of every kind, found in one trial each."""
    ours = [_Setting(_OURS, f"{tokens} tokens a batch", {"tokens": tokens}) for tokens in _TOKENS]
    both = (f"{_TORCH} float32", f"{_TORCH} bfloat16")
    kinds: dict[str, list[_Setting]] = {
        _OURS: ours,
        _PLAIN: _batches(_PLAIN, _BATCHES, False),
        f"{_PLAIN}_padded": _batches(_PLAIN, _BATCHES[1:], False),
        f"{_PLAIN}_sorted": _batches(_PLAIN, _BATCHES, True),
        _TORCH: [each for name in both for each in _batches(name, _BATCHES, False)],
        f"{_TORCH}_sorted": [each for name in both for each in _batches(name, _BATCHES, True)],
    }
    return {kind: arena.best(settings, rows) for kind, settings in kinds.items()}


def _batches(process: str, sizes: Sequence[int], by_length: bool) -> list[_Setting]:
    order = "sorted by length" if by_length else "in order of arrival"
    return [
        _Setting(
            process, f"{process}, {size} a batch, {order}", {"batch": size, "sorted": by_length}
        )
        for size in sizes
    ]


def _timed(
    arena: _Arena, settings: Mapping[str, _Setting], rows: int, rounds: int
) -> tuple[dict[str, list[float]], dict[str, Logits]]:
    """Seconds of every round, and the logits of the last."""
    logits: dict[str, Logits] = {}

    def once(name: str) -> Callable[[], float]:
        def run() -> float:
            seconds, logits[name] = arena.run(settings[name], rows)
            return seconds

        return run

    return interleaved({name: once(name) for name in settings}, rounds), logits


def _rates(seconds: Mapping[str, Sequence[float]], texts: int) -> Json:
    """Texts per second of every kind, and how many times as fast we are."""
    rates: Json = {kind: significant(texts / median(times)) for kind, times in seconds.items()}
    for kind, times in seconds.items():
        if kind != _OURS:
            rates[f"ratio_{kind}"] = significant(paired_ratio(seconds[_OURS], times))
            ratios = spread(seconds[_OURS], times)
            rates[f"ratio_{kind}_range"] = [significant(each) for each in ratios]
    return rates


def _nearness(logits: Mapping[str, Logits], reference: Logits) -> Json:
    """How near every kind's logits are to those of Transformers in fp32, each text alone."""
    best = reference.argmax(1)
    return {
        "same_label": {
            kind: significant(float(np.mean(each.argmax(1) == best)))
            for kind, each in logits.items()
        },
        "farthest_logit": {
            kind: significant(float(np.abs(each - reference).max()))
            for kind, each in logits.items()
        },
    }


if __name__ == "__main__":
    sys.exit(main())
