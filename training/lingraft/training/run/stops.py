"""What stops a run: one message that says where it stood, what to change and what is left of it."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from lingraft.training.errors import RunError
from lingraft.training.recipe.recipes import Training
from lingraft.training.run.checkpoint import Checkpoints, State

_FULL = (errno.ENOSPC, errno.EDQUOT)
# PyTorch has an error of its own for an accelerator's memory, and none for the computer's.
_NO_MEMORY = ("can't allocate memory", "not enough memory", "CUBLAS_STATUS_ALLOC_FAILED")


class _NotFiniteError(Exception):
    """Loss or gradient overflowed, at a rate."""


def not_finite(loss: float, norm: float, rate: float) -> Exception:
    """What to raise inside `stops` when loss or gradient norm is infinite or not a number."""
    what = f"the loss is {loss:g} and the norm of its gradient {norm:g}"
    return _NotFiniteError(f"{what}, with a learning rate of {rate:.3g}", rate)


@contextmanager
def stops(name: str, settings: Training, checkpoints: Checkpoints, state: State) -> Iterator[None]:
    """Turn what can stop a run into a RunError with one message."""
    try:
        yield
    except _NotFiniteError as error:
        trouble, advice = error.args[0], _calmer(settings)
    except OSError as error:
        if error.errno not in _FULL:
            raise
        trouble = f"{error.filename or checkpoints.folder}: no space left to save"
        advice = "make space and give the same command again"
    except (torch.OutOfMemoryError, MemoryError):
        trouble, advice = "out of memory", _smaller(settings)
    except RuntimeError as error:
        if not any(sign in str(error) for sign in _NO_MEMORY):
            raise
        trouble, advice = "out of memory", _smaller(settings)
    else:
        return
    raise RunError(f"{name}: step {state.step}: {trouble}. {_left(checkpoints)} To mend: {advice}.")


def _left(checkpoints: Checkpoints) -> str:
    step = checkpoints.last_step()
    if step is None:
        return "No checkpoint had been saved yet."
    return (
        f"The last good checkpoint, of step {step}, is whole: {checkpoints.folder / 'checkpoint'}."
    )


def _calmer(settings: Training) -> str:
    half = f"learning_rate = {settings.learning_rate / 2:g}"
    more = f"warmup_steps = {settings.warmup_steps * 2}"
    exact = "" if settings.precision == "fp32" else ' or precision = "fp32"'
    return f"try {half} or {more}{exact}, {_ANEW}"


def _smaller(settings: Training) -> str:
    return f"try batch_tokens = {max(1, settings.batch_tokens // 2)}, {_ANEW}"


_ANEW = "which is another run: give another --output, or delete the folder"
