"""A classifier in one ONNX graph."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lingraft.server.engines.base import Floats
from lingraft.server.engines.session import check_interface, pad


class OnnxClassifier:
    """Whole batches: ids in, logits out. Interface: the head of bundle.proto."""

    def __init__(self, session: Any, path: Path, pad_id: int) -> None:
        check_interface(session, path, ("input_ids", "lengths"), ("logits",))
        self._session, self.path = session, path
        self._pad = pad_id

    def logits(self, rows: Sequence[Sequence[int]]) -> Floats:
        """One logit for each row and label: [B,C]."""
        ids, lengths = pad(rows, self._pad)
        (logits,) = self._session.run(["logits"], {"input_ids": ids, "lengths": lengths})
        return np.asarray(logits, dtype=np.float32)
