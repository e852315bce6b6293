"""Load on a service: closed loops, arrivals at random, and what the latencies say."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.cases import SEED
from benchmarks.common import Json, percentile, significant
from benchmarks.services import Running
from benchmarks.workers.process import Process

CLIENTS = 32
_SHARES = {"p50_ms": 0.50, "p95_ms": 0.95, "p99_ms": 0.99}


@dataclass(frozen=True)
class Loaded:
    """One run: seconds to the last answer, seconds of each call, tokens of all answers.

    `client_cpu_s` and `server_cpu_s` are the seconds that cores worked for either process.
    """

    seconds: float
    latencies: Sequence[float]
    tokens: int
    client_cpu_s: float = 0.0
    server_cpu_s: float = 0.0

    @property
    def token_rate(self) -> float:
        """Tokens per second that arrived at clients."""
        return self.tokens / self.seconds

    @property
    def rate(self) -> float:
        """Sentences per second."""
        return len(self.latencies) / self.seconds

    @property
    def p95(self) -> float:
        """Seconds within which 95% of the calls were answered."""
        return percentile(self.latencies, 0.95)


class Clients:
    """The process of the clients. Raises WorkerError."""

    def __init__(self, process: Process, most: int) -> None:
        self._process, self._most = process, most

    def closed(self, service: Running, texts: Sequence[str], clients: int = CLIENTS) -> Loaded:
        """`clients` callers, each with one sentence under way at any time."""
        return self._run("closed", service, texts, clients, {})

    def open(self, service: Running, texts: Sequence[str], times: Sequence[float]) -> Loaded:
        """Text i is sent after `times[i]` seconds."""
        return self._run("open", service, texts, CLIENTS, {"times": list(times)})

    def _run(
        self, kind: str, service: Running, texts: Sequence[str], clients: int, more: Json
    ) -> Loaded:
        request = {
            "do": kind,
            "address": service.address,
            "clients": clients,
            "texts": list(texts),
            "most": self._most,
            **more,
        }
        before = service.cpu_seconds()
        answer = self._process.ask(request)
        return Loaded(**answer, server_cpu_s=service.cpu_seconds() - before)


def arrivals(rate: float, count: int, seed: str = "") -> list[float]:
    """Moments of a Poisson process with `rate` events a second, seconds from its beginning."""
    drawn = random.Random(f"{SEED} {seed}")
    moments, now = [], 0.0
    for _ in range(count):
        now += drawn.expovariate(rate)
        moments.append(now)
    return moments


def summary(runs: Sequence[Loaded]) -> Json:
    """Throughput and latencies over all runs of one service."""
    seconds = sum(run.seconds for run in runs)
    latencies = [latency for run in runs for latency in run.latencies]
    return {
        "tok_s": significant(sum(run.tokens for run in runs) / seconds),
        "sentences_s": significant(len(latencies) / seconds),
        **{name: significant(1_000 * percentile(latencies, p)) for name, p in _SHARES.items()},
        "sentences": len(latencies),
        "cores_of_clients": significant(sum(run.client_cpu_s for run in runs) / seconds, 2),
        "cores_of_server": significant(sum(run.server_cpu_s for run in runs) / seconds, 2),
    }
