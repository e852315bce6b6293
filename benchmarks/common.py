"""What every benchmark shares: facts of the machine, paired timing, the shape of the JSON file.

Linux only: facts and peak memory come from /proc and /sys.
"""

from __future__ import annotations

import json
import math
import os
import platform
import re
import statistics
import subprocess
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
_MIB = 2**20
# The instruction sets that kernels of the engines choose by.
_FLAGS = (
    "avx2",
    "avx512f",
    "avx_vnni",
    "avx512_vnni",
    "avx512_bf16",
    "amx_tile",
    "amx_int8",
    "amx_bf16",
    "asimd",
    "asimddp",
    "i8mm",
    "sve",
)

Json = dict[str, Any]


def machine() -> Json:
    """CPU model, cores, flags that kernels choose by, caches per instance, memory (all in MiB)."""
    cpu = _cpuinfo()
    flags = set(cpu.get("flags", cpu.get("Features", "")).split())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cpu": cpu.get("model name", platform.processor() or platform.machine()),
        "cores": os.cpu_count(),
        "cores_usable": len(os.sched_getaffinity(0)),
        "flags": [flag for flag in _FLAGS if flag in flags],
        "caches_mib": _caches_mib(),
        "memory_mib": memory // _MIB,
        "virtual": "hypervisor" in flags,
        "system": f"{platform.system()} {platform.machine()}",
    }


def load_average() -> float:
    """Processes that ran or waited for a core, mean of the last minute."""
    return round(os.getloadavg()[0], 2)


def versions(packages: Sequence[str]) -> dict[str, str]:
    """Version of Python and of each package; "absent" for one that is not installed."""
    found = {"python": platform.python_version()}
    for package in packages:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "absent"
    return found


def commit() -> str:
    """The commit of this checkout, with `+changes` where files differ; "unknown" without git."""
    try:
        head = _git("rev-parse", "HEAD")
        return head + ("+changes" if _git("status", "--porcelain") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def peak_rss_mib(process: int | None = None) -> float:
    """The most memory that a process (this one) has held since it began to run its program."""
    # Not getrusage: its figure is carried over from the process that started this one.
    status = Path(f"/proc/{process or 'self'}/status").read_text(encoding="utf-8")
    found = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    if found is None:
        raise OSError(f"process {process or 'self'} has no VmHWM: has it ended?")
    return round(int(found[1]) / 1024, 1)


def cpu_seconds(process: int) -> float:
    """Seconds that cores have worked for a process, in all its threads."""
    text = Path(f"/proc/{process}/stat").read_text(encoding="utf-8")
    fields = text.rpartition(")")[2].split()  # the program's name may hold anything
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def with_children(process: int) -> list[int]:
    """A process, and those that its threads have started and that still run."""
    lists = Path(f"/proc/{process}/task").glob("*/children")
    started = [int(child) for each in lists for child in each.read_text("utf-8").split()]
    return [process, *started]


def interleaved(runs: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """What each run returns (seconds, say) in each round; every round has every run once.

    The order turns by one from round to round, so that none always comes after the same other. A
    drift of the machine then meets all alike, and figures of one round may be paired.
    """
    names = list(runs)
    results: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        turn = number % len(names) if names else 0
        for name in (*names[turn:], *names[:turn]):
            results[name].append(runs[name]())
    return results


def paired_ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Median over rounds of their seconds over ours: how many times faster we are."""
    return statistics.median(b / a for a, b in zip(ours, theirs, strict=True))


def spread(ours: Sequence[float], theirs: Sequence[float]) -> tuple[float, float]:
    """The least and the greatest of the ratios whose median is `paired_ratio`."""
    ratios = [b / a for a, b in zip(ours, theirs, strict=True)]
    return min(ratios), max(ratios)


def percentile(values: Sequence[float], share: float) -> float:
    """The least of `values` that at least `share` (0 to 1) of them do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def significant(value: float, digits: int = 4) -> float:
    """`value` with that many significant digits, for the file."""
    return float(f"{value:.{digits}g}")


def report(
    rows: Mapping[str, Any],
    *,
    load_before: float,
    packages: Sequence[str],
    settings: Mapping[str, Any],
    does_not_measure: Sequence[str],
) -> Json:
    """The content of a benchmark's file: `rows` first, then what one must know to read them."""
    return {
        **rows,
        "settings": dict(settings),
        "machine": machine(),
        "load_average": {"before": load_before, "after": load_average()},
        "versions": versions(packages),
        "commit": commit(),
        "does_not_measure": list(does_not_measure),
    }


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Writes `content` to `path`; folders above it are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _git(*arguments: str) -> str:
    command = ["git", *arguments]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def _cpuinfo() -> dict[str, str]:
    """Fields of the first CPU."""
    first = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n")[0]
    pairs = (line.partition(":") for line in first.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def _caches_mib() -> dict[str, float]:
    """Size of each level of the first core's caches, as the kernel says; L3 may be shared."""
    sizes = {}
    for index in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        kind = (index / "type").read_text(encoding="utf-8").strip()
        size = re.fullmatch(r"(\d+)K", (index / "size").read_text(encoding="utf-8").strip())
        if kind != "Instruction" and size:
            level = (index / "level").read_text(encoding="utf-8").strip()
            sizes[f"L{level}"] = round(int(size[1]) / 1024, 3)
    return sizes
