"""What a run leaves on disk so that it can be killed at any step and end at the same weights.

FOLDER/checkpoint/          newest resumable state, replaced by one rename
FOLDER/snapshots/           weights at the last evaluations, for the final average
FOLDER/best.safetensors     weights of the best evaluation
FOLDER/milestones/          weights at the wanted per cents of the run
"""

from __future__ import annotations

import io
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn

from lingraft.training.adapt.moments import OPTIMIZER_FILE
from lingraft.training.errors import CheckpointError
from lingraft.training.models.marian import load_weights, weights_of

_STATE = "state.json"
_WEIGHTS = "model.safetensors"

Write = Callable[[Path, bytes | memoryview], object]
Weights = dict[str, Tensor]


@dataclass
class State:
    """Where a run stands. Random numbers need no state: each step draws from (seed, step)."""

    step: int = 0
    epoch: int = 0
    offset: int = 0  # batches of the epoch already seen
    tokens: int = 0  # target pieces seen
    seconds: float = 0.0
    best_step: int = 0
    best_score: float = float("-inf")
    scores: list[tuple[int, float]] = field(default_factory=list)  # (step, dev score)
    finished: bool = False
    optimizer: Literal["reset", "keep"] = "reset"  # where its moments began: zero, or the parent's

    @property
    def evaluations_without_gain(self) -> int:
        """Evaluations since the best one."""
        return sum(1 for step, _ in self.scores if step > self.best_step)


class Checkpoints:
    """Writes and reads the files above; `identity` is what a resumed run must share.

    A file is whole or not there: a write that fails (the disk is full) takes nothing from what was
    saved before. All goes through `write`, as bytes, because the writers of torch and safetensors
    do not say why they failed.
    """

    def __init__(
        self, folder: Path, identity: str, keep_snapshots: int, write: Write = Path.write_bytes
    ) -> None:
        self.folder = folder
        self._identity = identity
        self._keep = keep_snapshots
        self._write = write
        folder.mkdir(parents=True, exist_ok=True)

    def save(self, state: State, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """Write the resumable state; a kill in the middle leaves the one before it."""
        fresh, target = self.folder / "checkpoint.new", self.folder / "checkpoint"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir()
        try:
            self._write_state(fresh, state, model, optimizer)
        except OSError:
            shutil.rmtree(fresh, ignore_errors=True)  # a full disk needs the space
            raise
        old = self.folder / "checkpoint.old"
        if target.exists():  # else a kill came between the renames, and `old` is all there is
            shutil.rmtree(old, ignore_errors=True)
            target.rename(old)
        fresh.rename(target)
        shutil.rmtree(old, ignore_errors=True)

    def _write_state(
        self, folder: Path, state: State, model: nn.Module, optimizer: torch.optim.Optimizer
    ) -> None:
        self._write(folder / _WEIGHTS, save(weights_of(model)))
        moments = io.BytesIO()
        torch.save(optimizer.state_dict(), moments)
        self._write(folder / OPTIMIZER_FILE, moments.getbuffer())
        content = {"identity": self._identity, **asdict(state)}
        self._write(folder / _STATE, json.dumps(content).encode())

    def restore(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> State:
        """Fill model and optimizer from the newest state, or start a new run.

        Raises:
            CheckpointError: the folder holds a run with other settings.
        """
        source = self._newest()
        if source is None:
            self._forget_evaluations(after=0)
            return State()
        content = json.loads((source / _STATE).read_text(encoding="utf-8"))
        if content.pop("identity") != self._identity:
            raise CheckpointError(
                f"{self.folder}: a run with other settings, data or parent began here; give "
                "another --output, or delete the folder to start again"
            )
        load_weights(model, load_file(source / _WEIGHTS))
        optimizer.load_state_dict(torch.load(source / OPTIMIZER_FILE, weights_only=True))
        content["scores"] = [(int(step), float(score)) for step, score in content["scores"]]
        state = State(**content)
        self._forget_evaluations(after=state.step)
        return state

    def last_step(self) -> int | None:
        """The step of the newest state on the disk."""
        source = self._newest()
        if source is None:
            return None
        return int(json.loads((source / _STATE).read_text(encoding="utf-8"))["step"])

    def _newest(self) -> Path | None:
        # Between the two renames of `save` only the old state stands, under its other name.
        for name in ("checkpoint", "checkpoint.old"):
            if (self.folder / name / _STATE).is_file():
                return self.folder / name
        return None

    def _forget_evaluations(self, after: int) -> None:
        """Remove snapshots that a killed run took later than it could save its state."""
        for path in self._snapshots():
            if int(path.stem) > after:
                path.unlink(missing_ok=True)  # another process may have

    def _snapshots(self) -> list[Path]:
        return sorted((self.folder / "snapshots").glob("*.safetensors"))

    def snapshot(self, step: int, weights: Weights, *, best: bool) -> None:
        """Keep the weights of an evaluation."""
        content = save(weights)
        self._put(self.folder / "snapshots" / f"{step:08d}.safetensors", content)
        if best:
            self._put(self.folder / "best.safetensors", content)
        for old in self._snapshots()[: -self._keep]:
            old.unlink()

    def milestone(self, per_cent: float, weights: Weights) -> None:
        """Keep the weights at `per_cent` of the run, for good."""
        self._put(self.folder / "milestones" / f"{per_cent:05.1f}.safetensors", save(weights))

    def _put(self, path: Path, content: bytes) -> None:
        path.parent.mkdir(exist_ok=True)
        fresh = path.with_name(f"{path.name}.new")
        try:
            self._write(fresh, content)
        except OSError:
            fresh.unlink(missing_ok=True)
            raise
        os.replace(fresh, path)

    def last_snapshots(self) -> list[Weights]:
        """Weights of the last evaluations, oldest first."""
        return [load_file(path) for path in self._snapshots()]

    def best(self) -> Weights:
        """Weights of the best evaluation."""
        return load_file(self.folder / "best.safetensors")
