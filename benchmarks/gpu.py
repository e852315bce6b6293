"""Half precision on a GPU: parity with fp32, and speed. `benchmarks/gpu.sh` calls it.

Parity: the golden bundle's graphs, brought to float16, against the fp32 answers that are stored in
tests/golden; and the embedded starter against fp32 on this machine's CPU. Speed: an opus-mt-shaped
model with random weights, 25 tokens in and out, one batch at a time, greedy and beam 4. With
`--provider cpu` the script itself can be tried out where there is no GPU; the file says so.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
import onnxruntime as ort

from benchmarks.cases import TOKENS, Sentence, fixed_cases
from benchmarks.common import ROOT, Json, load_average, report, significant, write_json
from lingraft.server.bundle import Dimensions, Precision, read_bundle
from lingraft.server.engines import (
    DeviceMemory,
    HostMemory,
    OnnxTranslator,
    TranslationGraphs,
    open_session,
)
from lingraft.server.errors import ServerError
from lingraft.server.search import Found, SearchOptions, SpecialIds, begin
from lingraft.training.export.families import arrays_of
from lingraft.training.export.graph import serialise
from lingraft.training.export.marian import decoder_step_graph, encoder_graph
from lingraft.training.export.parity import special_ids
from lingraft.training.export.precisions import in_precision
from lingraft.training.models.marian import load_model, new_model
from lingraft.training.recipe.settings import Shape
from lingraft.v1 import bundle_pb2 as pb

_NO_GPU = 3  # exit code
_GOLDEN = ROOT / "tests" / "golden"
_STARTER = ROOT / "models" / "parent-xs"
_VOCABULARY = 32_000
_SHAPE = Shape(
    d_model=512,
    ffn=2048,
    heads=8,
    encoder_layers=6,
    decoder_layers=6,
    activation="swish",
    max_positions=512,
)
_BATCHES, _BEAMS, _ROUNDS = (1, 8, 32, 128), (1, 4), 5
_PARITY_SENTENCES = 64


@dataclass(frozen=True)
class _Model:
    """Graphs in fp32 and what an engine must know of them."""

    encoder: onnx.ModelProto
    decoder_step: onnx.ModelProto
    dimensions: Dimensions
    special: SpecialIds


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code: 0; 3 where the device cannot be had."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--json", type=Path, required=True, metavar="FILE")
    parser.add_argument("--provider", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--batches", type=int, nargs="+", default=_BATCHES, metavar="ROWS")
    asked = parser.parse_args(arguments)
    before = load_average()
    try:
        rows = _measure(asked.provider, asked.batches)
    except ServerError as error:
        print(f"no measurement: {error.message}", file=sys.stderr)
        return _NO_GPU
    content = report(
        rows,
        load_before=before,
        packages=("onnxruntime-gpu", "onnxruntime", "numpy", "torch", "transformers"),
        settings={"provider": asked.provider, "tokens": TOKENS, "rounds": _ROUNDS},
        does_not_measure=("tokenising", "gRPC", "rows that join and leave", "other engines"),
    )
    write_json(asked.json, content)
    return 0


def _measure(provider: str, batches: Sequence[int]) -> Json:
    golden = _golden()
    stored = json.loads((_GOLDEN / "expected.json").read_text(encoding="utf-8"))["v1-translation"]
    sources = [tuple(case["source_ids"]) for case in stored]
    with tempfile.TemporaryDirectory() as folder:
        engine = _engine(golden, pb.PRECISION_FP16, provider, Path(folder))
        answers = _decode(engine, sources, SearchOptions(64), golden.special)
    starter = _of(load_model(_STARTER))
    return {
        "device": _device(provider),
        "parity_with_stored_fp32": against_stored(answers, stored, golden.special.eos),
        "parity_with_fp32_on_cpu": _against_cpu(starter, provider),
        "cases": list(_speeds(_of(new_model(_SHAPE, _VOCABULARY, seed=0)), provider, batches)),
    }


def _device(provider: str) -> Json:
    return {"provider": provider, "onnxruntime": ort.__version__, "offered": _offered()}


def _offered() -> list[str]:
    offered: list[str] = ort.get_available_providers()
    return offered


def _golden() -> _Model:
    bundle = read_bundle(_GOLDEN / "v1-translation")
    graphs = next(each for each in bundle.graphs if each.precision is Precision.FP32)
    encoder, step = (onnx.load(str(path)) for path in (graphs.encoder, graphs.decoder_step))
    return _Model(encoder, step, bundle.dimensions, bundle.special)


def _of(model: Any) -> _Model:
    config, state = model.config, arrays_of(model)
    heads = config.decoder_attention_heads
    sizes = (config.decoder_layers, heads, config.d_model // heads, config.decoder_vocab_size)
    graphs = encoder_graph(config, state), decoder_step_graph(config, state)
    return _Model(*graphs, Dimensions(*sizes), special_ids(config))


def _engine(model: _Model, precision: pb.Precision, provider: str, folder: Path) -> OnnxTranslator:
    """An engine over graphs that are written to `folder`."""
    graphs = in_precision(model.encoder, model.decoder_step, precision)
    paths = [folder / f"{name}.{precision}.onnx" for name in ("encoder", "decoder_step")]
    for path, graph in zip(paths, graphs, strict=True):
        path.write_bytes(serialise(graph))
    encoder, step = (open_session(path, provider, 0) for path in paths)
    memory = DeviceMemory(provider) if precision == pb.PRECISION_FP16 else HostMemory()
    sessions = TranslationGraphs(encoder, step, *paths)
    return OnnxTranslator(sessions, model.dimensions, model.special.pad, memory)


def _decode(
    engine: OnnxTranslator,
    sources: Sequence[Sentence],
    options: SearchOptions,
    special: SpecialIds,
) -> list[Found]:
    """The best hypothesis of each source; all are decoded side by side."""
    searches = [begin(options, special, len(source)) for source in sources]
    engine.clear()
    engine.join(sources, [search.width for search in searches])
    running = searches
    while running:
        inputs = [piece for search in running for piece in search.inputs()]
        step = engine.step(inputs, max(search.candidates for search in running))
        staying, parents, first = [], [], 0
        for search in running:
            rows = slice(first, first + search.width)
            chosen = search.advance(step.ids[rows], step.logprobs[rows], None)
            if chosen is not None:
                staying.append(search)
                parents += [first + row for row in chosen]
            first += search.width
        engine.select(parents)
        running = staying
    return [search.found()[0] for search in searches]


def against_stored(answers: Sequence[Found], stored: Sequence[Mapping[str, Any]], eos: int) -> Json:
    """Share of answers that begin with the stored ids, and how far the scores of those are."""
    pairs = list(zip(answers, (case["target_ids"] for case in stored), strict=True))
    same = [[*found.ids, eos][: len(ids)] == ids for found, ids in pairs]
    differences = [
        abs(sum(found.logprobs[: len(ids)]) - case["logprob"])
        for (found, ids), case, equal in zip(pairs, stored, same, strict=True)
        if equal
    ]
    return {
        "sentences": len(same),
        "identical": significant(sum(same) / len(same)),
        "largest_logprob_difference": significant(max(differences, default=0.0)),
    }


def _against_cpu(model: _Model, provider: str) -> Json:
    case = next(fixed_cases(model.dimensions.vocabulary_size))
    sources = [case.sentences[i % len(case.sentences)][i // 8 :] for i in range(_PARITY_SENTENCES)]
    with tempfile.TemporaryDirectory() as folder:
        plain = _engine(model, pb.PRECISION_FP32, "cpu", Path(folder))
        half = _engine(model, pb.PRECISION_FP16, provider, Path(folder))
        wanted, found = (
            _decode(engine, sources, SearchOptions(2 * TOKENS), model.special)
            for engine in (plain, half)
        )
    same = [a.ids == b.ids for a, b in zip(wanted, found, strict=True)]
    return {"sentences": len(same), "identical": significant(sum(same) / len(same))}


def _speeds(model: _Model, provider: str, batches: Sequence[int]) -> Iterator[Json]:
    case = next(fixed_cases(_VOCABULARY))
    with tempfile.TemporaryDirectory() as folder:
        engine = _engine(model, pb.PRECISION_FP16, provider, Path(folder))
        for beams in _BEAMS:
            options = SearchOptions(TOKENS, min_length=TOKENS - 1, beam_size=beams)
            for rows in batches:
                sources = [case.sentences[i % len(case.sentences)] for i in range(rows)]
                yield _speed(engine, sources, options, model.special)


def _speed(
    engine: OnnxTranslator,
    sources: Sequence[Sentence],
    options: SearchOptions,
    special: SpecialIds,
) -> Json:
    """Tokens of the best hypotheses in a second: the median of the rounds, after one unmeasured."""
    rates = []
    for _ in range(_ROUNDS + 1):
        began = time.perf_counter()
        answers = _decode(engine, sources, options, special)
        seconds = time.perf_counter() - began
        rates.append(sum(len(each.logprobs) for each in answers) / seconds)
    search = "greedy" if options.beam_size == 1 else f"beam{options.beam_size}"
    rate = significant(statistics.median(rates[1:]))
    return {"name": f"{search}-b{len(sources)}", "lingraft": rate}


if __name__ == "__main__":
    raise SystemExit(main())
