"""`python -m benchmarks.peer.server MODEL_FOLDER MOST SIZE`: lingraft-server over CTranslate2.

Address, services, text handling, queue and scheduler are the server's; the batch is `Ct2Batch`.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import ctranslate2
import numpy as np
from numpy.typing import NDArray

from benchmarks.layout import bundle_folder, ct2_folder
from benchmarks.peer.batch import Ct2Batch
from lingraft.server.app import LingraftServer, translator
from lingraft.server.batching import Decoded, Source, ThreadScheduler, WorkQueue
from lingraft.server.bundle import Precision, read_bundle
from lingraft.server.config import ServerConfig
from lingraft.server.engines.base import Floats, Plan, Step
from lingraft.server.metrics import Metrics
from lingraft.server.services import Registry, Translator


class _NoEngine:
    """Stands where a translation model is made, and is never asked: its batch is put aside."""

    goes_ahead = False
    pads = True

    def footprint(self, rows: int, source_tokens: int, target_tokens: int) -> int:
        """Nothing."""
        return 0

    def join(self, sources: Sequence[Sequence[int]], widths: Sequence[int]) -> None:
        """Is not called."""
        raise NotImplementedError

    def step(self, input_ids: Sequence[int], candidates: int, late: bool = False) -> Step:
        """Is not called."""
        raise NotImplementedError

    def ahead(self, piece: int, plan: Plan, halt: NDArray[np.int32]) -> Sequence[Step]:
        """Is not called."""
        raise NotImplementedError

    def normalisers(self, unscored: Sequence[Floats]) -> Sequence[np.float32]:
        """Is not called."""
        raise NotImplementedError

    def select(self, parents: Sequence[int]) -> None:
        """Is not called."""
        raise NotImplementedError

    def clear(self) -> None:
        """Nothing to take out."""


def peer_model(folder: Path, most: int, size: int, config: ServerConfig) -> Translator:
    """The bundle's model with CTranslate2 in the engine's place."""
    bundle, metrics = read_bundle(bundle_folder(folder)), Metrics()
    model = translator(bundle, Precision.INT8, _NoEngine(), config, metrics)
    queue: WorkQueue[Source, Decoded] = WorkQueue(
        config.max_queued_rows, config.retry_after_s, metrics
    )
    peer = ctranslate2.Translator(
        str(ct2_folder(folder, "int8")),
        device="cpu",
        compute_type="int8",
        inter_threads=1,
        intra_threads=config.threads,
        max_queued_batches=-1,
    )
    batch = Ct2Batch(peer, queue, most, size)
    return replace(model, scheduler=ThreadScheduler(bundle.name, queue, batch, time.monotonic))


async def serve(folder: Path, most: int, size: int) -> None:
    """Serves on a free port until SIGTERM."""
    config = ServerConfig(bundles=(bundle_folder(folder),), port=0, threads=1)
    registry = Registry([peer_model(folder, most, size, config)])
    server = LingraftServer(config, registry, Metrics())
    port = await server.start()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    print(f"lingraft-server listening on {config.host}:{port}", flush=True)
    await stop.wait()
    await server.stop()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
