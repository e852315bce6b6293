"""A small greedy decoder over the exported graphs, for parity and golden answers only.

It keeps a fixed number of rows; a sentence takes the place of one that has finished, so rows of
different age and length share every step, as they do in the server.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

Ids = Sequence[int]
Graph = bytes | Path  # content of a graph's file, or the file, which may have its weights beside it
_ERRORS_ONLY = 3  # ONNX Runtime's log severity
_CANDIDATES = 3  # the best two, should padding be one of the first


@dataclass(frozen=True)
class SpecialIds:
    """Ids with a meaning of their own; the same as the manifest's message of that name."""

    eos: int
    pad: int
    decoder_start: int


@dataclass(frozen=True)
class Decoded:
    """One greedy answer.

    Attributes:
        ids: produced pieces, eos included when `finished`.
        logprob: sum of their natural logarithms.
        finished: ended with eos, not by the limit.
        margin: least distance of the best two logarithms at any place; near 0 is a near tie.
    """

    ids: list[int]
    logprob: float
    finished: bool
    margin: float


def open_session(graph: Graph, threads: int = 1) -> onnxruntime.InferenceSession:
    """A session on the CPU with `threads` threads inside an operator."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    # As the server does: without it, int8 products saturate on processors that have no VNNI.
    options.add_session_config_entry("session.x64quantprecision", "1")
    source = graph if isinstance(graph, bytes) else str(graph)
    return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])


def pad_rows(rows: Sequence[Ids], pad: int, width: int = 0) -> tuple[NDArray[Any], NDArray[Any]]:
    """Rows of ids as one array [B,S], S the longest row or `width`, and their lengths [B]."""
    lengths = np.array([len(row) for row in rows], np.int64)
    ids = np.full((len(rows), max(width, int(lengths.max()))), pad, np.int64)
    for target, row in zip(ids, rows, strict=True):
        target[: len(row)] = row
    return ids, lengths


def classify(
    graph: Graph, rows: Sequence[Ids], pad: int, *, batch: int = 16, threads: int = 1
) -> Any:
    """Logits [N,C] of a classifier graph, in batches of unequal lengths."""
    session = open_session(graph, threads)
    parts = []
    for start in range(0, len(rows), batch):
        ids, lengths = pad_rows(rows[start : start + batch], pad)
        parts.append(session.run(["logits"], {"input_ids": ids, "lengths": lengths})[0])
    return np.concatenate(parts)


class GreedyDecoder:
    """Greedy translation over an encoder and a decoder step."""

    def __init__(self, encoder: Graph, step: Graph, special: SpecialIds, threads: int = 1) -> None:
        self._encoder = open_session(encoder, threads)
        self._step = open_session(step, threads)
        self._special = special

    def decode(
        self,
        rows: Sequence[Ids],
        limits: Sequence[int],
        slots: int = 8,
        forced: Sequence[int | None] = (),
    ) -> list[Decoded]:
        """Decode every row of source ids.

        Args:
            rows: source ids, tag and eos included.
            limits: most pieces to produce for each row, eos included.
            slots: rows decoded side by side.
            forced: first piece of each row's target, None to leave it free; () leaves all free.
        """
        forced = forced or [None] * len(rows)
        width = max(len(row) for row in rows)
        state = _Slots(self._step, min(slots, len(rows)), width, max(limits))
        waiting = list(range(len(rows)))[::-1]
        answers: list[Decoded | None] = [None] * len(rows)
        while waiting or state.busy:
            for slot in state.free():
                if waiting:
                    row = waiting.pop()
                    self._admit(state, slot, row, rows, forced[row])
            for slot, row in state.step(self._special):
                if (answer := state.finished(slot, limits[row], self._special.eos)) is not None:
                    answers[row] = answer
        return [answer for answer in answers if answer is not None]

    def _admit(
        self, state: _Slots, slot: int, row: int, rows: Sequence[Ids], forced: int | None
    ) -> None:
        ids, lengths = pad_rows([rows[row]], self._special.pad)
        names = [output.name for output in self._encoder.get_outputs()]
        values = self._encoder.run(names, {"input_ids": ids, "lengths": lengths})
        state.admit(slot, row, len(rows[row]), dict(zip(names, values, strict=True)), forced)


class _Slots:
    """The rows under way and their caches; past and present share memory."""

    def __init__(
        self, session: onnxruntime.InferenceSession, slots: int, width: int, positions: int
    ) -> None:
        self._session = session
        sizes = {"B": slots, "S": width, "T": positions}
        # A past starts as NaN: a graph that reads a place not yet written gives itself away.
        self._caches = {
            i.name: np.full(
                [sizes.get(d, d) for d in i.shape],
                np.nan if i.name.startswith("past_") else 0.0,
                np.float16 if i.type == "tensor(float16)" else np.float32,
            )
            for i in session.get_inputs()
            if len(i.shape) == 4
        }
        self._rows: list[int | None] = [None] * slots
        self._source_lengths = np.ones(slots, np.int64)
        self._forced: list[int | None] = [None] * slots
        self._ids: list[list[int]] = [[] for _ in range(slots)]
        self._logprobs = np.zeros(slots)
        self._margins = np.full(slots, np.inf)

    @property
    def busy(self) -> bool:
        """Whether any row is under way."""
        return any(row is not None for row in self._rows)

    def free(self) -> list[int]:
        """Slots that hold no row."""
        return [slot for slot, row in enumerate(self._rows) if row is None]

    def admit(
        self,
        slot: int,
        row: int,
        length: int,
        cross: dict[str, NDArray[Any]],
        forced: int | None = None,
    ) -> None:
        """Put a row with `length` source positions into a free slot."""
        for name, value in cross.items():
            own = self._caches[name][slot]
            if name.startswith("cross_key"):
                own[:, :, :length] = value[0]
            else:
                own[:, :length] = value[0]
        self._rows[slot], self._source_lengths[slot] = row, length
        self._forced[slot] = forced
        self._ids[slot], self._logprobs[slot], self._margins[slot] = [], 0.0, np.inf

    def step(self, special: SpecialIds) -> list[tuple[int, int]]:
        """Produce one piece for every row under way; returns (slot, row) of each."""
        past = np.array([len(ids) for ids in self._ids], np.int32)
        last = [ids[-1] if ids else special.decoder_start for ids in self._ids]
        feeds: dict[str, NDArray[Any]] = {
            "input_ids": np.array(last, np.int64),
            "past_lengths": past,
            "total_length": np.array([past.max() + 1], np.int32),
            "source_lengths": self._source_lengths,
            "top_k": np.array([_CANDIDATES], np.int64),
        }
        top_ids, top_logprobs = self._run(feeds)
        active = [(slot, row) for slot, row in enumerate(self._rows) if row is not None]
        for slot, _ in active:
            first, self._forced[slot] = self._forced[slot], None
            if first is not None:  # with certainty: its logarithm is 0
                self._ids[slot].append(first)
                continue
            real = np.flatnonzero(top_ids[slot] != special.pad)
            self._ids[slot].append(int(top_ids[slot, real[0]]))
            best, second = top_logprobs[slot, real[:2]].tolist()
            self._logprobs[slot] += best
            self._margins[slot] = min(self._margins[slot], best - second)
        return active

    def finished(self, slot: int, limit: int, eos: int) -> Decoded | None:
        """The answer of a row that has come to its end, whose slot is then free; else None."""
        ids = self._ids[slot]
        if ids[-1] != eos and len(ids) < limit:
            return None
        self._rows[slot], self._source_lengths[slot], self._ids[slot] = None, 1, []
        margin = float(self._margins[slot])
        return Decoded(ids, float(self._logprobs[slot]), ids[-1] == eos, margin)

    def _run(self, feeds: dict[str, NDArray[Any]]) -> list[NDArray[Any]]:
        binding, slots = self._session.io_binding(), len(self._rows)
        best: list[NDArray[Any]] = [
            np.empty((slots, _CANDIDATES), np.int64),
            np.empty((slots, _CANDIDATES), np.float32),
        ]
        for name, value in (feeds | self._caches).items():
            _bind(binding.bind_input, name, value)
        for name, value in self._caches.items():
            if name.startswith("past_"):
                _bind(binding.bind_output, name.replace("past_", "present_"), value)
        for name, value in zip(("top_ids", "top_logprobs"), best, strict=True):
            _bind(binding.bind_output, name, value)
        self._session.run_with_iobinding(binding)
        return best


def _bind(bind: Callable[..., None], name: str, value: NDArray[Any]) -> None:
    bind(name, "cpu", 0, value.dtype.type, value.shape, value.ctypes.data)
