"""Bundles' folders into models that can be asked, each in a process of its own."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from lingraft.server.app.batches import capacity
from lingraft.server.app.loading import described, for_each, load_model, log_loaded
from lingraft.server.batching import Decoded, Document, Scores, Source
from lingraft.server.bundle import Bundle, Precision, Task, read_bundle
from lingraft.server.config import ServerConfig
from lingraft.server.engines import choose_graphs
from lingraft.server.metrics import Metrics
from lingraft.server.services import Classifier, ServedModel, Translator
from lingraft.server.text import TextCodec
from lingraft.server.workers import Bounds, ProcessScheduler, Ready, Setup, Worker

_MODULE = "lingraft.server.app.worker"


def launch_models(config: ServerConfig, metrics: Metrics) -> list[ServedModel]:
    """Every bundle of the settings, loaded side by side.

    Models that identify languages stay in this process: they are small, and answer at once. Raises
    StartError; a BundleError names all bad bundles. No process is left then.
    """
    launch = _Launch(config, metrics)
    try:
        waiting = for_each(config.bundles, launch.begin)
        return for_each(waiting, lambda finish: finish())
    except BaseException:
        launch.give_up()
        raise


class _Launch:
    """Processes that are loading."""

    def __init__(self, config: ServerConfig, metrics: Metrics) -> None:
        self._config, self._metrics = config, metrics
        self._workers: list[Worker] = []

    def begin(self, folder: Path) -> Callable[[], ServedModel]:
        """Starts a process. Returns what waits for its model. Raises StartError."""
        began, config = time.monotonic(), self._config
        bundle = read_bundle(folder)
        precision = choose_graphs(bundle, config.precision, config.provider).precision
        if bundle.task is Task.LANGUAGE_IDENTIFICATION:
            return partial(load_model, folder, config, self._metrics)
        worker = Worker(_MODULE, Setup(folder, config))
        self._workers.append(worker)
        return partial(self._finish, bundle, precision, worker, began)

    def give_up(self) -> None:
        """Ends all processes."""
        for worker in self._workers:
            worker.close()

    def _finish(
        self, bundle: Bundle, precision: Precision, worker: Worker, began: float
    ) -> ServedModel:
        ready = worker.ready()
        translates = bundle.task is Task.TRANSLATION
        make = self._translator if translates else self._classifier
        model = make(bundle, precision, worker, ready)
        log_loaded(model, ready.operators, began)
        return model

    def _translator(
        self, bundle: Bundle, precision: Precision, worker: Worker, ready: Ready
    ) -> ServedModel:
        assert ready.footprint is not None
        screen = capacity(bundle, ready.footprint, self._config).screen
        scheduler: ProcessScheduler[Source, Decoded] = ProcessScheduler(
            bundle.name, worker, self._bounds, self._metrics, time.monotonic, screen
        )
        common = described(bundle, precision, self._config.provider)
        return Translator(**common, codec=TextCodec(bundle), scheduler=scheduler)

    def _classifier(
        self, bundle: Bundle, precision: Precision, worker: Worker, ready: Ready
    ) -> ServedModel:
        scheduler: ProcessScheduler[Document, Scores] = ProcessScheduler(
            bundle.name, worker, self._bounds, self._metrics, time.monotonic
        )
        common = described(bundle, precision, self._config.provider)
        return Classifier(**common, codec=TextCodec(bundle), scheduler=scheduler)

    @property
    def _bounds(self) -> Bounds:
        return Bounds(self._config.max_queued_rows, self._config.retry_after_s)
