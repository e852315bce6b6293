"""From a text classifier to its bundle: graph, parity, int8 with its loss, card, files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lingraft.training.errors import ExportError
from lingraft.training.export.bundle import Content, write_bundle
from lingraft.training.export.card import model_card
from lingraft.training.export.classifier import classifier_graph
from lingraft.training.export.facts import (
    CARD_FILE,
    SPM_FILE,
    begin,
    graph_path,
    refuse_negative,
    require_complete,
)
from lingraft.training.export.graph import serialise
from lingraft.training.export.parity import check_classifier_parity
from lingraft.training.export.quantize import quantise
from lingraft.training.export.runtime import Ids, classify
from lingraft.training.export.weights import Floats, StateDict
from lingraft.v1 import bundle_pb2 as pb
from lingraft.v1.common_pb2 import Metric


@dataclass(frozen=True)
class ClassifierDev:
    """Development text on which parity is asserted and the loss of int8 is measured.

    Attributes:
        name: name of the set, never a path; it stands in the manifest.
        sources: ids of each text, eos last.
        labels: index of each text's label.
        reference: the PyTorch model in fp32: ids to logits [N,C].
    """

    name: str
    sources: Sequence[Ids]
    labels: Sequence[int]
    reference: Callable[[Sequence[Ids]], Floats]


@dataclass(frozen=True)
class ClassifierExport:
    """What the export of a classifier needs.

    Attributes:
        config: the encoder's `MarianConfig`.
        encoder_state: state dict of the `MarianEncoder` as arrays (`to_arrays`).
        head_weight: [C,d].
        head_bias: [C].
        tokenizer: SentencePiece model whose piece ids are the encoder's.
        facts: manifest with what cannot be read off the model: name, version, display_name, labels,
            languages, metrics, transfer, normalization, limits, calibration, parent, data_sources,
            licence. All other fields are filled in.
        dev: text to check and measure on.
        extra_files: further files of the bundle by path (`report.json`).
        precisions: graph sets of the bundle; the first is the server's default.
        threads: threads of ONNX Runtime.
    """

    config: Any
    encoder_state: StateDict
    head_weight: Floats
    head_bias: Floats
    tokenizer: Path
    facts: pb.Bundle
    dev: ClassifierDev
    extra_files: Mapping[str, Content] = field(default_factory=dict)
    precisions: tuple[pb.Precision, ...] = (pb.PRECISION_FP32, pb.PRECISION_INT8)
    threads: int = 1


def export_classifier(export: ClassifierExport, folder: Path) -> pb.Bundle:
    """Write the bundle of a classifier to `folder` and return its manifest.

    Raises:
        ExportError: the graft was refused, facts are missing or contradict the model (all are
            named), or the folder cannot be written.
        ParityError: the fp32 graph gives some text other logits than the model.
    """
    refuse_negative(export.facts)
    draft = begin(export.facts, export.config, pb.TASK_CLASSIFICATION, export.tokenizer)
    if len(draft.labels) != len(export.head_bias):
        raise ExportError(f"{len(draft.labels)} labels for {len(export.head_bias)} logits")
    for precision in export.precisions:
        draft.graphs.add(precision=precision, classifier=graph_path("classifier", precision))
    names = [graphs.classifier for graphs in draft.graphs]
    require_complete(draft, [*names, SPM_FILE, CARD_FILE, *export.extra_files])
    graphs = _build_graphs(export)
    _measure(draft, graphs, export)
    files: dict[str, Content] = dict(export.extra_files)
    for precision in export.precisions:
        files[graph_path("classifier", precision)] = graphs[precision]
    files[SPM_FILE] = export.tokenizer
    files[CARD_FILE] = model_card(draft).encode()
    return write_bundle(folder, draft, files)


def _build_graphs(export: ClassifierExport) -> dict[pb.Precision, bytes]:
    state, weight, bias = export.encoder_state, export.head_weight, export.head_bias
    plain = classifier_graph(export.config, state, weight, bias)
    graphs = {pb.PRECISION_FP32: serialise(plain)}
    if pb.PRECISION_INT8 in export.precisions:
        graphs[pb.PRECISION_INT8] = serialise(quantise(plain))
    return graphs


def _measure(
    draft: pb.Bundle, graphs: Mapping[pb.Precision, bytes], export: ClassifierExport
) -> None:
    """Assert parity of fp32, then fill in what every precision costs."""
    dev, pad = export.dev, export.config.pad_token_id
    if not dev.sources:
        raise ExportError(f"dev text {dev.name!r} is empty: parity cannot be asserted on it")
    expected = dev.reference(dev.sources)
    produced = {
        precision: classify(graph, dev.sources, pad, threads=export.threads)
        for precision, graph in graphs.items()
    }
    check_classifier_parity(expected, produced[pb.PRECISION_FP32])
    best = _accuracy(expected, dev.labels)
    for graph_set in draft.graphs:
        logits = produced[graph_set.precision]
        graph_set.identical_share = float(np.mean(expected.argmax(1) == logits.argmax(1)))
        loss = best - _accuracy(logits, dev.labels)
        size = len(dev.sources)
        metric = Metric(name="accuracy", value=loss, test_set=dev.name, size=size)
        graph_set.quality_loss.CopyFrom(metric)


def _accuracy(logits: Floats, labels: Sequence[int]) -> float:
    return float(np.mean(logits.argmax(1) == np.asarray(labels)))
