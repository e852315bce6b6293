"""Encoder and decoder step in ONNX, with caches that stay where they are between steps.

Interface of the graphs: the head of bundle.proto. The self-attention caches grow in blocks of
positions, the cross-attention caches in blocks of source pieces, both in blocks of slots. Graphs
read and write them by address, so a step copies nothing but what the search asks for (`slots.py`).
Whenever a cache gets new memory, each one that is longer than its rows need is cut, so what stands
is never more than `footprint` says of rows that were in the batch at one time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lingraft.server.bundle import Dimensions
from lingraft.server.engines.ahead import ROOM, Ahead, steps_of
from lingraft.server.engines.base import Plan, Step
from lingraft.server.engines.cache import Cache, HostMemory, Layout, Memory, bind_array
from lingraft.server.engines.footprint import Blocks, Footprint
from lingraft.server.engines.late import Late
from lingraft.server.engines.session import check_interface, element_types, pad, pads
from lingraft.server.engines.slots import Slots
from lingraft.server.errors import BundleError

_RANK_OF_OWN = 3  # of a cache [B,G,H*D], which the server's own operators read and write
_MOST_BOUND = 64  # bindings that are kept; batches come back to the sizes that they had


@dataclass(frozen=True)
class TranslationGraphs:
    """Sessions of an encoder and of a decoder step, and their files, for messages alone."""

    encoder: Any
    decoder: Any
    encoder_path: Path
    decoder_path: Path


class OnnxTranslator:
    """A TranslationEngine on ONNX Runtime. Not one of its methods may run beside another."""

    def __init__(
        self,
        graphs: TranslationGraphs,
        dimensions: Dimensions,
        pad_id: int,
        memory: Memory | None = None,
        blocks: Blocks | None = None,
    ) -> None:
        """Raises BundleError when the graphs lack an input or an output."""
        self._encoder, self._decoder = graphs.encoder, graphs.decoder
        self.path = graphs.decoder_path
        self._dimensions, self._pad = dimensions, pad_id
        self._memory, self._blocks = memory or HostMemory(), blocks or Blocks()
        self._cross_names = [name for pair in _pairs(dimensions, "cross_") for name in pair]
        self._past_names = [name for pair in _pairs(dimensions, "") for name in pair]
        self._check(graphs)
        self.pads = pads(graphs.encoder)
        self._late, self._ahead = Late(graphs.decoder), Ahead(graphs.decoder)
        past, keys, values = self._layouts()
        self.footprint = Footprint(past, keys, values, self._blocks)
        self._past = self._memory.cache(past)
        self._keys, self._values = self._memory.cache(keys), self._memory.cache(values)
        self._slots = Slots()
        self._input_ids: NDArray[np.int64] = np.zeros(0, np.int64)
        self._total_length, self._top_k = np.zeros(1, np.int32), np.zeros(1, np.int64)
        self._bound: dict[
            tuple[int, int, bool], _Bound
        ] = {}  # by rows and candidates; ahead or not

    @property
    def allocated(self) -> int:
        """Bytes that the caches take now."""
        caches = (self._past, self._keys, self._values)
        return sum(each.layout.bytes(each.slots, each.length) for each in caches)

    def join(self, sources: Sequence[Sequence[int]], widths: Sequence[int]) -> None:
        """Encodes `sources` and puts each into its `widths` next free slots; all or none."""
        ids, lengths = pad(sources, self._pad)
        feeds = {"input_ids": ids, "lengths": lengths}
        encoded = self._memory.run(self._encoder, self._cross_names, feeds)
        longest = max(ids.shape[1], self._slots.longest_source)
        first = len(self._slots)
        self._fit(first + sum(widths), longest, self._slots.longest_past + 1)
        for part, values in enumerate(encoded):
            cache = self._values if part % 2 else self._keys
            cache.write(part // 2, first, values, widths)
        for length, width in zip(lengths.tolist(), widths, strict=True):
            self._slots.add(length, width)

    def step(self, input_ids: Sequence[int], candidates: int, late: bool = False) -> Step:
        """One decoder step for all B rows: `input_ids` [B] is the last piece of each.

        K is `candidates`, but no more than there are pieces. late: whether probabilities may come
        later, if that is faster.
        """
        late = late and self._late.offered
        bound = self._prepared(input_ids, candidates, late)
        self._run(bound)
        self._slots.advance()
        by_row = self._slots.by_row
        alignment = None if bound.alignment is None else by_row(bound.alignment)
        unscored = by_row(bound.hidden).copy() if late and self._late.owing[0] else None
        ids, logprobs = by_row(bound.ids).tolist(), by_row(bound.logprobs).tolist()
        return Step(ids, logprobs, alignment, unscored)

    @property
    def goes_ahead(self) -> bool:
        """Whether there is `ahead`."""
        return self._ahead.offered

    def ahead(self, piece: int, plan: Plan, halt: NDArray[np.int32]) -> Sequence[Step]:
        """Some steps of the one row that is there (`TranslationEngine.ahead`)."""
        if len(self._slots) != 1:
            raise ValueError(f"{len(self._slots)} rows cannot go ahead, only one")
        bound = self._prepared([piece], plan.candidates, True, ahead=plan.steps)
        self._ahead.bind_plan(bound.binding, plan, halt)
        self._run(bound)
        made = self._ahead.made
        self._slots.advance(made)
        hidden = bound.hidden[:made].copy() if self._late.owing[0] else None
        return list(steps_of(made, bound.ids, bound.logprobs, hidden))

    def normalisers(self, unscored: Sequence[NDArray[np.float32]]) -> Sequence[np.float32]:
        """What is to be taken off the logits of rows, each one of a `Step.unscored`."""
        return self._late.normalisers(self._decoder, np.stack(unscored))

    def select(self, parents: Sequence[int]) -> None:
        """The batch becomes len(parents) rows, of which row i goes on from the old row parents[i].

        Copies a row's past only for the second and further rows that go on from it, and for rows
        that fill the gap of others; and of it only what the slot does not hold already.
        """
        if list(parents) == list(range(len(self._slots))):
            return
        if len(parents) > self._past.slots:
            self._fit(len(parents), self._slots.longest_source, self._past.length)
        moves = self._slots.select(parents)
        self._past.copy(moves.pasts)
        self._keys.copy(moves.sources)
        self._values.copy(moves.sources)

    def clear(self) -> None:
        """Takes out all rows."""
        self._slots.clear()

    def _prepared(
        self, input_ids: Sequence[int], candidates: int, late: bool, ahead: int = 0
    ) -> _Bound:
        """Everything in place for a step of all rows, or for some of one that goes ahead."""
        rows = len(self._slots)
        if len(input_ids) != rows or not rows:
            raise ValueError(f"{len(input_ids)} ids for {rows} rows")
        total = self._slots.longest_past + max(ahead, 1)
        if total > self._past.length:
            self._fit(rows, self._slots.longest_source, total)
        best = min(candidates, self._dimensions.vocabulary_size)
        self._input_ids[self._slots.of_rows] = input_ids
        self._total_length[0], self._top_k[0] = total, -best if late else best
        return self._bound.get((rows, best, ahead > 0)) or self._bind(rows, best, ahead > 0)

    def _check(self, graphs: TranslationGraphs) -> None:
        rows = ["input_ids", "past_lengths", "total_length", "source_lengths", "top_k"]
        past = [f"past_{name}" for name in self._past_names]
        results = ["top_ids", "top_logprobs", *(f"present_{name}" for name in self._past_names)]
        cross = self._cross_names
        check_interface(graphs.encoder, graphs.encoder_path, ["input_ids", "lengths"], cross)
        check_interface(graphs.decoder, graphs.decoder_path, [*rows, *cross, *past], results)
        _check_caches(graphs, cross)
        self._aligns = "alignment" in {each.name for each in graphs.decoder.get_outputs()}

    def _layouts(self) -> tuple[Layout, Layout, Layout]:
        """Of the past (all keys and values), of the cross keys, of the cross values."""
        layers, heads = self._dimensions.decoder_layers, self._dimensions.heads
        size, types = self._dimensions.head_size, element_types(self._decoder)
        ranks = {each.name: len(each.shape) for each in self._decoder.get_inputs()}

        def layout(parts: int, name: str, outer: tuple[int, ...], unit: int) -> Layout:
            if ranks[name] == _RANK_OF_OWN:
                return Layout(parts, (), heads * size, types[name], zeroed=False)
            return Layout(parts, outer, unit, types[name])

        return (
            layout(2 * layers, "past_key.0", (heads,), size),
            layout(layers, "cross_key.0", (heads, size), 1),
            layout(layers, "cross_value.0", (heads,), size),
        )

    def _fit(self, rows: int, pieces: int, positions: int) -> None:
        """Gives every cache what so many rows need, if one is too small or the batch is empty."""
        slots, positions, pieces = self._blocks.whole(rows, pieces, positions)
        wanted = ((self._past, positions), (self._keys, pieces), (self._values, pieces))
        here = all(each.slots >= slots and each.length >= length for each, length in wanted)
        if here and len(self._slots):
            return
        if all((each.slots, each.length) == (slots, length) for each, length in wanted):
            return
        used = (self._slots.longest_past, *2 * (self._slots.longest_source,))
        self._bound.clear()
        for (cache, length), kept in zip(wanted, used, strict=True):
            if (cache.slots, cache.length) != (slots, length):
                cache.resize(slots, length, len(self._slots), kept)
        self._slots.resize(slots)
        self._input_ids = np.zeros(slots, np.int64)

    def _run(self, bound: _Bound) -> None:
        if self._memory.device != "cpu":
            # ONNX Runtime takes host values to a device when they are bound, not when it runs.
            self._bind_rows(bound.binding, len(self._slots))
        self._decoder.run_with_iobinding(bound.binding)

    def _bind(self, rows: int, best: int, ahead: bool) -> _Bound:
        """Binds everything for so much at a time, once while no address changes."""
        if len(self._bound) >= _MOST_BOUND:
            self._bound.clear()
        pieces = self._keys.length if self._aligns else 0
        answers = ROOM if ahead else rows
        bound = _Bound.make(self._decoder, answers, rows, best, pieces, self._late)
        binding, device = bound.binding, self._memory.device
        self._bind_rows(binding, rows)
        self._ahead.bind(binding)
        for index, name in enumerate(self._cross_names):
            cache = self._values if index % 2 else self._keys
            _bind_part(binding.bind_input, name, device, cache, index // 2, rows)
        for part, name in enumerate(self._past_names):
            _bind_part(binding.bind_input, f"past_{name}", device, self._past, part, rows)
            _bind_part(binding.bind_output, f"present_{name}", device, self._past, part, rows)
        self._bound[rows, best, ahead] = bound
        return bound

    def _bind_rows(self, binding: Any, rows: int) -> None:
        slots = self._slots
        for name, array, length in (
            ("input_ids", self._input_ids, rows),
            ("past_lengths", slots.past, rows),
            ("source_lengths", slots.source_lengths, rows),
            ("total_length", self._total_length, 1),
            ("top_k", self._top_k, 1),
        ):
            bind_array(binding.bind_input, name, array[:length])


@dataclass(frozen=True)
class _Bound:
    """A binding and the arrays that its outputs are written to, by slot."""

    binding: Any
    ids: NDArray[np.int64]
    logprobs: NDArray[np.float32]
    alignment: NDArray[np.float32] | None
    hidden: NDArray[np.float32]

    @classmethod
    def make(
        cls, session: Any, answers: int, rows: int, best: int, pieces: int, late: Late
    ) -> _Bound:
        """Outputs [answers,K], hidden states [answers,d]; if `pieces` are named, alignment [B,S].

        A row that goes ahead has an answer for each step.
        """
        binding = session.io_binding()
        ids, logprobs = np.zeros((answers, best), np.int64), np.zeros((answers, best), np.float32)
        bind_array(binding.bind_output, "top_ids", ids)
        bind_array(binding.bind_output, "top_logprobs", logprobs)
        alignment = np.zeros((rows, pieces), np.float32) if pieces else None
        if alignment is not None:
            bind_array(binding.bind_output, "alignment", alignment)
        return cls(binding, ids, logprobs, alignment, late.bind(binding, answers))


def _check_caches(graphs: TranslationGraphs, names: Sequence[str]) -> None:
    """Raises BundleError where the encoder makes other cross keys and values than are read."""
    made = {each.name: (each.type, len(each.shape)) for each in graphs.encoder.get_outputs()}
    read = {each.name: (each.type, len(each.shape)) for each in graphs.decoder.get_inputs()}
    faults = [name for name in names if made[name] != read[name]]
    if faults:
        raise BundleError(
            f"{graphs.encoder_path} and {graphs.decoder_path} do not belong together: "
            f"{', '.join(faults)} differ in type or rank"
        )


def _pairs(dimensions: Dimensions, prefix: str) -> Iterator[tuple[str, str]]:
    for layer in range(dimensions.decoder_layers):
        yield f"{prefix}key.{layer}", f"{prefix}value.{layer}"


def _bind_part(bind: Any, name: str, device: str, cache: Cache, part: int, rows: int) -> None:
    shape = cache.layout.graph_shape(rows, cache.length)
    bind(name, device, 0, cache.layout.dtype.type, shape, cache.address(part))
