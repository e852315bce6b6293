"""Probabilities that come after their pieces: the twin of a decoder step offers it (bundle.proto).

Alone, a row's best pieces are found without multiplying the whole output layer, at half the bytes
that a step reads of it. What is then lacking, the normaliser over all pieces, is made for many
steps at once, so that the layer is read once for all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lingraft.server.engines.cache import bind_array

_UNSCORED, _NORMALISERS = "unscored", "normalisers"


class Late:
    """Of one decoder session: whether this is `offered`, and whether the last step made use of it.

    The latter is `owing` [1], 0 or 1.
    """

    def __init__(self, session: Any) -> None:
        inputs = {each.name: each for each in session.get_inputs()}
        self.offered = _UNSCORED in inputs
        self.owing: NDArray[np.int64] = np.zeros(1, np.int64)
        width = inputs[_UNSCORED].shape[1] if self.offered else 0
        self._none: NDArray[np.float32] = np.zeros((0, width), np.float32)
        self._nobody = {name: _empty(each) for name, each in inputs.items()} if self.offered else {}

    def bind(self, binding: Any, rows: int) -> NDArray[np.float32]:
        """Binds what a step needs beside all else; gives its hidden states [B,d]."""
        hidden = np.zeros((rows, self._none.shape[1]), np.float32)
        if self.offered:
            bind_array(binding.bind_input, _UNSCORED, self._none)
            bind_array(binding.bind_output, "hidden", hidden)
            bind_array(binding.bind_output, "owing", self.owing)
        return hidden

    def normalisers(self, session: Any, unscored: NDArray[np.float32]) -> Sequence[np.float32]:
        """Those of rows [P,d]: a step in which no row takes part."""
        feeds = {**self._nobody, _UNSCORED: unscored}
        result: NDArray[np.float32] = session.run([_NORMALISERS], feeds)[0]
        return list(result)


_TYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
}


def _empty(value: Any) -> NDArray[Any]:
    """An input of a step of no rows: axes of unknown length are empty, the others hold ones."""
    sizes = [size if isinstance(size, int) else 0 for size in value.shape]
    return np.ones(sizes, _TYPES[value.type])
