"""The processes of one run under `torchrun`: all train, the main one alone writes."""

from __future__ import annotations

from contextlib import AbstractContextManager

import torch
from accelerate import Accelerator, PartialState


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


def _on_cpu() -> bool:
    return not torch.cuda.is_available()
