"""Which graphs of a bundle a device runs."""

from __future__ import annotations

from lingraft.server.bundle import Bundle, Graphs, Precision, Task
from lingraft.server.errors import BundleError

# Attention over a cache in fp32 and products of integers are operators that ONNX Runtime has for
# the CPU alone; it would run them there without a word, with every cache copied at every step.
_CPU = (Precision.FP32, Precision.INT8, Precision.INT4)
_RUN = {
    ("cpu", Task.TRANSLATION): _CPU,
    ("cpu", Task.CLASSIFICATION): _CPU,
    ("cpu", Task.LANGUAGE_IDENTIFICATION): _CPU,
    ("cuda", Task.TRANSLATION): (Precision.FP16,),
    ("cuda", Task.CLASSIFICATION): (Precision.FP16, Precision.FP32),
    ("cuda", Task.LANGUAGE_IDENTIFICATION): (Precision.FP16, Precision.FP32),
}


def choose_graphs(bundle: Bundle, wanted: str, provider: str) -> Graphs:
    """The graphs of a precision for the device `provider`, "cpu" or "cuda".

    `wanted` may be "default", the bundle's first, or "auto": the first on the CPU that it runs, and
    on a GPU fp16, or for a classifier without it fp32. Raises BundleError when the bundle has no
    such graphs, or the device does not run them.
    """
    runs = _RUN[provider, bundle.task]
    if wanted == "auto":
        return _for_device(bundle, provider, runs)
    for graphs in bundle.graphs:
        if wanted in ("default", graphs.precision.value):
            if graphs.precision in runs:
                return graphs
            raise BundleError(
                f"{provider} does not run {graphs.precision.value} graphs for "
                f"{bundle.task.value}, only {_listed(runs)}; bundle {bundle.folder} has "
                f"{_of(bundle)}: set --precision or --provider"
            )
    raise BundleError(f"bundle {bundle.folder} has no {wanted} graphs; it has {_of(bundle)}")


def _for_device(bundle: Bundle, provider: str, runs: tuple[Precision, ...]) -> Graphs:
    there = [graphs for graphs in bundle.graphs if graphs.precision in runs]
    if not there:
        raise BundleError(
            f"bundle {bundle.folder} has {_of(bundle)} graphs; for {bundle.task.value} {provider} "
            f"needs {_listed(runs)}: export it with that precision, or set --provider"
        )
    if provider == "cpu":
        return there[0]
    return min(there, key=lambda graphs: runs.index(graphs.precision))


def _of(bundle: Bundle) -> str:
    return _listed(tuple(graphs.precision for graphs in bundle.graphs))


def _listed(precisions: tuple[Precision, ...]) -> str:
    return ", ".join(each.value for each in precisions)
