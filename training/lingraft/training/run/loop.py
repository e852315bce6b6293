"""The training loop: one, for pretraining, grafting, controls and classifiers."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from torch import Tensor, nn

from lingraft.training.adapt.adapted import Adapted, adapt
from lingraft.training.adapt.moments import keep_moments
from lingraft.training.adapt.origin import Origin
from lingraft.training.data.batches import BatchPlan, Corpus, epoch_batches
from lingraft.training.models.marian import average, load_weights
from lingraft.training.recipe.adaptation import Adaptation
from lingraft.training.recipe.recipes import Training
from lingraft.training.run import processes
from lingraft.training.run.checkpoint import Checkpoints, State
from lingraft.training.run.progress import Tracker
from lingraft.training.run.stops import not_finite, stops
from lingraft.training.run.tracking import open_events

_ADAM_BETAS = (0.9, 0.98)
_SEED_STRIDE = 1_000_003  # a prime, so that (seed, step) pairs do not meet
_PROCESS_STRIDE = 998_244_353  # nor those of two processes

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
    adaptation: what trains, and what pulls it back; origin: the parent, as far as that needs it.
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
    adaptation: Adaptation = field(default_factory=Adaptation)
    origin: Origin = field(default_factory=Origin)


def run(job: Job, module: nn.Module, score: Score) -> State:
    """Train `module` to the last step or until dev stops improving; it ends with its best weights,
    as a plain model whatever the adaptation.

    Args:
        module: holds the model; called with a batch it returns (sum to minimise, plain sum) over
            the batch's targets.
        score: dev score of the model as it stands; higher is better.

    Deterministic under the job's seed; killed at any moment and called again, it goes on from the
    newest checkpoint and ends at the same weights (bit-equal in fp32 on one thread).

    Under `torchrun` every process takes its share of each epoch's batches and ends at the same
    weights and state; the main process alone scores and writes.

    Raises:
        RunError: no finite loss, no memory, no space on the disk; the last checkpoint is whole.
        RecipeError: the adaptation does not fit the model.
        ParentError: the optimizer's state is to be kept and the parent has none.
        CheckpointError: the folder holds a run with other settings.
    """
    accelerator = processes.accelerator()
    if job.settings.threads:
        torch.set_num_threads(job.settings.threads)
    module.to(accelerator.device)
    adapted = adapt(module, job.adaptation, job.origin, seed=job.seed)
    optimizer = _optimizer(job.settings, adapted)
    checkpoints = Checkpoints(job.folder, _identity(job), job.settings.average_last)
    state = checkpoints.restore(module, optimizer)
    if state.step == 0 and job.adaptation.optimizer == "keep":
        keep_moments(optimizer, job.origin)
        state.optimizer = "keep"
    accelerator.wait_for_everyone()  # nobody writes before all have read
    with stops(job.name, job.settings, checkpoints, state):
        if not state.finished:
            _train(_Run(job, adapted, accelerator, checkpoints, state), module, optimizer, score)
        adapted.merge()
        _finish(module, accelerator, checkpoints, state, score)
    return state


def _identity(job: Job) -> str:
    """The job's, and the adaptation's where it is not the usual one."""
    plain = job.adaptation == Adaptation()
    return job.identity if plain else f"{job.identity} {job.adaptation.model_dump_json()}"


@dataclass(frozen=True)
class _Run:
    """The parts of a run that is under way."""

    job: Job
    adapted: Adapted
    accelerator: Accelerator
    checkpoints: Checkpoints
    state: State

    @property
    def evaluates(self) -> bool:
        """Whether dev is scored at this step."""
        step, settings = self.state.step, self.job.settings
        return step % settings.evaluate_every == 0 or step >= settings.max_steps


def _train(moving: _Run, module: nn.Module, optimizer: torch.optim.Optimizer, score: Score) -> None:
    """Step after step, until the state says that it is finished."""
    job, state, accelerator = moving.job, moving.state, moving.accelerator
    wrapped, optimizer = accelerator.prepare(module, optimizer)
    told = accelerator.is_main_process
    events = open_events(job.settings.trackers, job.name, job.folder) if told else None
    with Tracker(job.name, job.settings.max_steps, events) as tracker:
        for indices in _batches(job, state, accelerator):
            started = time.monotonic()
            loss, tokens = _step(moving, wrapped, optimizer, indices)
            state.seconds += time.monotonic() - started
            state.tokens += tokens
            tracker.step(state.step, loss, learning_rate(job.settings, state.step), tokens)
            evaluates = moving.evaluates
            if accelerator.is_main_process:
                _keep(moving, module, optimizer, tracker, score)
            if evaluates:
                processes.agree(accelerator, state)
            if state.finished:
                break


def _step(
    moving: _Run,
    module: nn.Module,
    optimizer: torch.optim.Optimizer,
    indices: NDArray[np.int64],
) -> tuple[float, int]:
    """One optimiser step; (loss in nats per target, targets).

    Raises:
        RunError: loss or gradient is not finite.
    """
    job, state, accelerator = moving.job, moving.state, moving.accelerator
    state.step += 1
    # Dropout depends on the step alone.
    torch.manual_seed(
        job.seed * _SEED_STRIDE + state.step + accelerator.process_index * _PROCESS_STRIDE
    )
    rate = learning_rate(job.settings, state.step)
    for group, scale in zip(optimizer.param_groups, moving.adapted.scales, strict=True):
        group["lr"] = rate * scale
    module.train()
    moving.adapted.begin(state.step, alone=accelerator.num_processes == 1)
    collate = job.epoch_collate(state.epoch) if job.epoch_collate else job.collate
    batch = {name: tensor.to(accelerator.device) for name, tensor in collate(indices).items()}
    tokens, share = processes.targets(accelerator, job.count(batch))
    with torch.autocast(accelerator.device.type, torch.bfloat16, enabled=_in_bf16(job.settings)):
        smoothed, plain = module(batch)
    accelerator.backward(smoothed / share)
    moving.adapted.adjust(state.step)
    norm = accelerator.clip_grad_norm_(module.parameters(), job.settings.clip_norm)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    # Read after the step, so that a GPU is waited for once; nothing has been saved yet.
    total, length = torch.stack([processes.summed(accelerator, plain), norm]).tolist()
    if not (math.isfinite(total) and math.isfinite(length)):
        raise not_finite(total / tokens, length, rate)
    return total / tokens, tokens


def _keep(
    moving: _Run,
    module: nn.Module,
    optimizer: torch.optim.Optimizer,
    tracker: Tracker,
    score: Score,
) -> None:
    """Evaluate, snapshot and save where the settings say so."""
    job, state, settings = moving.job, moving.state, moving.job.settings
    step, last = state.step, state.step >= settings.max_steps
    for per_cent in settings.milestones:
        if step == max(1, round(per_cent / 100 * settings.max_steps)):
            moving.checkpoints.milestone(per_cent, moving.adapted.weights(torch.float16))
    if moving.evaluates:
        value = score()
        tracker.score(step, job.score_name, value)
        state.scores.append((step, value))
        best = value > state.best_score
        if best:
            state.best_step, state.best_score = step, value
        moving.checkpoints.snapshot(step, moving.adapted.weights(), best=best)
        state.finished = last or state.evaluations_without_gain >= settings.patience
    if step % settings.save_every == 0 or state.finished:
        moving.checkpoints.save(state, module, optimizer)


def _finish(
    module: nn.Module,
    accelerator: Accelerator,
    checkpoints: Checkpoints,
    state: State,
    score: Score,
) -> None:
    """Leave the better of the best snapshot and the mean of the last ones in the model."""
    snapshots = checkpoints.last_snapshots()
    load_weights(module, average(snapshots))
    worse = False
    if accelerator.is_main_process:
        # The mean of one snapshot is that snapshot, and its score is known.
        value = state.scores[-1][1] if len(snapshots) == 1 else score()
        worse = value < state.best_score
    if processes.from_main(accelerator, worse):
        load_weights(module, checkpoints.best())


def _batches(job: Job, state: State, accelerator: Accelerator) -> Iterator[NDArray[np.int64]]:
    """Batches from where `state` stands, epoch after epoch; every process takes its share, as many
    as the others."""
    plan = BatchPlan(job.settings.batch_tokens, job.weights, job.seed)
    index, processes = accelerator.process_index, accelerator.num_processes
    while True:
        batches = epoch_batches(job.corpus, plan, state.epoch)
        mine = batches[index : len(batches) - len(batches) % processes : processes]
        mine = mine or [batches[index % len(batches)]]
        while state.offset < len(mine):
            state.offset += 1
            yield mine[state.offset - 1]
        state.epoch, state.offset = state.epoch + 1, 0


def _optimizer(settings: Training, adapted: Adapted) -> torch.optim.Optimizer:
    return torch.optim.AdamW(
        adapted.groups(),
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
