"""An engine in a process of its own: what crosses the pipe, and what is timed."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from benchmarks.cases import Case
from benchmarks.workers.base import Answers, Handler, Load, loop
from benchmarks.workers.process import Process, Timed, Variant, WorkerError

_CASE = Case("two", (((5, 6, 0), (7, 0)),), beams=1, least=0, most=9)


class EchoEngine:
    """Answers every source with itself."""

    def __init__(self) -> None:
        self.loaded: Load | None = None
        self.prepared: list[Case] = []

    def load(self, load: Load) -> None:
        """Remembers what it was given."""
        self.loaded = load

    def prepare(self, case: Case) -> None:
        """Remembers the case."""
        self.prepared.append(case)

    def run(self, case: Case, options: Mapping[str, Any]) -> Any:
        """All sentences; fails when it is told to."""
        if options.get("fail"):
            raise RuntimeError("told to fail")
        return case.sentences

    def answers(self, case: Case, result: Any) -> Answers:
        """As lists."""
        return [list(sentence) for sentence in result]


def _talk(engine: EchoEngine, *requests: Mapping[str, Any]) -> list[dict[str, Any]]:
    answers = io.StringIO()
    lines = "".join(json.dumps(request) + "\n" for request in requests)
    loop(Handler(engine), io.StringIO(lines), answers)
    return [json.loads(line) for line in answers.getvalue().splitlines()]


def test_a_case_crosses_the_pipe_as_it_was() -> None:
    """Both sides time the same sentences."""
    assert Case.from_json(json.loads(json.dumps(_CASE.to_json()))) == _CASE


def test_a_worker_loads_then_runs_and_answers_ids_with_their_time() -> None:
    """One answer for each request, in order."""
    engine = EchoEngine()
    load = {"do": "load", "folder": "m", "threads": 2, "precision": "int8", "options": {"a": 1}}
    case = {"do": "case", "case": _CASE.to_json()}
    run = {"do": "run", "case": "two", "options": {}}
    _, nothing, answer = _talk(engine, load, case, run)
    assert engine.loaded == Load(Path("m"), 2, "int8", {"a": 1})
    assert engine.prepared == [_CASE]
    assert nothing == {}
    assert answer["answers"] == [[5, 6, 0], [7, 0]]
    assert 0 <= answer["seconds"] < 5


def test_a_failing_run_is_answered_with_its_error_and_the_next_one_runs() -> None:
    """A setting that an engine cannot run does not end the comparison without a word."""
    case = {"do": "case", "case": _CASE.to_json()}
    bad = {"do": "run", "case": "two", "options": {"fail": True}}
    good = {"do": "run", "case": "two", "options": {}}
    _, failed, fine = _talk(EchoEngine(), case, bad, good)
    assert failed == {"error": "RuntimeError: told to fail"}
    assert "answers" in fine


def test_tokens_count_the_end_where_it_was_produced() -> None:
    """The rate is that of all tokens of the best hypotheses."""
    timed = Timed(seconds=0.5, answers=[[5, 6, 0], [7]])
    assert timed.tokens == 4
    assert timed.rate == 8.0


def test_ways_to_run_share_a_process_and_settings_of_the_process_do_not() -> None:
    """A model is loaded once for all batch sizes that it is tried with."""
    variant = Variant("MKL", "module", environment={"A": "1"})
    small, large = variant.running("8 a batch", rows=8), variant.running("64 a batch", rows=64)
    assert small.process == large.process == variant.process == "MKL"
    assert small.name != large.name
    assert (small.run, small.environment) == ({"rows": 8}, {"A": "1"})


def test_a_process_that_ends_is_an_error_with_its_name() -> None:
    """Nobody waits for ever for an engine that is not there."""
    with Process("ghost", "benchmarks", {}) as process, pytest.raises(WorkerError, match="ghost"):
        process.ask({"do": "load"})
