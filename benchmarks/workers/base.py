"""What every engine of a comparison must do, and the loop of the process around it.

Protocol: a request is one JSON object on a line of standard input, its answer one on a line of
standard output. `{"do": "load"}` comes first, `{"do": "case"}` before the first run of a case.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TextIO

from benchmarks.cases import Case
from benchmarks.common import Json, peak_rss_mib

Answers = list[list[int]]


@dataclass(frozen=True)
class Load:
    """What an engine is given to load.

    `folder` holds all forms of one model (models.py). `precision` is fp32 or int8. `options` are
    the engine's own.
    """

    folder: Path
    threads: int
    precision: str
    options: Mapping[str, Any]


class Engine(Protocol):
    """An engine of the comparison. Nothing but `run` is timed."""

    def load(self, load: Load) -> None:
        """Makes ready for any case."""

    def prepare(self, case: Case) -> None:
        """Brings a case's ids into the engine's own form."""

    def run(self, case: Case, options: Mapping[str, Any]) -> Any:
        """Translates all batches, one after the other; `options` are those of this run."""

    def answers(self, case: Case, result: Any) -> Answers:
        """Ids of the best hypotheses, eos included where it was produced, from what `run` gave."""


class Judge(Protocol):
    """The engine whose answers are the reference."""

    def margins(self, source: Sequence[int], ours: Sequence[int], theirs: Sequence[int]) -> Json:
        """How near two answers to one source are, by the reference model (see torch_generate)."""


class Handler:
    """Answers the requests of the protocol with an engine, which may be the judge too."""

    def __init__(self, engine: Engine, judge: Judge | None = None) -> None:
        self._engine, self._judge = engine, judge
        self._cases: dict[str, Case] = {}

    def __call__(self, request: Json) -> Json:
        """The answer to one request."""
        if request["do"] == "load":
            return self._load(request)
        if request["do"] == "case":
            case = Case.from_json(request["case"])
            self._cases[case.name] = case
            self._engine.prepare(case)
            return {}
        if request["do"] == "memory":
            return {"peak_rss_mib": peak_rss_mib()}
        if request["do"] == "margins" and self._judge is not None:
            return self._judge.margins(request["source"], request["ours"], request["theirs"])
        return self._run(request)

    def _load(self, request: Json) -> Json:
        folder = Path(request["folder"])
        load = Load(folder, request["threads"], request["precision"], request["options"])
        began = time.perf_counter()
        self._engine.load(load)
        return {"seconds": time.perf_counter() - began}

    def _run(self, request: Json) -> Json:
        case = self._cases[request["case"]]
        began = time.perf_counter()
        result = self._engine.run(case, request["options"])
        seconds = time.perf_counter() - began
        return {"seconds": seconds, "answers": self._engine.answers(case, result)}


def serve(engine: Engine, judge: Judge | None = None) -> None:
    """Answers standard input until it ends. What libraries print goes to standard error."""
    serve_requests(Handler(engine, judge))


def serve_requests(handler: Callable[[Json], Json]) -> None:
    """As `serve`, for any handler."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    loop(handler, sys.stdin, answers)


def loop(handler: Callable[[Json], Json], requests: TextIO, answers: TextIO) -> None:
    """One answer for each line; a request that fails is answered with its error."""
    for line in requests:
        try:
            answer = handler(json.loads(line))
        except Exception as error:  # noqa: BLE001 -- the border of the process
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
