"""From a translation model to its bundle: graphs, parity, int8 with its loss, card, files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lingraft.training.errors import ExportError
from lingraft.training.export import parity
from lingraft.training.export.bundle import Content, working_folder, write_bundle
from lingraft.training.export.card import NO_NOTES, Notes, model_card
from lingraft.training.export.decoder import whole_decoder
from lingraft.training.export.facts import (
    CARD_FILE,
    PRECISION_NAMES,
    SPM_FILE,
    begin,
    begin_stock,
    graph_path,
    refuse_negative,
    require_complete,
)
from lingraft.training.export.families import arrays_of, family_of
from lingraft.training.export.native import nativise, store_twin
from lingraft.training.export.precisions import changes
from lingraft.training.export.runtime import Ids
from lingraft.training.export.storing import share, store
from lingraft.training.export.tables import pack_tables, tie_transposed
from lingraft.v1 import bundle_pb2 as pb
from lingraft.v1.common_pb2 import Metric


@dataclass(frozen=True)
class TranslationDev:
    """Development text on which parity is asserted and the loss of int8 is measured.

    Attributes:
        name: name of the set, never a path; it stands in the manifest.
        sources: source ids, language tag first and eos last.
        references: reference translations, one for each source.
            Empty: the fp32 model's own translations are the references.
        decode: ids to text.
        score: figure of hypotheses against references, higher is better.
        measure: name of the figure.
        signature: sacreBLEU's signature of it.
        forced: first piece of each target, None to leave it free; () leaves all free.
        directions: source and target language of each source, so that the loss is told for each
            direction too; () tells it of all together.
    """

    name: str
    sources: Sequence[Ids]
    references: Sequence[str]
    decode: Callable[[Ids], str]
    score: Callable[[Sequence[str], Sequence[str]], float]
    measure: str = "chrF++"
    signature: str = ""
    forced: parity.Forced = ()
    directions: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True)
class TranslationExport:
    """What the export of a translation model needs.

    Attributes:
        model: a conditional generation model of one of the families; left as it is.
        tokenizer: SentencePiece model whose piece ids are the model's; or the files of a tokenizer
            that `facts` describes, by path inside the bundle.
        facts: manifest with what cannot be read off the model: name, version, display_name, pairs
            with metrics and transfer, language_tags, normalization, limits, decoding, calibration,
            parent, data_sources, licence. All other fields are filled in.
        dev: text to check and measure on.
        extra_files: further files of the bundle by path (`report.json`).
        precisions: graph sets of the bundle; the first is the server's default.
        ties_allowed: dev sentences that may differ in fp32 by a numerical tie.
        threads: threads of ONNX Runtime.
        notes: what the card says that no field of the manifest holds.
    """

    model: Any
    tokenizer: Path | Mapping[str, Content]
    facts: pb.Bundle
    dev: TranslationDev
    extra_files: Mapping[str, Content] = field(default_factory=dict)
    precisions: tuple[pb.Precision, ...] = (pb.PRECISION_FP32, pb.PRECISION_INT8)
    ties_allowed: int = 0
    threads: int = 1
    notes: Notes = NO_NOTES


def export_translation(export: TranslationExport, folder: Path) -> pb.Bundle:
    """Write the bundle of a translation model to `folder` and return its manifest.

    Raises:
        ExportError: the graft was refused, facts are missing or contradict the model (all are
            named), or the folder cannot be written.
        ParityError: the fp32 graphs decode some sentence differently than the model.
    """
    refuse_negative(export.facts)
    config = export.model.config
    draft, tokenizer = _begin(export)
    _fill(draft, config, export)
    names = [path for graphs in draft.graphs for path in (graphs.encoder, graphs.decoder_step)]
    require_complete(draft, [*names, *tokenizer, CARD_FILE, *export.extra_files])
    with working_folder(folder) as work:
        graphs = build_graphs(config, arrays_of(export.model), export.precisions, work)
        _measure(draft, graphs, export)
        files: dict[str, Content] = {**export.extra_files, **tokenizer}
        for precision in export.precisions:
            files |= {path.name: path for path in work.glob(f"*.{PRECISION_NAMES[precision]}.*")}
        files[CARD_FILE] = model_card(draft, export.notes).encode()
        return write_bundle(folder, draft, files)


def piece_limits(facts: pb.Bundle, sources: Sequence[Ids]) -> list[int]:
    """Most target pieces of each source, eos included, by the limits and decoding defaults."""
    longest, ratio = facts.limits.max_target_tokens, facts.decoding.max_length_ratio
    if ratio <= 0:
        return [longest] * len(sources)
    return [min(longest, 10 + int(ratio * len(source))) for source in sources]


def _begin(export: TranslationExport) -> tuple[pb.Bundle, Mapping[str, Content]]:
    """The manifest with what follows from model and tokenizer, and the tokenizer's files."""
    config = export.model.config
    if isinstance(export.tokenizer, Path):
        draft = begin(export.facts, config, pb.TASK_TRANSLATION, export.tokenizer)
        draft.tokenizer.target_model = SPM_FILE
        return draft, {SPM_FILE: export.tokenizer}
    return begin_stock(export.facts, config), export.tokenizer


