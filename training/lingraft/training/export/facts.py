"""Checks and fillings of a manifest that both kinds of export share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import sentencepiece

from lingraft.training.errors import ExportError
from lingraft.training.export.manifest import FORMAT_VERSION, gaps
from lingraft.training.export.weights import Floats
from lingraft.v1 import bundle_pb2 as pb
from lingraft.v1.common_pb2 import VERDICT_REFUSE, Metric, TransferReport

SPM_FILE = "source.spm"
CARD_FILE = "README.md"
PRECISION_NAMES = {
    pb.PRECISION_FP32: "fp32",
    pb.PRECISION_INT8: "int8",
    pb.PRECISION_INT4: "int4",
    pb.PRECISION_FP16: "fp16",
}


def precisions_named(names: Sequence[str]) -> tuple[pb.Precision, ...]:
    """Precisions by their names ("int8"), each once, in that order.

    Raises:
        ExportError: there are no such precisions; all of them are named.
    """
    known = {name: precision for precision, name in PRECISION_NAMES.items()}
    if unknown := [name for name in names if name not in known]:
        raise ExportError(
            f"no graphs can be made in {', '.join(unknown)}; precisions: {', '.join(known)}"
        )
    return tuple(known[name] for name in dict.fromkeys(names))


def to_arrays(state: Mapping[str, Any]) -> dict[str, Floats]:
    """A PyTorch state dict as float32 arrays."""
    return {name: np.asarray(tensor.detach().cpu().float()) for name, tensor in state.items()}


def refuse_negative(facts: pb.Bundle) -> None:
    """Refuse a graft that was found to hurt, unless the manifest says why it is wanted.

    Raises:
        ExportError: names every refused direction, and how to export it.
    """
    refused = [
        f"{name}: {_gain(report)}"
        for name, report in _reports(facts)
        if report.verdict == VERDICT_REFUSE and not report.accepted_negative_reason.strip()
    ]
    if refused:
        listed = "".join(f"\n  - {line}" for line in refused)
        raise ExportError(
            f"the gate refused this graft, transfer did harm:{listed}\nTo export it all the same, "
            'give a reason, which will stand in the model card: --accept-negative "reason"'
        )


def _reports(facts: pb.Bundle) -> Iterator[tuple[str, TransferReport]]:
    for pair in facts.pairs:
        yield f"{pair.source_language}-{pair.target_language}", pair.transfer
    yield "labels", facts.transfer


def _gain(report: TransferReport) -> str:
    gain = report.gain
    if not report.HasField("gain"):
        return "verdict REFUSE"
    interval = ""
    if gain.HasField("ci_low"):
        interval = f", 95% interval {gain.ci_low:.2f} to {gain.ci_high:.2f}"
    return f"gain {gain.value:+.2f} {gain.name}{interval}"


def begin(facts: pb.Bundle, config: Any, task: pb.Task, spm: Path) -> pb.Bundle:
    """A copy of `facts` with what follows from the model filled in.

    Raises:
        ExportError: names every fact that contradicts the model or its tokenizer.
    """
    pieces = _open_spm(spm)
    draft = pb.Bundle()
    draft.CopyFrom(facts)
    draft.format_version, draft.task, draft.family = FORMAT_VERSION, task, "marian"
    draft.tokenizer.kind = pb.TOKENIZER_KIND_SENTENCEPIECE
    draft.tokenizer.source_model = SPM_FILE
    draft.special_ids.eos = config.eos_token_id
    draft.special_ids.unk = pieces.unk_id()
    draft.special_ids.pad = config.pad_token_id
    draft.special_ids.decoder_start = config.decoder_start_token_id
    if faults := list(_contradictions(draft, config, pieces)):
        listed = "".join(f"\n  - {fault}" for fault in faults)
        raise ExportError(f"what is said of {facts.name!r} contradicts its model:{listed}")
    return draft


def begin_stock(facts: pb.Bundle, config: Any) -> pb.Bundle:
    """A copy of the `facts` of a stock checkpoint with what follows from its configuration.

    Raises:
        ExportError: names every fact that contradicts the model.
    """
    draft = pb.Bundle()
    draft.CopyFrom(facts)
    draft.format_version, draft.family = FORMAT_VERSION, config.model_type
    draft.task = pb.TASK_TRANSLATION
    ids, size = draft.special_ids, config.vocab_size
    own = {"eos": config.eos_token_id, "pad": config.pad_token_id}
    faults = [
        f"{name} is {getattr(ids, name)} in the tokenizer, {known} in the model"
        for name, known in own.items()
        if getattr(ids, name) != known
    ]
    faults += [
        f"language tag {tag.piece} has id {tag.id}, the model only {size} pieces"
        for tag in draft.language_tags
        if tag.id >= size
    ]
    if faults:
        listed = "".join(f"\n  - {fault}" for fault in faults)
        raise ExportError(f"the tokenizer of {facts.name!r} contradicts its model:{listed}")
    return draft


def _open_spm(path: Path) -> sentencepiece.SentencePieceProcessor:
    try:
        return sentencepiece.SentencePieceProcessor(model_proto=path.read_bytes())
    except (OSError, RuntimeError) as error:
        raise ExportError(f"{path} cannot be read as a SentencePiece model: {error}") from error


def _contradictions(
    draft: pb.Bundle, config: Any, pieces: sentencepiece.SentencePieceProcessor
) -> Iterator[str]:
    count = pieces.get_piece_size()
    if count != config.vocab_size - 1 or config.pad_token_id != count:
        yield (
            f"the tokenizer has {count} pieces, but the model {config.vocab_size} and its padding "
            f"is {config.pad_token_id}: padding must be the one piece more, and the last"
        )
    if pieces.eos_id() != config.eos_token_id:
        yield f"eos is {pieces.eos_id()} in the tokenizer, {config.eos_token_id} in the model"
    for tag in draft.language_tags:
        if (known := pieces.piece_to_id(tag.piece)) != tag.id or known == pieces.unk_id():
            yield f"language tag {tag.piece} is {known} in the tokenizer, {tag.id} in the manifest"
    limits = draft.limits
    for name in ("max_source_tokens", "max_target_tokens"):
        if getattr(limits, name) > config.max_position_embeddings:
            yield f"limits.{name} is above the model's {config.max_position_embeddings} positions"


def require_complete(draft: pb.Bundle, files: Sequence[str]) -> None:
    """Refuse a manifest with gaps before the long work begins.

    Args:
        draft: everything but files and graphs' quality.
        files: paths that the bundle will have.

    Raises:
        ExportError: names every gap.
    """
    trial = pb.Bundle()
    trial.CopyFrom(draft)
    trial.files.extend(pb.BundleFile(path=f, size_bytes=1, sha256="0" * 64) for f in files)
    for graphs in trial.graphs:
        graphs.quality_loss.CopyFrom(Metric(name="-", test_set="-", size=1))
    if faults := gaps(trial):
        listed = "".join(f"\n  - {fault}" for fault in faults)
        raise ExportError(f"the bundle cannot be written, its manifest is faulty:{listed}")


def graph_path(name: str, precision: pb.Precision) -> str:
    """Path inside the bundle: `encoder.int8.onnx`."""
    return f"{name}.{PRECISION_NAMES[precision]}.onnx"
