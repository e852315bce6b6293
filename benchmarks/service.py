"""`python -m benchmarks.service --json FILE`: over gRPC, against the same server over CTranslate2.

README.md says what is compared and what each figure means.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from statistics import median

from benchmarks import services, settings
from benchmarks.cases import Case
from benchmarks.common import (
    Json,
    interleaved,
    load_average,
    report,
    significant,
    write_json,
)
from benchmarks.contest import CT2, OURS, Arena, best_variant, say
from benchmarks.layout import models_folder
from benchmarks.load import CLIENTS, Clients, Loaded, arrivals, summary
from benchmarks.models import STARTER, starter_model
from benchmarks.sentences import MOST, natural_case, single_sentences
from benchmarks.services import Running
from benchmarks.workers.process import Process, Timed, Variant, WorkerError

_SHARE_OF_CAPACITY = 0.7
_ROWS = 32
# Sentences taken from the queue at once, and in one batch of CTranslate2.
_PEERS = ((8, 8), (16, 16), (32, 32), (64, 64), (64, 16))
_PACKAGES = ("lingraft", "grpcio", "onnxruntime", "ctranslate2", "numpy")
_DOES_NOT_MEASURE = (
    "a network: clients and server are on one machine, over the loopback interface",
    "the server alone: clients, gRPC, text handling and model share this machine's cores, so a "
    "machine with more of them gives a higher share_of_engine",
    "beam search, long documents, bulk work, many models at once",
    "CTranslate2's own servers: its peer here is this project's server code around it",
    "other machines, other models, GPUs",
)


@dataclass(frozen=True)
class _Effort:
    """Sentences of a closed loop, seconds of an open one, rounds of each, trials of settings."""

    sentences: int
    open_s: float
    rounds: int
    trials: int


_FULL = _Effort(sentences=1_024, open_s=20.0, rounds=5, trials=2)
_QUICK = _Effort(sentences=512, open_s=6.0, rounds=2, trials=1)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the comparison and writes the file. Exit status 0 when it was written."""
    given = _parser().parse_args(arguments)
    load_before = load_average()
    try:
        with models_folder() as folder:
            rows, about = _compare(folder / "starter", _QUICK if given.quick else _FULL)
    except WorkerError as error:
        print(f"benchmarks.service: {error}", file=sys.stderr)
        return 1
    content = report(
        rows,
        load_before=load_before,
        packages=_PACKAGES,
        settings={"quick": given.quick, "precision": "int8", "threads_of_each_model": 1, **about},
        does_not_measure=_DOES_NOT_MEASURE,
    )
    write_json(given.json, content)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.service", description=__doc__)
    parser.add_argument("--json", type=Path, required=True, metavar="FILE", help="file to write")
    parser.add_argument("--quick", action="store_true", help="few rounds: to try it, not to quote")
    return parser


def _compare(folder: Path, effort: _Effort) -> tuple[Json, Json]:
    starter_model(folder, "int8")
    texts, origin = single_sentences(STARTER)
    load = list(islice(cycle(texts), effort.sentences))
    case = natural_case(STARTER, load)
    with ExitStack() as stack:
        arena = stack.enter_context(Arena(folder, 1, "int8"))
        clients = Clients(
            stack.enter_context(Process("clients", "benchmarks.workers.client", {})), MOST
        )
        ours = stack.enter_context(services.running(services.lingraft(folder, _ROWS)))
        peers = [
            stack.enter_context(services.running(each))
            for each in _peers(folder, arena, case, effort)
        ]
        peer, capacity = _best_peer(clients, peers, load, effort)
        closed = _closed_loop(arena, case, clients, ours, peer, load, effort)
        opened = _open_loop(clients, ours, peers, texts, capacity, effort)
        peaks = {OURS: ours.peak_rss_mib(), CT2: peer.peak_rss_mib()}
    about = {"sentences": origin, "clients": CLIENTS, "longest_target": MOST}
    return {"closed_loop": closed, "open_loop": opened, "peak_rss_mib": peaks}, about


