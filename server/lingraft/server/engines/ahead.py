"""Several decoder steps in one call, where the graph offers it (bundle.proto, `plan`).

A row that is alone waits for ONNX Runtime and for Python at every step, an eighth of its time and
more where a model is small.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lingraft.server.engines.base import Plan, Step
from lingraft.server.engines.cache import bind_array

_PLAN, _HALT, _MADE = "plan", "halt", "made"
ROOM = 32  # steps of one call at most: outputs have room for so many


class Ahead:
    """Of one decoder session: whether this is `offered`, and what its steps are bound to."""

    def __init__(self, session: Any) -> None:
        named = {each.name for each in (*session.get_inputs(), *session.get_outputs())}
        self.offered = {_PLAN, _HALT, _MADE} <= named
        self._made: NDArray[np.int64] = np.zeros(1, np.int64)
        self._one: NDArray[np.int64] = np.zeros(0, np.int64)  # a plan of one step
        self._never: NDArray[np.int32] = np.array([0, -1], np.int32)
        self._plan, self._halt = self._one, self._never  # kept while they are bound

    @property
    def made(self) -> int:
        """Steps of the last call."""
        return int(self._made[0])

    def bind(self, binding: Any) -> None:
        """Binds what a step of any rows needs beside all else."""
        if self.offered:
            bind_array(binding.bind_input, _PLAN, self._one)
            bind_array(binding.bind_input, _HALT, self._never)
            bind_array(binding.bind_output, _MADE, self._made)

    def bind_plan(self, binding: Any, plan: Plan, halt: NDArray[np.int32]) -> None:
        """Binds what a call of several steps follows, and what ends it."""
        steps = min(plan.steps, ROOM)
        left = -1 if math.isinf(plan.seconds) else max(0, int(plan.seconds * 1e9))
        self._plan = np.array([steps, ROOM, plan.eos, left, *sorted(plan.banned)], np.int64)
        self._halt = halt
        bind_array(binding.bind_input, _PLAN, self._plan)
        bind_array(binding.bind_input, _HALT, self._halt)


def steps_of(
    made: int, ids: NDArray[Any], logprobs: NDArray[Any], unscored: NDArray[np.float32] | None
) -> Iterator[Step]:
    """The first `made` of several steps of one row, from arrays [steps,K], [steps,K], [steps,d]."""
    told = zip(ids[:made].tolist(), logprobs[:made].tolist(), strict=True)
    for at, (pieces, values) in enumerate(told):
        hidden = None if unscored is None else unscored[at : at + 1]
        yield Step([pieces], [values], None, hidden)
