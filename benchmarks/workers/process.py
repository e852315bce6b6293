"""The benchmark's side of an engine's process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from benchmarks.cases import Case
from benchmarks.common import ROOT, Json
from benchmarks.workers.base import Answers

_LAST_S = 10.0


class WorkerError(Exception):
    """An engine's process failed; the message is the engine's."""


@dataclass(frozen=True)
class Variant:
    """One way to set an engine up: a process, and how it is run.

    `engine` is its name in the file, `module` the worker's (`benchmarks.workers.ct2`).
    `environment` and `options` hold from the process's start, `run` for each run.
    """

    name: str
    module: str
    environment: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    run: Mapping[str, Any] = field(default_factory=dict)
    engine: str = ""

    @property
    def process(self) -> str:
        """The name of the process that it needs; `run` does not matter."""
        return self.name.partition("; ")[0]

    def running(self, name: str, **run: Any) -> Variant:
        """The same process, run in another way."""
        return replace(self, name=f"{self.process}; {name}", run=run)


@dataclass(frozen=True)
class Timed:
    """One run of a case: seconds, and the ids that it gave."""

    seconds: float
    answers: Answers

    @property
    def tokens(self) -> int:
        """Of all answers, eos counted where it was produced."""
        return sum(map(len, self.answers))

    @property
    def rate(self) -> float:
        """Tokens per second."""
        return self.tokens / self.seconds


class Process:
    """A process that answers one line of JSON with one (base.py). Raises WorkerError."""

    def __init__(self, name: str, module: str, environment: Mapping[str, str]) -> None:
        self._name = name
        self._process = subprocess.Popen(
            [sys.executable, "-m", module],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def ask(self, request: Json) -> Json:
        """The answer to a request."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise WorkerError(f"{self._name}: the process has ended") from error
        line = self._process.stdout.readline()
        if not line:
            raise WorkerError(f"{self._name}: the process ended at {request['do']}")
        answer: Json = json.loads(line)
        if "error" in answer:
            raise WorkerError(f"{self._name}: {answer['error']}")
        return answer

    def close(self) -> None:
        """Ends the process."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        try:
            self._process.wait(_LAST_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Worker(Process):
    """A process with one engine and one model."""

    def __init__(self, variant: Variant, folder: Path, threads: int, precision: str) -> None:
        environment = {**thread_limits(threads), **variant.environment}
        super().__init__(variant.name, variant.module, environment)
        load = {"folder": str(folder), "threads": threads, "precision": precision}
        try:
            self.ask({"do": "load", **load, "options": dict(variant.options)})
        except WorkerError:
            self.close()
            raise

    def case(self, case: Case) -> None:
        """Makes the case ready; to be called once before it is run."""
        self.ask({"do": "case", "case": case.to_json()})

    def run(self, case: Case, options: Mapping[str, Any]) -> Timed:
        """Runs a case once."""
        answer = self.ask({"do": "run", "case": case.name, "options": dict(options)})
        return Timed(answer["seconds"], answer["answers"])

    def margins(self, source: Sequence[int], ours: Sequence[int], theirs: Sequence[int]) -> Json:
        """What the judge says of two answers to one source."""
        pair = {"ours": list(ours), "theirs": list(theirs)}
        return self.ask({"do": "margins", "source": list(source), **pair})

    def peak_rss_mib(self) -> float:
        """The most memory that the process has held."""
        return float(self.ask({"do": "memory"})["peak_rss_mib"])


def thread_limits(count: int) -> dict[str, str]:
    """Environment in which no library starts more than `count` threads by itself."""
    variables = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    return dict.fromkeys(variables, str(count))
