"""The comparison of trainers: both sides run on made ids, and the file says what was seen."""

from __future__ import annotations

import json
import math
import warnings
from contextlib import nullcontext

import pytest

from benchmarks.common import Json
from benchmarks.training import Plan, compare
from benchmarks.training_task import make_task
from benchmarks.workers.training import Handler

_TINY = Plan(
    shape="tiny",
    made=True,
    batch_tokens=300,
    warmup_steps=3,
    trial=1000,
    timed=1200,
    long=2000,
    warm=1,
    rounds=2,
    seeds=2,
)
_TASK = {
    "shape": "tiny",
    "made": True,
    "batch_tokens": 300,
    "warmup_steps": 3,
    "learning_rate": 1e-3,
    "precision": "fp32",
    "threads": 1,
}
_PLAIN = {
    "attention": "eager",
    "accumulation": 1,
    "optimiser": "adamw_torch_fused",
    "workers": 0,
}


def _numbers(value: object) -> list[float]:
    if isinstance(value, dict):
        return [number for part in value.values() for number in _numbers(part)]
    if isinstance(value, list):
        return [number for part in value for number in _numbers(part)]
    return [float(value)] if isinstance(value, int | float) else []


def _run(engine: str, target_tokens: int, warm: int = 1) -> Json:
    handler = Handler()
    handler({"do": "load", "engine": engine, "task": _TASK})
    request = {"do": "run", "seed": 1, "warm": warm, "target_tokens": target_tokens}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the peer's own
        return handler({**request, "options": _PLAIN})


class _Here:
    """A trainer in this process: starting another one takes longer than all that it does."""

    def __init__(self) -> None:
        self._handler = Handler()

    def ask(self, request: Json) -> Json:
        """As a process answers."""
        return self._handler(request)


@pytest.fixture(scope="module")
def content() -> Json:
    """What the benchmark writes, of a tiny model and few steps."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the peer's own
        written = compare(_TINY, 1, "fp32", opened=lambda name, threads: nullcontext(_Here()))
    return json.loads(json.dumps(written))  # type: ignore[no-any-return]


def test_the_file_has_its_figures_and_they_are_finite(content: Json) -> None:
    """Ratio with its range, both rates, both losses, and what one must know to read them."""
    low, high = content["range"]
    assert low <= content["ratio_seq2seqtrainer"] <= high
    assert content["lingraft_tokens_per_s"] > 0
    assert content["seq2seqtrainer_tokens_per_s"] > 0
    assert content["loss"].keys() >= {"lingraft", "seq2seqtrainer", "noise", "difference"}
    assert content.keys() >= {"machine", "versions", "settings", "does_not_measure", "commit"}
    assert all(map(math.isfinite, _numbers(content)))


def test_the_peers_settings_were_tried_and_the_fastest_taken(content: Json) -> None:
    """Of every setting, the one with the most tokens per second."""
    peer = content["settings"]["seq2seqtrainer"]
    assert peer["tried"].keys() == {"attention", "accumulation", "optimiser", "workers"}
    for name, rates in peer["tried"].items():
        assert str(peer[name]) == max(rates, key=lambda value: rates[value])


def test_both_begin_with_the_same_weights_and_learn() -> None:
    """From the same loss of held-out targets down, by as much within a tenth of a nat."""
    few, many = ([_run(e, n) for e in ("lingraft", "seq2seqtrainer")] for n in (1, 12_000))
    # After one update of a warming-up rate the weights are nearly those of the beginning.
    assert few[0]["loss"] == pytest.approx(few[1]["loss"], abs=0.01)
    assert all(late["loss"] < early["loss"] - 0.2 for early, late in zip(few, many, strict=True))
    assert many[0]["loss"] == pytest.approx(many[1]["loss"], abs=0.1)


@pytest.mark.parametrize("engine", ["lingraft", "seq2seqtrainer"])
def test_a_run_ends_with_the_wanted_tokens_and_leaves_the_warm_ones_out(engine: str) -> None:
    """At most one batch more; what is timed is less than what was trained."""
    done = _run(engine, 2000, warm=2)
    assert 2000 <= done["all_tokens"] < 2300
    assert 0 < done["tokens"] < done["all_tokens"]
    assert done["seconds"] > 0


def test_an_update_has_as_many_examples_on_either_side() -> None:
    """The peer's fixed number is the mean of ours; so many steps see the wanted tokens."""
    task = make_task(_TASK)
    assert task.sentences == pytest.approx(300 / (task.train.lengths.mean() + 1), rel=0.15)
    assert task.steps(2000, seed=1) == pytest.approx(2000 / 250, abs=2)
