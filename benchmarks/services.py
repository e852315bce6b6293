"""The two services of the comparison, as processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.common import ROOT, cpu_seconds, peak_rss_mib, with_children
from benchmarks.layout import bundle_folder
from benchmarks.workers.process import WorkerError, thread_limits

_READY = "listening on "
_LAST_S = 30.0


@dataclass(frozen=True)
class Service:
    """How a service is started."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Running:
    """A service that answers at `address`."""

    service: Service
    address: str
    process: int

    def peak_rss_mib(self) -> float:
        """The most memory that it and its models' processes have held, whenever each did."""
        return round(sum(map(peak_rss_mib, with_children(self.process))), 1)

    def cpu_seconds(self) -> float:
        """Seconds that cores have worked for it and its models' processes."""
        return sum(map(cpu_seconds, with_children(self.process)))


def lingraft(folder: Path, rows: int, precision: str = "int8") -> Service:
    """lingraft-server with one thread for its model."""
    settings = ("--port", "0", "--threads", "1", "--max-rows", str(rows), "--precision", precision)
    command = ("-m", "lingraft.server", str(bundle_folder(folder)), *settings)
    return Service(f"max_rows {rows}", (*command, "--log-level", "warning"))


def peer(
    folder: Path, most: int, size: int, library: str, environment: Mapping[str, str]
) -> Service:
    """The same server over CTranslate2 (peer/server.py)."""
    command = ("-m", "benchmarks.peer.server", str(folder), str(most), str(size))
    name = f"{library}; up to {most} sentences taken at once, {size} a batch"
    return Service(name, command, environment)


@contextmanager
def running(service: Service) -> Iterator[Running]:
    """Starts a service, and stops it at the end. Raises WorkerError when it does not start."""
    process = subprocess.Popen(
        [sys.executable, *service.command],
        cwd=ROOT,
        env={**os.environ, **thread_limits(1), **service.environment},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        if _READY not in line:
            raise WorkerError(f"{service.name}: the server did not start")
        yield Running(service, line.split(_READY)[1].strip(), process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_LAST_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
