"""The ways in which each engine is tried."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.common import machine
from benchmarks.contest import CT2, OURS, TORCH
from benchmarks.workers.process import Variant

_BATCH_SIZES = (8, 16, 32, 48, 64)
_BATCH_TOKENS = (256, 512, 1024, 2048)
_CT2_WORKER = "benchmarks.workers.ct2"
_TORCH_WORKER = "benchmarks.workers.torch_generate"
_OUR_WORKER = "benchmarks.workers.ours"
# Its own switches; the first has it choose. MKL's products may be of weights packed beforehand.
_CT2_LIBRARIES = {
    "oneDNN": {"CT2_USE_MKL": "0"},
    "MKL": {"CT2_USE_MKL": "1"},
    "MKL packed": {"CT2_USE_MKL": "1", "CT2_USE_EXPERIMENTAL_PACKED_GEMM": "1"},
}
_CT2_ISAS = {"AVX2": "avx2", "AVX512": "avx512f"}  # its name, and the processor's flag


def ours(rows: tuple[int, ...]) -> list[Variant]:
    """Lingraft with several sizes of the batch."""
    return [
        Variant(f"max_rows {each}", _OUR_WORKER, options={"max_rows": each}, engine=OURS)
        for each in rows
    ]


def ct2(threads: int) -> list[Variant]:
    """CTranslate2 by the libraries that it computes with, and how it uses its threads.

    What this processor cannot run is left out: CTranslate2 would refuse to start.
    """
    return [
        Variant(_name(name, inter, threads), _CT2_WORKER, environment, {"inter": inter}, engine=CT2)
        for name, environment in _ct2_environments(machine()["flags"])
        for inter in sorted({1, threads})
    ]


def ct2_batching(variant: Variant) -> Iterator[Variant]:
    """The ways in which CTranslate2 cuts many sentences into batches, sorted by length."""
    for size in _BATCH_SIZES:
        name = f"{size} examples a batch"
        yield variant.running(name, max_batch_size=size, batch_type="examples")
    for size in _BATCH_TOKENS:
        name = f"{size} tokens a batch"
        yield variant.running(name, max_batch_size=size, batch_type="tokens")


def torch(precision: str, rows: int = 0) -> list[Variant]:
    """Transformers; the first is the reference of correctness. `rows`: of a part, 0 for all.

    It has no int8 of its own: against int8 it may use bf16, against fp32 it computes in fp32.
    """
    dtypes = ("float32",) if precision == "fp32" else ("float32", "bfloat16")
    return [
        Variant(f"{dtype} {attention}", _TORCH_WORKER, options=options, engine=TORCH).running(
            f"{rows or 'all'} rows", rows=rows
        )
        for dtype in dtypes
        for attention in ("eager", "sdpa")
        for options in [{"dtype": dtype, "attention": attention}]
    ]


def _ct2_environments(flags: Sequence[str]) -> Iterator[tuple[str, dict[str, str]]]:
    yield "default", {}
    for library, switches in _CT2_LIBRARIES.items():
        for isa, flag in _CT2_ISAS.items():
            if flag in flags:
                yield f"{library} {isa}", {**switches, "CT2_FORCE_CPU_ISA": isa}


def _name(name: str, inter: int, threads: int) -> str:
    return f"{name}, {inter} x {threads // inter} threads" if threads > 1 else name
