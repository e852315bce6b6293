"""From a translation model to its bundle: graphs, parity, int8 with its loss, card, files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lingraft.training.errors import ExportError
from lingraft.training.export import parity
from lingraft.training.export.bundle import Content, write_bundle
from lingraft.training.export.card import model_card
from lingraft.training.export.facts import (
    CARD_FILE,
    SPM_FILE,
    begin,
    graph_path,
    refuse_negative,
    require_complete,
    to_arrays,
)
from lingraft.training.export.graph import serialise
from lingraft.training.export.marian import decoder_step_graph, encoder_graph
from lingraft.training.export.quantize import quantise
from lingraft.training.export.runtime import Ids
from lingraft.v1 import bundle_pb2 as pb
from lingraft.v1.common_pb2 import Metric


@dataclass(frozen=True)
class TranslationDev:
    """Development text on which parity is asserted and the loss of int8 is measured.

    Attributes:
        name: name of the set, never a path; it stands in the manifest.
        sources: source ids, language tag first and eos last.
        references: reference translations, one for each source.
        decode: ids to text.
        score: figure of hypotheses against references, higher is better.
        measure: name of the figure.
        signature: sacreBLEU's signature of it.
    """

    name: str
    sources: Sequence[Ids]
    references: Sequence[str]
    decode: Callable[[Ids], str]
    score: Callable[[Sequence[str], Sequence[str]], float]
    measure: str = "chrF++"
    signature: str = ""


@dataclass(frozen=True)
class TranslationExport:
    """What the export of a translation model needs.

    Attributes:
        model: a `MarianMTModel`; left as it is.
        tokenizer: SentencePiece model whose piece ids are the model's.
        facts: manifest with what cannot be read off the model: name, version, display_name, pairs
            with metrics and transfer, language_tags, normalization, limits, decoding, calibration,
            parent, data_sources, licence. All other fields are filled in.
        dev: text to check and measure on.
        extra_files: further files of the bundle by path (`report.json`).
        precisions: graph sets of the bundle; the first is the server's default.
        ties_allowed: dev sentences that may differ in fp32 by a numerical tie.
        threads: threads of ONNX Runtime.
    """

    model: Any
    tokenizer: Path
    facts: pb.Bundle
    dev: TranslationDev
    extra_files: Mapping[str, Content] = field(default_factory=dict)
    precisions: tuple[pb.Precision, ...] = (pb.PRECISION_FP32, pb.PRECISION_INT8)
    ties_allowed: int = 0
    threads: int = 1


def export_translation(export: TranslationExport, folder: Path) -> pb.Bundle:
    """Write the bundle of a translation model to `folder` and return its manifest.

    Raises:
        ExportError: the graft was refused, facts are missing or contradict the model (all are
            named), or the folder cannot be written.
        ParityError: the fp32 graphs decode some sentence differently than the model.
    """
    refuse_negative(export.facts)
    config = export.model.config
    draft = begin(export.facts, config, pb.TASK_TRANSLATION, export.tokenizer)
    _fill(draft, config, export)
    names = [path for graphs in draft.graphs for path in (graphs.encoder, graphs.decoder_step)]
    require_complete(draft, [*names, SPM_FILE, CARD_FILE, *export.extra_files])
    graphs = _build_graphs(config, to_arrays(export.model.state_dict()), export.precisions)
    _measure(draft, graphs, export)
    files: dict[str, Content] = dict(export.extra_files)
    for precision in export.precisions:
        files[graph_path("encoder", precision)] = graphs[precision].encoder
        files[graph_path("decoder_step", precision)] = graphs[precision].decoder_step
    files[SPM_FILE] = export.tokenizer
    files[CARD_FILE] = model_card(draft).encode()
    return write_bundle(folder, draft, files)


def piece_limits(facts: pb.Bundle, sources: Sequence[Ids]) -> list[int]:
    """Most target pieces of each source, eos included, by the limits and decoding defaults."""
    longest, ratio = facts.limits.max_target_tokens, facts.decoding.max_length_ratio
    if ratio <= 0:
        return [longest] * len(sources)
    return [min(longest, 10 + int(ratio * len(source))) for source in sources]


def _fill(draft: pb.Bundle, config: Any, export: TranslationExport) -> None:
    draft.tokenizer.target_model = SPM_FILE
    draft.dimensions.decoder_layers = config.decoder_layers
    draft.dimensions.heads = config.decoder_attention_heads
    draft.dimensions.head_size = config.d_model // config.decoder_attention_heads
    draft.dimensions.vocabulary_size = config.decoder_vocab_size
    for precision in export.precisions:
        encoder, step = (graph_path(name, precision) for name in ("encoder", "decoder_step"))
        draft.graphs.add(precision=precision, encoder=encoder, decoder_step=step)


def _build_graphs(
    config: Any, state: Mapping[str, Any], precisions: Sequence[pb.Precision]
) -> dict[pb.Precision, parity.TranslationGraphs]:
    """fp32 always, for it is what parity is asserted on, and the other precisions asked for."""
    plain = (encoder_graph(config, state), decoder_step_graph(config, state))
    graphs = {pb.PRECISION_FP32: parity.TranslationGraphs(*map(serialise, plain))}
    if pb.PRECISION_INT8 in precisions:
        quantised = (serialise(quantise(graph)) for graph in plain)
        graphs[pb.PRECISION_INT8] = parity.TranslationGraphs(*quantised)
    return graphs


def _measure(
    draft: pb.Bundle,
    graphs: Mapping[pb.Precision, parity.TranslationGraphs],
    export: TranslationExport,
) -> None:
    """Assert parity of fp32, then fill in what every precision costs."""
    dev, special = export.dev, parity.special_ids(export.model.config)
    if not dev.sources:
        raise ExportError(f"dev text {dev.name!r} is empty: parity cannot be asserted on it")
    limits = piece_limits(draft, dev.sources)
    expected = parity.torch_greedy(export.model, dev.sources, limits)
    produced = {
        precision: parity.graph_greedy(pair, dev.sources, limits, special, export.threads)
        for precision, pair in graphs.items()
    }
    parity.require_identical(
        export.model,
        dev.sources,
        expected,
        produced[pb.PRECISION_FP32],
        ties_allowed=export.ties_allowed,
    )
    best = _score(dev, expected)
    for graph_set in draft.graphs:
        ids = produced[graph_set.precision]
        graph_set.identical_share = parity.identical_share(expected, ids)
        graph_set.quality_loss.CopyFrom(_loss(dev, best - _score(dev, ids)))


def _score(dev: TranslationDev, ids: Sequence[Ids]) -> float:
    return dev.score([dev.decode(row) for row in ids], dev.references)


def _loss(dev: TranslationDev, value: float) -> Metric:
    return Metric(
        name=dev.measure,
        value=value,
        test_set=dev.name,
        size=len(dev.sources),
        signature=dev.signature,
    )
