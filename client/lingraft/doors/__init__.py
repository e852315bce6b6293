"""Doors: each speaks somebody else's protocol to the outside and Lingraft's to the server.

A door is one file of this package, a client of the native API and nothing more. It holds a `DOOR`;
`find_doors` finds it there.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import ModuleType

__all__ = ["Door", "find_doors"]


@dataclass(frozen=True)
class Door:
    """A protocol that can be served.

    `run` takes the arguments after the door's name, serves until it is stopped, and returns the
    exit code.
    """

    name: str
    summary: str
    run: Callable[[Sequence[str]], int]


def find_doors(modules: Iterable[ModuleType] | None = None) -> dict[str, Door]:
    """The doors of `modules` by name, in alphabetical order; None looks in this package."""
    searched = _modules() if modules is None else modules
    doors = [module.DOOR for module in searched if isinstance(getattr(module, "DOOR", None), Door)]
    return {door.name: door for door in sorted(doors, key=lambda door: door.name)}


def _modules() -> Iterator[ModuleType]:
    for found in pkgutil.iter_modules(__path__):
        yield importlib.import_module(f"{__name__}.{found.name}")