def _peers(folder: Path, arena: Arena, case: Case, effort: _Effort) -> list[services.Service]:
    """CTranslate2 with the library that is fastest here, batched in several ways."""
    first = [
        each.running("32 examples a batch", max_batch_size=32, batch_type="examples")
        for each in settings.ct2(threads=1)
    ]
    library = best_variant(arena, case, first, effort.trials)
    return [
        services.peer(folder, most, size, library.process, library.environment)
        for most, size in _PEERS
    ]


def _best_peer(
    clients: Clients, peers: Sequence[Running], texts: Sequence[str], effort: _Effort
) -> tuple[Running, float]:
    """The peer that carries most, and its capacity: sentences per second, with 32 or 64 callers."""
    rates: dict[str, float] = {}
    for _ in range(effort.trials):
        for peer in peers:
            for callers in (CLIENTS, 2 * CLIENTS):
                rate = clients.closed(peer, texts, callers).rate
                rates[peer.service.name] = max(rates.get(peer.service.name, 0.0), rate)
    best = max(peers, key=lambda each: rates[each.service.name])
    say(f"capacity of the peers, sentences/s: { {k: round(v, 1) for k, v in rates.items()} }")
    return best, rates[best.service.name]


def _closed_loop(
    arena: Arena,
    case: Case,
    clients: Clients,
    ours: Running,
    peer: Running,
    texts: Sequence[str],
    effort: _Effort,
) -> Json:
    loaded: dict[str, list[Loaded]] = {OURS: [], CT2: []}
    engine: list[Timed] = []
    variant: Variant = settings.ours((_ROWS,))[0]

    def through(name: str, service: Running) -> float:
        loaded[name].append(clients.closed(service, texts))
        return loaded[name][-1].seconds

    def in_process() -> float:
        engine.append(arena.run(variant, case))
        return engine[-1].seconds

    runs = {
        "engine": in_process,
        OURS: lambda: through(OURS, ours),
        CT2: lambda: through(CT2, peer),
    }
    interleaved(runs, effort.rounds)
    shares = [a.token_rate / b.rate for a, b in zip(loaded[OURS], engine, strict=True)]
    ratios = [a.token_rate / b.token_rate for a, b in zip(loaded[OURS], loaded[CT2], strict=True)]
    return {
        "share_of_engine": significant(median(shares)),
        "ratio_ctranslate2": significant(median(ratios)),
        "engine_tok_s": significant(median(each.rate for each in engine)),
        **{name: summary(each) for name, each in loaded.items()},
        "clients": CLIENTS,
        "setting": {OURS: ours.service.name, CT2: peer.service.name},
    }


def _open_loop(
    clients: Clients,
    ours: Running,
    peers: Sequence[Running],
    texts: Sequence[str],
    capacity: float,
    effort: _Effort,
) -> Json:
    rate = _SHARE_OF_CAPACITY * capacity
    count = int(rate * effort.open_s)
    load = list(islice(cycle(texts), count))
    trial = arrivals(rate, count, "trial")
    tried = {each.service.name: clients.open(each, load, trial).p95 for each in peers}
    peer = min(peers, key=lambda each: tried[each.service.name])
    loaded: dict[str, list[Loaded]] = {OURS: [], CT2: []}
    for number in range(effort.rounds):
        times = arrivals(rate, count, f"round {number}")
        pair = [(OURS, ours), (CT2, peer)]
        for name, service in pair if number % 2 == 0 else reversed(pair):
            loaded[name].append(clients.open(service, load, times))
    ratios = [a.p95 / b.p95 for a, b in zip(loaded[OURS], loaded[CT2], strict=True)]
    return {
        "p95_ratio": significant(median(ratios)),
        "p95_ratio_range": [significant(min(ratios)), significant(max(ratios))],
        "arrivals_per_s": significant(rate),
        "share_of_ctranslate2_capacity": _SHARE_OF_CAPACITY,
        "ctranslate2_capacity_sentences_s": significant(capacity),
        **{name: summary(each) for name, each in loaded.items()},
        "setting": {OURS: ours.service.name, CT2: peer.service.name},
        "tried_p95_ms": {name: significant(1_000 * value) for name, value in tried.items()},
    }


if __name__ == "__main__":
    sys.exit(main())
