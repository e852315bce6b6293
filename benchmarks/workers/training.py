"""One trainer in a process of its own: our loop, or Transformers' Seq2SeqTrainer.

The protocol is that of base.py; `{"do": "load"}` makes the task, and every `run` trains a new model
from its seed. What is timed begins after the first `warm` updates and ends with the last one:
making the model, checkpoints and evaluation are outside for both. Our progress and TensorBoard
events are inside; the peer logs nothing.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.common import Json, peak_rss_mib
from benchmarks.training_task import Task, make_task
from benchmarks.workers.base import serve_requests
from lingraft.training.models.marian import TranslationLoss, freeze_padding_row, new_model
from lingraft.training.models.tensors import IGNORED, all_batches, collate
from lingraft.training.run.arms import log_likelihood
from lingraft.training.run.loop import Job, run

_SMOOTHING = 0.1

Trained = tuple["Clock", TranslationLoss]


class Clock:
    """Seconds, CPU seconds and target tokens of the updates after the first `warm` ones."""

    def __init__(self, warm: int) -> None:
        self._warm = warm
        self.updates = self.tokens = self._skipped = 0
        self._began = self._ended = (0.0, 0.0)

    def count(self, tokens: int) -> None:
        """Target tokens of a batch that is about to be learnt from."""
        self.tokens += tokens

    def update(self) -> None:
        """An update is done."""
        self.updates += 1
        self._ended = time.perf_counter(), time.process_time()
        if self.updates == self._warm:
            self._began, self._skipped = self._ended, self.tokens

    def read(self) -> Json:
        """What was timed, and all tokens and updates of the run, warm ones too."""
        seconds, cpu = (end - start for start, end in zip(self._began, self._ended, strict=True))
        return {
            "seconds": seconds,
            "cpu_seconds": cpu,
            "tokens": self.tokens - self._skipped,
            "all_tokens": self.tokens,
            "updates": self.updates,
        }


def ours(task: Task, request: Json) -> Trained:
    """The loop of `lingraft-train`, until the wanted target tokens were seen."""
    seed, clock = request["seed"], Clock(request["warm"])
    steps = task.steps(request["target_tokens"], seed)
    module = _module(task, seed)
    freeze_padding_row(module.model)
    seen = 0

    def gather(indices: NDArray[Any]) -> dict[str, Tensor]:
        nonlocal seen
        if seen:  # the update before this batch is done, its progress told
            clock.update()
        seen += 1
        return collate(task.train, indices, task.pad)

    def count(batch: Mapping[str, Tensor]) -> int:
        tokens = int((batch["labels"] != IGNORED).sum())
        clock.count(tokens)
        return tokens

    def last() -> float:
        clock.update()
        return 0.0

    with tempfile.TemporaryDirectory() as folder:
        job = Job(
            name="benchmark",
            folder=Path(folder),
            corpus=task.train,
            weights=(1.0,),
            collate=gather,
            count=count,
            score_name="none",
            settings=task.settings.model_copy(
                update={"max_steps": steps, "evaluate_every": steps, "save_every": steps}
            ),
            seed=seed,
            identity="benchmark",
        )
        run(job, module, last)
    return clock, module


def theirs(task: Task, request: Json) -> Trained:
    """Seq2SeqTrainer from the same weights, with the settings of the request's options."""
    from benchmarks.workers.seq2seq_trainer import train

    module = _module(task, request["seed"])
    clock = Clock(request["warm"])
    train(task, module.model, clock, request)
    return clock, module


def _module(task: Task, seed: int) -> TranslationLoss:
    return TranslationLoss(new_model(task.shape, task.pad + 1, seed), _SMOOTHING)


_TRAINERS: Mapping[str, Callable[[Task, Json], Trained]] = {
    "lingraft": ours,
    "seq2seqtrainer": theirs,
}


class Handler:
    """Answers `load`, `run` and `memory`."""

    def __init__(self) -> None:
        self._task: Task | None = None
        self._train: Callable[[Task, Json], Trained] = ours

    def __call__(self, request: Json) -> Json:
        """The answer to one request."""
        if request["do"] == "load":
            self._task, self._train = make_task(request["task"]), _TRAINERS[request["engine"]]
            torch.set_num_threads(request["task"]["threads"])
            return {"sentences": self._task.sentences, "origin": self._task.origin}
        if request["do"] == "memory":
            return {"peak_rss_mib": peak_rss_mib()}
        assert self._task is not None
        clock, module = self._train(self._task, request)
        return {**clock.read(), "loss": _held_out(self._task, module)}


def _held_out(task: Task, module: TranslationLoss) -> float:
    """Negative log-likelihood of the held-out targets in nats per piece, in fp32."""
    batches = all_batches(task.held_out, task.pad)
    return -log_likelihood(module, batches, lambda batch: int((batch["labels"] != IGNORED).sum()))


if __name__ == "__main__":
    serve_requests(Handler())
