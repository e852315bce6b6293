"""What stops a run is told in one message, and the last good checkpoint stays whole."""

from __future__ import annotations

import errno
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest
import torch
from torch import Tensor

from lingraft.training.errors import RunError
from lingraft.training.models.marian import TranslationLoss, digest_of
from lingraft.training.run.checkpoint import Checkpoints, State
from lingraft.training.run.loop import Batch, Score

Run = Callable[..., tuple[State, TranslationLoss]]
Make = Callable[[], TranslationLoss]


class _Breaking(TranslationLoss):
    """Passes its loss through `fault` at one forward pass."""

    def __init__(
        self, whole: TranslationLoss, step: int, fault: Callable[[Tensor], Tensor]
    ) -> None:
        super().__init__(whole.model, smoothing=0.1)
        self._calls, self._step, self._fault = count(1), step, fault

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        smoothed, plain = super().forward(batch)
        if next(self._calls) == self._step:
            smoothed = self._fault(smoothed)
        return smoothed, plain


def _no_memory(loss: Tensor) -> Tensor:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")


def _no_ram(loss: Tensor) -> Tensor:
    return torch.empty(1 << 60)


def _bytes(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_a_loss_that_is_no_number_stops_the_run(
    train: Run, make_module: Make, tmp_path: Path, value: str
) -> None:
    """At step 8, with a snapshot and a checkpoint due: what was saved at step 6 is untouched, and
    the message tells step, rate, what to try and where the checkpoint is."""

    def make() -> TranslationLoss:
        return _Breaking(make_module(), 8, lambda loss: loss * float(value))

    with pytest.raises(RunError) as caught:
        train(make=make, save_every=2)
    told = str(caught.value)
    checkpoint = tmp_path / "run" / "checkpoint"
    assert told.startswith("toy: step 8: the loss is ")
    assert "the norm of its gradient nan" in told
    assert "learning rate of 0.00306" in told  # 5e-3 sqrt(3 / 8)
    assert f"The last good checkpoint, of step 6, is whole: {checkpoint}." in told
    assert "try learning_rate = 0.0025 or warmup_steps = 6" in told
    assert not list((tmp_path / "run" / "snapshots").glob("00000008*"))
    whole, expected = train("whole", save_every=2)
    state, module = train(save_every=2, score=iter((2.0, 3.0, 4.0)).__next__)
    assert state.scores == whole.scores
    assert digest_of(module) == digest_of(expected)


@pytest.mark.parametrize("fault", [_no_memory, _no_ram])
def test_out_of_memory_names_the_batch_to_try(
    train: Run, make_module: Make, fault: Callable[[Tensor], Tensor]
) -> None:
    """An accelerator's memory or the computer's: half the tokens in a batch."""
    with pytest.raises(RunError) as caught:
        train(make=lambda: _Breaking(make_module(), 2, fault))
    told = str(caught.value)
    assert told.startswith("toy: step 2: out of memory. No checkpoint had been saved yet.")
    assert "try batch_tokens = 30, which is another run: give another --output" in told


@pytest.mark.parametrize("name", ["snapshots/00000008.safetensors", "best.safetensors"])
def test_a_full_disk_leaves_a_run_that_goes_on(train: Run, tmp_path: Path, name: str) -> None:
    """Space ran out for an evaluation's weights; with new space the same command ends as if
    nothing had happened."""
    fill = tmp_path / "run" / f"{name}.new"

    def scores() -> Score:
        numbers = count(1)

        def score() -> float:
            if (number := next(numbers)) == 2:
                fill.symlink_to("/dev/full")  # every write to it says that the disk is full
            return float(number)

        return score

    with pytest.raises(RunError) as caught:
        train(score=scores())
    told = str(caught.value)
    assert "toy: step 8: " in told
    assert "no space left" in told
    assert "of step 6, is whole" in told
    assert "make space and give the same command again" in told
    assert not list((tmp_path / "run").rglob("*.new"))  # nothing half-written takes up space
    _, module = train(score=iter((2.0, 3.0, 4.0)).__next__)
    assert digest_of(module) == digest_of(train("whole")[1])


@pytest.mark.parametrize("full", [1, 2, 3])
def test_a_disk_that_fills_while_saving_keeps_the_checkpoint_before(
    make_module: Make, tmp_path: Path, full: int
) -> None:
    """Whichever of its files is the one that finds no space."""
    module = make_module()
    optimizer = torch.optim.AdamW(module.parameters())
    Checkpoints(tmp_path, "toy", 2).save(State(step=3), module, optimizer)
    before = _bytes(tmp_path / "checkpoint")
    writes = count(1)

    def write(path: Path, content: bytes | memoryview) -> None:
        if next(writes) == full:
            path.write_bytes(content[:10])
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        path.write_bytes(content)

    checkpoints = Checkpoints(tmp_path, "toy", 2, write)
    with torch.no_grad():
        module.model.model.shared.weight += 1
    with pytest.raises(OSError, match="No space left"):
        checkpoints.save(State(step=6), module, optimizer)
    assert _bytes(tmp_path / "checkpoint") == before
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint"]
    assert checkpoints.last_step() == 3
    assert checkpoints.restore(module, optimizer).step == 3


def test_other_errors_are_not_renamed(train: Run, make_module: Make) -> None:
    """A fault of the program is not the user's to mend."""

    def broken(loss: Tensor) -> Tensor:
        raise RuntimeError("shapes do not match")

    def missing(loss: Tensor) -> Tensor:
        raise FileNotFoundError("gone")

    with pytest.raises(RuntimeError, match="shapes"):
        train("a", make=lambda: _Breaking(make_module(), 2, broken))
    with pytest.raises(FileNotFoundError, match="gone"):
        train("b", make=lambda: _Breaking(make_module(), 2, missing))