def _fill(draft: pb.Bundle, config: Any, export: TranslationExport) -> None:
    draft.dimensions.CopyFrom(family_of(config).dimensions(config))
    for precision in export.precisions:
        encoder, step = (graph_path(name, precision) for name in ("encoder", "decoder_step"))
        draft.graphs.add(precision=precision, encoder=encoder, decoder_step=step)


def build_graphs(
    config: Any, state: Mapping[str, Any], precisions: Sequence[pb.Precision], work: Path
) -> dict[pb.Precision, parity.TranslationGraphs]:
    """Graphs in files of the folder `work`.

    fp32 always, for it is what parity is asserted on, and the other precisions asked for. It is
    stored last: a large graph loses its weights to a file of their own then. Tied embeddings,
    which both graphs hold and the output layer too, stand in the encoder's file alone.
    """
    family = family_of(config)
    others = [each for each in dict.fromkeys(precisions) if each != pb.PRECISION_FP32]
    wanted = (*others, pb.PRECISION_FP32)
    builders = {"encoder": family.encoder_graph, "decoder_step": family.decoder_step_graph}
    encoders: dict[pb.Precision, tuple[list[Path], set[str]]] = {}  # files, what stands in them
    for place, (name, build) in enumerate(builders.items()):
        plain = build(config, state)
        for precision in wanted:
            file = work / graph_path(name, precision)
            smaller = pack_tables(plain) if precision == pb.PRECISION_INT8 else plain
            changed = changes(precision)[place](smaller)
            if precision == pb.PRECISION_INT8:
                tie_transposed(changed)
            files, held = encoders.get(precision, ([], set()))
            for other in files:
                share(changed, other, held)
            names = {tensor.name for tensor in changed.graph.initializer}
            encoders.setdefault(precision, (store(changed, file), names))
            if precision == pb.PRECISION_INT8:
                native = nativise(smaller)
                tie_transposed(native)
                whole_decoder(native)
                store_twin(native, file, *files)
                del native
            del smaller, changed
        del plain  # before the next one is built: they may take gigabytes
    return {
        each: parity.TranslationGraphs(*(work / graph_path(name, each) for name in builders))
        for each in wanted
    }


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
    expected = parity.torch_greedy(export.model, dev.sources, limits, dev.forced)
    produced = {
        precision: parity.graph_greedy(
            pair, dev.sources, limits, special, export.threads, dev.forced
        )
        for precision, pair in graphs.items()
    }
    parity.require_identical(
        export.model,
        dev.sources,
        expected,
        produced[pb.PRECISION_FP32],
        ties_allowed=export.ties_allowed,
    )
    best = [dev.decode(row) for row in expected]
    references = dev.references or best
    for graph_set in draft.graphs:
        ids = produced[graph_set.precision]
        graph_set.identical_share = parity.identical_share(expected, ids)
        texts = [dev.decode(row) for row in ids]
        everywhere = range(len(texts))
        graph_set.quality_loss.CopyFrom(_loss(dev, references, best, texts, everywhere))
        for direction, places in _by_direction(dev).items():
            source, target = direction
            pair = graph_set.pair_losses.add(source_language=source, target_language=target)
            pair.loss.CopyFrom(_loss(dev, references, best, texts, places))


def _by_direction(dev: TranslationDev) -> dict[tuple[str, str], list[int]]:
    """Where the sentences of each direction are, if it is known."""
    places: dict[tuple[str, str], list[int]] = {}
    for place, direction in enumerate(dev.directions):
        places.setdefault(direction, []).append(place)
    return places


def _loss(
    dev: TranslationDev,
    references: Sequence[str],
    best: Sequence[str],
    texts: Sequence[str],
    places: Sequence[int],
) -> Metric:
    """What `texts` lose against `best`, of the sentences at `places`."""
    wanted = [references[i] for i in places]
    scores = [dev.score([each[i] for i in places], wanted) for each in (best, texts)]
    return Metric(
        name=dev.measure,
        value=scores[0] - scores[1],
        test_set=dev.name,
        size=len(places),
        signature=dev.signature,
    )
