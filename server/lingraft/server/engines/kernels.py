"""The server's own operators for int8 graphs (server/native), where they are built and can run.

They fuse what a decoder step does between two products, and multiply in one stretch with AMX,
AVX-512 VNNI or AVX2. A bundle has graphs for them beside the standard ones; both give the same
answers, to the rounding of caches in 16 bits.
"""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path
from typing import Any

# In a folder of its own: beside modules, Python would take it for one.
_LIBRARY = Path(__file__).parent / "native" / "liblingraft.so"


@cache
def library() -> Any | None:
    """The compiled operators; None where they are not built or this processor cannot run them."""
    try:
        loaded = ctypes.CDLL(str(_LIBRARY))
    except OSError:
        return None
    return loaded if loaded.lingraft_supported() else None


def instruction_set() -> str:
    """What the operators run on: "amx", "avx512_vnni", "avx2", or "" where there are none."""
    loaded = library()
    if loaded is None:
        return ""
    loaded.lingraft_instruction_set.restype = ctypes.c_char_p
    return str(loaded.lingraft_instruction_set().decode())


def register(options: Any) -> None:
    """Makes the operators known to sessions that are opened with `options`."""
    if library() is not None:
        options.register_custom_ops_library(str(_LIBRARY))
