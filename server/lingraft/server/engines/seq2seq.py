"""Encoder and decoder step in ONNX, with caches that stay where they are between steps.

Interface of the graphs: the head of bundle.proto. R slots for rows, of which the first B are taken;
a row joins by being written into slot B and leaves by having the last row moved into its place. The
self-attention caches grow in blocks of positions up to the model's limit; the cross-attention
caches are as long as the longest source of the batch. Graphs read and write both by address, so a
step copies neither.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lingraft.server.bundle import Dimensions, Limits
from lingraft.server.engines.base import Floats, Ids
from lingraft.server.engines.cache import Slots, in_blocks
from lingraft.server.engines.session import check_interface, pad

_BLOCKS = (32, 16)
_FLOAT_BYTES = 4


class OnnxTranslator:
    """A TranslationEngine on ONNX Runtime.

    `paths` are the files of the encoder and of the decoder step, for messages alone. `candidates`
    is K, the number of pieces that a step returns for each row. `blocks` are the positions and the
    source pieces by which the caches grow.
    """

    def __init__(
        self,
        encoder: Any,
        decoder: Any,
        paths: tuple[Path, Path],
        dimensions: Dimensions,
        limits: Limits,
        pad_id: int,
        max_rows: int,
        candidates: int,
        blocks: tuple[int, int] = _BLOCKS,
    ) -> None:
        self._encoder, self._decoder = encoder, decoder
        self._layers = range(dimensions.decoder_layers)
        self._check(paths)
        self._limits, self._dimensions = limits, dimensions
        self._pad, self._max_rows, self._candidates = pad_id, max_rows, candidates
        self._rows = 0
        self._position_block, self._source_block = blocks
        self._allocate(*blocks)
        self._input_ids = np.zeros(max_rows, dtype=np.int64)
        self._past_lengths = np.zeros(max_rows, dtype=np.int32)
        self._source_lengths = np.zeros(max_rows, dtype=np.int64)
        self._total_length = np.zeros(1, dtype=np.int32)
        self._top_k = np.array([candidates], dtype=np.int64)
        self._top_ids = np.zeros(max_rows * candidates, dtype=np.int64)
        self._top_logprobs = np.zeros(max_rows * candidates, dtype=np.float32)
        self._binding: Any = None  # made anew when a shape or an address changes

    @property
    def ceiling_bytes(self) -> int:
        """What the caches take at most, when every row has the longest source and target."""
        size, limits = self._dimensions, self._limits
        positions = limits.max_source_tokens + limits.max_target_tokens
        per_position = 2 * size.decoder_layers * size.heads * size.head_size * _FLOAT_BYTES
        return self._max_rows * positions * per_position

    def join(self, sources: Sequence[Sequence[int]]) -> None:
        """Encodes `sources` and puts them into the next free slots; all or none."""
        if self._rows + len(sources) > self._max_rows:
            raise ValueError(f"{self._rows} + {len(sources)} rows are more than {self._max_rows}")
        ids, lengths = pad(sources, self._pad)
        names = [name for name, _ in self._cross()]
        encoded = self._encoder.run(names, {"input_ids": ids, "lengths": lengths})
        self._fit_sources(max(int(lengths.max()), self._longest_source()))
        for (_, slots), values in zip(self._cross(), encoded, strict=True):
            for index, value in enumerate(values):
                slots.write(self._rows + index, value)
        joined = slice(self._rows, self._rows + len(sources))
        self._past_lengths[joined] = 0
        self._source_lengths[joined] = lengths
        self._rows += len(sources)
        self._binding = None

    def step(self, input_ids: Sequence[int]) -> tuple[Ids, Floats]:
        """One decoder step for all rows; ids [B,K] and log-probabilities [B,K]."""
        rows = self._rows
        if len(input_ids) != rows:
            raise ValueError(f"{len(input_ids)} ids for {rows} rows")
        total = int(self._past_lengths[:rows].max()) + 1
        self._fit_positions(total)
        self._input_ids[:rows] = input_ids
        self._total_length[0] = total
        if self._binding is None:
            self._binding = self._bind(rows)
        self._decoder.run_with_iobinding(self._binding)
        self._past_lengths[:rows] += 1
        shape = (rows, self._candidates)
        taken = rows * self._candidates
        ids = self._top_ids[:taken].reshape(shape).copy()
        return ids, self._top_logprobs[:taken].reshape(shape).copy()

    def leave(self, slot: int) -> None:
        """Takes out the row in `slot`; the row in the last slot moves into the hole."""
        last = self._rows - 1
        if slot != last:
            for _, slots in self._caches():
                slots.move(last, slot)
            self._past_lengths[slot] = self._past_lengths[last]
            self._source_lengths[slot] = self._source_lengths[last]
        self._rows = last
        self._binding = None

    def clear(self) -> None:
        """Takes out all rows."""
        self._rows = 0
        self._binding = None

    def _check(self, paths: tuple[Path, Path]) -> None:
        layers = self._layers
        cross = [f"cross_{part}.{layer}" for layer in layers for part in ("key", "value")]
        past = [f"past_{part}.{layer}" for layer in layers for part in ("key", "value")]
        present = [f"present_{part}.{layer}" for layer in layers for part in ("key", "value")]
        rows = ["input_ids", "past_lengths", "total_length", "source_lengths", "top_k"]
        check_interface(self._encoder, paths[0], ["input_ids", "lengths"], cross)
        results = ["top_ids", "top_logprobs", *present]
        check_interface(self._decoder, paths[1], [*rows, *cross, *past], results)

    def _allocate(self, positions: int, pieces: int) -> None:
        rows, heads, size = self._max_rows, self._dimensions.heads, self._dimensions.head_size
        positions = min(positions, self._limits.max_target_tokens)
        pieces = min(pieces, self._limits.max_source_tokens)
        past, key, value = (heads, positions, size), (heads, size, pieces), (heads, pieces, size)
        self._past_keys = [Slots(rows, past, axis=1) for _ in self._layers]
        self._past_values = [Slots(rows, past, axis=1) for _ in self._layers]
        self._cross_keys = [Slots(rows, key, axis=2) for _ in self._layers]
        self._cross_values = [Slots(rows, value, axis=1) for _ in self._layers]

    def _past(self) -> Iterator[tuple[str, Slots]]:
        """Name without `past_` or `present_`, and cache."""
        for layer in self._layers:
            yield f"key.{layer}", self._past_keys[layer]
            yield f"value.{layer}", self._past_values[layer]

    def _cross(self) -> Iterator[tuple[str, Slots]]:
        for layer in self._layers:
            yield f"cross_key.{layer}", self._cross_keys[layer]
            yield f"cross_value.{layer}", self._cross_values[layer]

    def _caches(self) -> Iterator[tuple[str, Slots]]:
        yield from self._past()
        yield from self._cross()

    def _longest_source(self) -> int:
        return int(self._source_lengths[: self._rows].max(initial=0))

    def _fit_sources(self, longest: int) -> None:
        """Makes the cross caches as long as the longest source, in blocks; shorter ones too."""
        most = max(longest, self._limits.max_source_tokens)
        wanted = in_blocks(longest, self._source_block, most)
        for _, slots in self._cross():
            if slots.length != wanted:
                slots.resize(wanted, self._rows)

    def _fit_positions(self, total: int) -> None:
        """Grows the self-attention caches; a batch that begins anew gives the memory back."""
        most = max(total, self._limits.max_target_tokens)
        wanted = in_blocks(total, self._position_block, most)
        length = self._past_keys[0].length
        if wanted > length or (total == 1 and wanted < length):
            for _, slots in self._past():
                slots.resize(wanted, self._rows)
            self._binding = None

    def _bind(self, rows: int) -> Any:
        binding = self._decoder.io_binding()
        for name, array in self._row_inputs():
            length = rows if array.size == self._max_rows else array.size
            _bind_input(binding, name, array, (length,))
        for name, slots in self._cross():
            _bind_input(binding, name, slots.array, slots.shape(rows))
        for name, slots in self._past():
            _bind_input(binding, "past_" + name, slots.array, slots.shape(rows))
            _bind_output(binding, "present_" + name, slots.array, slots.shape(rows))
        results = (rows, self._candidates)
        _bind_output(binding, "top_ids", self._top_ids, results)
        _bind_output(binding, "top_logprobs", self._top_logprobs, results)
        return binding

    def _row_inputs(self) -> Iterator[tuple[str, NDArray[Any]]]:
        yield "input_ids", self._input_ids
        yield "past_lengths", self._past_lengths
        yield "source_lengths", self._source_lengths
        yield "total_length", self._total_length
        yield "top_k", self._top_k


def _bind_input(binding: Any, name: str, array: NDArray[Any], shape: tuple[int, ...]) -> None:
    binding.bind_input(name, "cpu", 0, array.dtype.type, shape, array.ctypes.data)


def _bind_output(binding: Any, name: str, array: NDArray[Any], shape: tuple[int, ...]) -> None:
    binding.bind_output(name, "cpu", 0, array.dtype.type, shape, array.ctypes.data)
