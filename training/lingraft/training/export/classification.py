"""From a text classifier to its bundle: graph, parity, int8 with its loss, card, files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from lingraft.training.errors import ExportError
from lingraft.training.export.bundle import Content, working_folder, write_bundle
from lingraft.training.export.card import NO_NOTES, Notes, model_card
from lingraft.training.export.classifier import WidePart, classifier_graph
from lingraft.training.export.facts import (
    CARD_FILE,
    PRECISION_NAMES,
    SPM_FILE,
    begin,
    graph_path,
    refuse_negative,
    require_complete,
)
from lingraft.training.export.native import nativise, store_twin
from lingraft.training.export.parity import check_classifier_parity
from lingraft.training.export.precisions import changes
from lingraft.training.export.runtime import Ids, classify
from lingraft.training.export.storing import store
from lingraft.training.export.tables import pack_tables
from lingraft.training.export.weights import Floats, StateDict
from lingraft.v1 import bundle_pb2 as pb
from lingraft.v1.common_pb2 import Metric


@dataclass(frozen=True)
class ClassifierDev:
    """Development text on which parity is asserted and the loss of int8 is measured.

    Attributes:
        name: name of the set, never a path; it stands in the manifest.
        sources: ids of each text, eos last.
        labels: index of each text's label; () for those that the model gives.
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
            languages, metrics, transfer, normalization, limits, calibration, thresholds,
            default_threshold_profile, parent, data_sources, licence. All other fields are filled
            in.
        dev: text to check and measure on.
        wide: the table of the wide part and what it counts, if there is one.
        extra_files: further files of the bundle by path (`report.json`).
        precisions: graph sets of the bundle; the first is the server's default.
        threads: threads of ONNX Runtime.
        notes: what the card says that no field of the manifest holds.
    """

    config: Any
    encoder_state: StateDict
    head_weight: Floats
    head_bias: Floats
    tokenizer: Path
    facts: pb.Bundle
    dev: ClassifierDev
    wide: WidePart | None = None
    extra_files: Mapping[str, Content] = field(default_factory=dict)
    precisions: tuple[pb.Precision, ...] = (pb.PRECISION_FP32, pb.PRECISION_INT8)
    threads: int = 1
    notes: Notes = NO_NOTES


def export_classifier(export: ClassifierExport, folder: Path) -> pb.Bundle:
    """Write the bundle of a classifier to `folder` and return its manifest.

    Raises:
        ExportError: the graft was refused, facts are missing or contradict the model (all are
            named), or the folder cannot be written.
        ParityError: the fp32 graph gives some text other logits than the model.
    """
    refuse_negative(export.facts)
    draft = begin(export.facts, export.config, pb.TASK_CLASSIFICATION, export.tokenizer)
    weight, bias = export.head_weight, export.head_bias
    return write_classifier(
        folder,
        draft,
        lambda: classifier_graph(export.config, export.encoder_state, weight, bias, export.wide),
        export.dev,
        {SPM_FILE: export.tokenizer, **export.extra_files},
        export.precisions,
        export.threads,
        notes=replace(export.notes, parts=[_told(export)] if export.wide else ()),
    )


def _told(export: ClassifierExport) -> str:
    assert export.wide is not None
    hashed = export.wide.hashed
    rows, labels = hashed.table.shape
    beside = "which are all that counts: there is no encoder"
    if export.head_weight.any() or export.head_bias.any():
        beside = (
            "added to the encoder's; "
            "these count by the share of a text's pieces that are no single bytes"
        )
    return (
        f"Wide part: hashed n-grams of 1 to {hashed.ngrams.orders} letters inside words, "
        f"{rows:,} rows of {labels} logits, {beside}"
    )


def write_classifier(
    folder: Path,
    draft: pb.Bundle,
    build: Callable[[], onnx.ModelProto],
    dev: ClassifierDev,
    files: Mapping[str, Content],
    precisions: Sequence[pb.Precision],
    threads: int = 1,
    *,
    notes: Notes = NO_NOTES,
) -> pb.Bundle:
    """Build the graphs of a classifier, check and measure them, and write the bundle.

    Args:
        folder: the bundle's folder.
        draft: the manifest but for `graphs` and `files`; changed.
        build: makes the fp32 graph `classifier`.
        dev: text to check and measure on.
        files: tokenizer and further files by path.
        precisions: graph sets of the bundle; the first is the server's default.
        threads: threads of ONNX Runtime.
        notes: what the card says that no field of the manifest holds.

    Raises:
        ExportError: facts are missing (all are named), or the folder cannot be written.
        ParityError: the fp32 graph gives some text other logits than the model.
    """
    for precision in precisions:
        draft.graphs.add(precision=precision, classifier=graph_path("classifier", precision))
    names = [graphs.classifier for graphs in draft.graphs]
    require_complete(draft, [*names, CARD_FILE, *files])
    with working_folder(folder) as work:
        graphs = _build_graphs(build(), precisions, len(draft.labels), work)
        _measure(draft, graphs, dev, threads)
        found = [work.glob(f"*.{PRECISION_NAMES[precision]}.*") for precision in precisions]
        written = {path.name: path for paths in found for path in paths}
        card = {CARD_FILE: model_card(draft, notes).encode()}
        return write_bundle(folder, draft, {**files, **written, **card})


def _build_graphs(
    plain: onnx.ModelProto, precisions: Sequence[pb.Precision], labels: int, work: Path
) -> dict[pb.Precision, Path]:
    """Graphs in files of the folder `work`.

    fp32 always, for it is what parity is asserted on, and the other precisions asked for. It is
    stored last: a large graph loses its weights to a file of their own then.
    """
    logits = plain.graph.output[0].type.tensor_type.shape.dim[1].dim_value
    if logits != labels:
        raise ExportError(f"{labels} labels for {logits} logits")
    others = [each for each in dict.fromkeys(precisions) if each != pb.PRECISION_FP32]
    graphs = {}
    for precision in (*others, pb.PRECISION_FP32):
        graphs[precision] = work / graph_path("classifier", precision)
        smaller = pack_tables(plain) if precision == pb.PRECISION_INT8 else plain
        store(changes(precision)[0](smaller), graphs[precision])
        if precision == pb.PRECISION_INT8:
            store_twin(nativise(smaller), graphs[precision])
    return graphs


def _measure(
    draft: pb.Bundle, graphs: Mapping[pb.Precision, Path], dev: ClassifierDev, threads: int
) -> None:
    """Assert parity of fp32, then fill in what every precision costs."""
    if not dev.sources:
        raise ExportError(f"dev text {dev.name!r} is empty: parity cannot be asserted on it")
    expected = dev.reference(dev.sources)
    produced = {
        precision: classify(graph, dev.sources, draft.special_ids.pad, threads=threads)
        for precision, graph in graphs.items()
    }
    check_classifier_parity(expected, produced[pb.PRECISION_FP32])
    labels = dev.labels or expected.argmax(1).tolist()
    signature = "" if dev.labels else "against the labels that the fp32 model gives"
    best = _accuracy(expected, labels)
    for graph_set in draft.graphs:
        logits = produced[graph_set.precision]
        graph_set.identical_share = float(np.mean(expected.argmax(1) == logits.argmax(1)))
        metric = Metric(
            name="accuracy",
            value=best - _accuracy(logits, labels),
            test_set=dev.name,
            size=len(dev.sources),
            signature=signature,
        )
        graph_set.quality_loss.CopyFrom(metric)


def _accuracy(logits: Floats, labels: Sequence[int]) -> float:
    return float(np.mean(logits.argmax(1) == np.asarray(labels)))
