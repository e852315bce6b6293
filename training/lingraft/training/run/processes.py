"""The processes of one run under `torchrun`: all train, the main one alone writes."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TypeVar

import torch
from accelerate import Accelerator, PartialState
from accelerate.utils import broadcast_object_list
from torch import Tensor

from lingraft.training.run.checkpoint import State

_T = TypeVar("_T")


def accelerator() -> Accelerator:
    """What a run's processes share, on this process's accelerator or else on the processor.

    Accelerate keeps one precision for the life of a process, and a process has many runs: so it is
    told none, and the loop casts by itself.
    """
    return Accelerator(mixed_precision="no", cpu=_on_cpu())


def is_main() -> bool:
    """Whether this process is the one that writes; the only one of a run is."""
    return bool(PartialState(cpu=_on_cpu()).is_main_process)


def main_first() -> AbstractContextManager[None]:
    """Lets the main process through first; the others find what it has made."""
    context: AbstractContextManager[None] = PartialState(cpu=_on_cpu()).main_process_first()
    return context


def targets(accelerator: Accelerator, own: int) -> tuple[int, float]:
    """Targets in the batches of all processes, from this one's, and what each divides its sum by:
    the mean of the gradients over the processes is then that of all their batches as one."""
    if accelerator.num_processes == 1:
        return own, own
    total = int(summed(accelerator, torch.tensor(own, device=accelerator.device)))
    return total, total / accelerator.num_processes


def summed(accelerator: Accelerator, value: Tensor) -> Tensor:
    """The sum of a number over the processes."""
    if accelerator.num_processes == 1:
        return value
    total: Tensor = accelerator.reduce(value, reduction="sum")
    return total


def from_main(accelerator: Accelerator, value: _T) -> _T:
    """The main process's value, for every process."""
    if accelerator.num_processes == 1:
        return value
    values = [value]
    broadcast_object_list(values)
    return values[0]


def agree(accelerator: Accelerator, state: State) -> None:
    """Give every process what the main one's evaluation came to."""
    vars(state).update(from_main(accelerator, vars(state)))


def _on_cpu() -> bool:
    return not torch.cuda.is_available()
