"""One classifier in a process of its own: ours, Transformers', or ONNX Runtime's plain export.

The protocol is that of base.py; `{"do": "case", "rows": ids}` gives the texts, `run` answers the
seconds and the logits in the order of the texts.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from benchmarks.common import Json, peak_rss_mib
from benchmarks.layout import bundle_folder, torch_folder
from benchmarks.workers.base import serve_requests

PLAIN_FILE = "plain.int8.onnx"
PADDING = 1  # id of RoBERTa's
_UNBOUNDED = 1 << 20

Rows = Sequence[Sequence[int]]
Logits = list[Any]


class Classifier(Protocol):
    """What is timed: all texts in, their logits out."""

    def __call__(self, rows: Rows, options: Mapping[str, Any]) -> Logits:
        """Logits in the order of `rows`; `options` are those of this run."""


def ours(folder: Path, load: Json) -> Classifier:
    """The server's engine and batch, without its thread, tokenizer and gRPC."""
    from lingraft.server.app.engines import classification_engine
    from lingraft.server.batching import Document, Entry, LengthBuckets, WorkQueue, document_bucket
    from lingraft.server.bundle import read_bundle
    from lingraft.server.config import ServerConfig
    from lingraft.server.metrics import Metrics

    bundle = read_bundle(bundle_folder(folder))
    config = ServerConfig(bundles=(bundle.folder,), threads=load["threads"])
    graphs = next(each for each in bundle.graphs if each.precision.value == load["precision"])
    engine = classification_engine(bundle, graphs, config)

    def classify(rows: Rows, options: Mapping[str, Any]) -> Logits:
        queue: WorkQueue[Any, Any] = WorkQueue(_UNBOUNDED, 1.0, Metrics(), document_bucket)
        batch = LengthBuckets(engine, queue, 32, options["tokens"], Metrics())
        entries: list[Entry[Any, Any]] = [Entry(Document(tuple(row)), 0.0) for row in rows]
        queue.put(entries, 0.0)
        while batch.tick():
            pass
        return [entry.future.result(0).logits for entry in entries]

    return classify


def plain(folder: Path, load: Json) -> Classifier:
    """ONNX Runtime's own dynamic quantisation of the ordinary export, padded batches."""
    import onnxruntime

    from lingraft.server.engines.session import sums_may_saturate

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads, settings.inter_op_num_threads = load["threads"], 1
    if sums_may_saturate():  # as exact as ours
        settings.add_session_config_entry("session.x64quantprecision", "1")
    providers = ["CPUExecutionProvider"]
    session = onnxruntime.InferenceSession(str(folder / PLAIN_FILE), settings, providers=providers)

    def run(ids: NDArray[np.int64], mask: NDArray[np.int64]) -> Logits:
        answer: Logits = session.run(None, {"input_ids": ids, "attention_mask": mask})[0].tolist()
        return answer

    return lambda rows, options: _in_batches(rows, options, run)


def transformers(folder: Path, load: Json) -> Classifier:
    """The model in PyTorch, in the number format and with the attention of `load`'s options."""
    import torch
    from transformers import AutoModelForSequenceClassification

    torch.set_num_threads(load["threads"])
    options = load["options"]
    model = AutoModelForSequenceClassification.from_pretrained(
        str(torch_folder(folder)),
        dtype=getattr(torch, options["dtype"]),
        attn_implementation=options["attention"],
    ).eval()

    def run(ids: NDArray[np.int64], mask: NDArray[np.int64]) -> Logits:
        with torch.inference_mode():
            answer = model(input_ids=torch.from_numpy(ids), attention_mask=torch.from_numpy(mask))
        logits: Logits = answer.logits.float().tolist()
        return logits

    return lambda rows, options: _in_batches(rows, options, run)


_ENGINES: Mapping[str, Callable[[Path, Json], Classifier]] = {
    "lingraft": ours,
    "onnxruntime": plain,
    "transformers": transformers,
}


def _in_batches(
    rows: Rows,
    options: Mapping[str, Any],
    run: Callable[[NDArray[np.int64], NDArray[np.int64]], Logits],
) -> Logits:
    """Static batches of `options["batch"]` texts, in order of arrival or `sorted` by length."""
    order = list(range(len(rows)))
    if options["sorted"]:
        order.sort(key=lambda index: len(rows[index]))
    logits: Logits = [None] * len(rows)
    for chosen in _chunks(order, options["batch"]):
        for index, answer in zip(chosen, run(*_padded([rows[i] for i in chosen])), strict=True):
            logits[index] = answer
    return logits


def _chunks(order: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    for number in range(math.ceil(len(order) / size)):
        yield order[number * size : (number + 1) * size]


def _padded(rows: Rows) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    lengths = np.array([len(row) for row in rows])
    mask = (np.arange(lengths.max()) < lengths[:, None]).astype(np.int64)
    ids = np.full(mask.shape, PADDING, np.int64)
    ids[mask == 1] = np.concatenate([np.asarray(row) for row in rows])
    return ids, mask


class _Handler:
    def __init__(self) -> None:
        self._classify: Classifier | None = None
        self._rows: Rows = ()

    def __call__(self, request: Json) -> Json:
        if request["do"] == "load":
            self._classify = _ENGINES[request["engine"]](Path(request["folder"]), request)
            return {}
        if request["do"] == "case":
            self._rows = request["rows"]
            return {}
        if request["do"] == "memory":
            return {"peak_rss_mib": peak_rss_mib()}
        assert self._classify is not None
        rows = self._rows[: request.get("rows", len(self._rows))]
        began = time.perf_counter()
        logits = self._classify(rows, request["options"])
        return {"seconds": time.perf_counter() - began, "logits": logits}


if __name__ == "__main__":
    serve_requests(_Handler())
