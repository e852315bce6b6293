"""The training loop: one, for pretraining, grafting, controls and classifiers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from torch import Tensor, nn

from lingraft.training.data.batches import BatchPlan, Corpus, epoch_batches
from lingraft.training.models.marian import average, load_weights
from lingraft.training.recipe.recipes import Training
from lingraft.training.run.checkpoint import Checkpoints, State
from lingraft.training.run.progress import Tracker

_ADAM_BETAS = (0.9, 0.98)
_SEED_STRIDE = 1_000_003  # a prime, so that (seed, step) pairs do not meet

Batch = dict[str, Tensor]
Score = Callable[[], float]
Collate = Callable[[NDArray[np.int64]], Batch]


@dataclass(frozen=True)
class Job:
    """What a run of the loop trains on and how.

    count: targets in a batch, by which its loss is divided.
    epoch_collate: gives the `collate` of an epoch, for text that is noised anew in each; a resumed
        run sees what it would have seen.
    identity: what a resumed run must share with the one that began: settings, data, parent.
    """

    name: str
    folder: Path
    corpus: Corpus
    weights: tuple[float, ...]
    collate: Collate
    count: Callable[[Batch], int]
    score_name: str
    settings: Training
    seed: int
    identity: str
    epoch_collate: Callable[[int], Collate] | None = None


def run(job: Job, module: nn.Module, score: Score) -> State:
    """Train `module` to the last step or until dev stops improving; it ends with its best weights.

    Args:
        module: holds the model; called with a batch it returns (sum to minimise, plain sum) over
            the batch's targets.
        score: dev score of the model as it stands; higher is better.

    Deterministic under the job's seed; killed at any moment and called again, it goes on from the
    newest checkpoint and ends at the same weights (bit-equal in fp32 on one thread).
    """
    settings = job.settings
    # Accelerate keeps one precision for the life of a process, and a process has many runs: so the
    # loop casts by itself.
    accelerator = Accelerator(mixed_precision="no", cpu=not torch.cuda.is_available())
    if settings.threads:
        torch.set_num_threads(settings.threads)
    module.to(accelerator.device)
    optimizer = _optimizer(settings, module)
    checkpoints = Checkpoints(job.folder, job.identity, settings.average_last)
    state = checkpoints.restore(module, optimizer)
    if not state.finished:
        wrapped, optimizer = accelerator.prepare(module, optimizer)
        with Tracker(job.name, settings.max_steps, job.folder / "tensorboard") as tracker:
            moving = _Run(module, optimizer, checkpoints, tracker)
            for indices in _batches(job, state, accelerator):
                started = time.monotonic()
                loss, tokens = _step(job, wrapped, optimizer, accelerator, state, indices)
                state.seconds += time.monotonic() - started
                state.tokens += tokens
                tracker.step(state.step, loss, learning_rate(settings, state.step), tokens)
                if accelerator.is_main_process:
                    _keep(job, state, moving, score)
                if state.finished:
                    break
    _finish(module, checkpoints, state, score)
    return state


def _step(
    job: Job,
    module: nn.Module,
    optimizer: torch.optim.Optimizer,
    accelerator: Accelerator,
    state: State,
    indices: NDArray[np.int64],
) -> tuple[float, int]:
    """One optimiser step; (loss in nats per target, targets)."""
    state.step += 1
    torch.manual_seed(job.seed * _SEED_STRIDE + state.step)  # dropout depends on the step alone
    rate = learning_rate(job.settings, state.step)
    for group in optimizer.param_groups:
        group["lr"] = rate
    module.train()
    collate = job.epoch_collate(state.epoch) if job.epoch_collate else job.collate
    batch = {name: tensor.to(accelerator.device) for name, tensor in collate(indices).items()}
    tokens = job.count(batch)
    with torch.autocast(accelerator.device.type, torch.bfloat16, enabled=_in_bf16(job.settings)):
        smoothed, plain = module(batch)
    accelerator.backward(smoothed / tokens)
    accelerator.clip_grad_norm_(module.parameters(), job.settings.clip_norm)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return float(plain) / tokens, tokens


@dataclass(frozen=True)
class _Run:
    """The moving parts of a run."""

    module: nn.Module
    optimizer: torch.optim.Optimizer
    checkpoints: Checkpoints
    tracker: Tracker


def _keep(job: Job, state: State, moving: _Run, score: Score) -> None:
    """Evaluate, snapshot and save where the settings say so."""
    settings, step = job.settings, state.step
    for per_cent in settings.milestones:
        if step == max(1, round(per_cent / 100 * settings.max_steps)):
            moving.checkpoints.milestone(per_cent, moving.module)
    last = step >= settings.max_steps
    if step % settings.evaluate_every == 0 or last:
        value = score()
        moving.tracker.score(step, job.score_name, value)
        state.scores.append((step, value))
        best = value > state.best_score
        if best:
            state.best_step, state.best_score = step, value
        moving.checkpoints.snapshot(step, moving.module, best=best)
        state.finished = last or state.evaluations_without_gain >= settings.patience
    if step % settings.save_every == 0 or state.finished:
        moving.checkpoints.save(state, moving.module, moving.optimizer)


def _finish(module: nn.Module, checkpoints: Checkpoints, state: State, score: Score) -> None:
    """Leave the better of the best snapshot and the mean of the last ones in the model."""
    snapshots = checkpoints.last_snapshots()
    load_weights(module, average(snapshots))
    # The mean of one snapshot is that snapshot, and its score is known.
    value = state.scores[-1][1] if len(snapshots) == 1 else score()
    if value < state.best_score:
        load_weights(module, checkpoints.best())


def _batches(job: Job, state: State, accelerator: Accelerator) -> Iterator[NDArray[np.int64]]:
    """Batches from where `state` stands, epoch after epoch; every process takes its share."""
    plan = BatchPlan(job.settings.batch_tokens, job.weights, job.seed)
    while True:
        batches = epoch_batches(job.corpus, plan, state.epoch)
        whole = len(batches) - len(batches) % accelerator.num_processes
        mine = batches[accelerator.process_index : max(whole, 1) : accelerator.num_processes]
        while state.offset < len(mine):
            state.offset += 1
            yield mine[state.offset - 1]
        state.epoch, state.offset = state.epoch + 1, 0


def _optimizer(settings: Training, module: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.AdamW(
        [p for p in module.parameters() if p.requires_grad],
        lr=settings.learning_rate,
        betas=_ADAM_BETAS,
        eps=1e-8,
        weight_decay=settings.weight_decay,
        fused=True,
    )


def learning_rate(settings: Training, step: int) -> float:
    """Rate at `step` (from 1): linear warm-up to the peak, then as the schedule says."""
    peak, warmup = settings.learning_rate, settings.warmup_steps
    if step < warmup:
        return peak * step / warmup
    if settings.schedule == "inverse_sqrt":
        return float(peak * (warmup / step) ** 0.5)
    if settings.schedule == "linear":
        left = max(settings.max_steps - step, 0) / max(settings.max_steps - warmup, 1)
        return peak * max(left, 0.01)
    return peak


def _in_bf16(settings: Training) -> bool:
    """Whether to multiply in bf16: if asked for, or where the hardware does it natively."""
    if settings.precision != "auto":
        return settings.precision == "bf16"
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    return bool(torch.cpu._is_avx512_bf16_supported())
