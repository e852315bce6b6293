"""Compiles the server's own operators while a wheel is built (a hook of hatchling).

They are an accelerator for Linux on x86-64 (GCC 11 or Clang 12, or newer). Where they cannot be
compiled, the wheel is built without them, and the server runs bundles on standard operators.
LINGRAFT_KERNELS=off leaves them out, LINGRAFT_KERNELS=required makes a failure an error; CXX names
the compiler.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_SOURCES = (
    *("pages.cpp", "gemm.cpp", "screen.cpp", "kernels.cpp"),
    *("amx.cpp", "avx512.cpp", "avx2.cpp", "operators.cpp"),
)
_LIBRARY = "server/lingraft/server/engines/native/liblingraft.so"
# No -march: every function names the instructions it needs, and asks the processor first.
_FLAGS = ("-O3", "-std=c++17", "-fPIC", "-shared", "-fvisibility=hidden", "-w")


class CustomBuildHook(BuildHookInterface[Any]):
    """Puts the library into the wheel, or beside the sources of an editable install."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compiles, and marks the wheel as one for this platform."""
        wanted = os.environ.get("LINGRAFT_KERNELS", "")
        if self.target_name != "wheel" or wanted == "off":
            return
        fault = _compile(Path(self.root))
        if fault and wanted == "required":
            raise RuntimeError(f"the server's own operators were not compiled: {fault}")
        if fault:
            self.app.display_warning(f"without the server's own operators: {fault}")
            return
        build_data["artifacts"].append(_LIBRARY)
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{sysconfig.get_platform().translate(_TO_TAG)}"


_TO_TAG = str.maketrans("-.", "__")


def _compile(root: Path) -> str:
    """Compiles the library; says why not, or nothing."""
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        return f"they are for Linux on x86-64, this is {platform.system()} on {platform.machine()}"
    compiler = next(filter(shutil.which, (os.environ.get("CXX", "c++"), "g++", "clang++")), None)
    if compiler is None:
        return "there is no C++ compiler (g++ or clang++, or name one with CXX)"
    library = root / _LIBRARY
    library.parent.mkdir(exist_ok=True)
    # Under another name first: a server that runs has the old file mapped into its memory.
    fresh = library.with_suffix(f".{os.getpid()}.tmp")
    sources = [str(root / "server" / "native" / name) for name in _SOURCES]
    done = subprocess.run([compiler, *_FLAGS, *sources, "-o", str(fresh)], capture_output=True)
    if done.returncode != 0:
        fresh.unlink(missing_ok=True)
        return done.stderr.decode(errors="replace").strip().splitlines()[-1]
    fresh.replace(library)
    return ""
