"""What a manifest must hold, as tables, and the walk that names all that is missing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from google.protobuf.message import Message

from lingraft.server.bundle.evidence import wrong_calibrations, wrong_thresholds
from lingraft.v1 import bundle_pb2, common_pb2

# Fields that bundle.proto calls required, and whose zero value says nothing. Ids are not among
# them: 0 is an id.
_REQUIRED: dict[str, Sequence[str]] = {
    "Bundle": (
        *("format_version", "name", "version", "task", "family", "files", "graphs", "tokenizer"),
        *("special_ids", "normalization", "limits", "data_sources", "licence"),
    ),
    "BundlePair": ("source_language", "target_language", "status"),
    "BundleFile": ("path", "size_bytes", "sha256"),
    "GraphSet": ("precision",),
    "Tokenizer": ("kind",),
    "LanguageTag": ("language", "piece", "id"),
    "Normalization": ("unicode_form",),
    "LetterMapping": ("language", "source"),
    "Limits": ("max_source_tokens",),
    "Dimensions": ("decoder_layers", "heads", "head_size", "vocabulary_size"),
    "DataSource": ("name", "licence"),
    "Metric": ("name", "test_set", "size"),
    "LabelThreshold": ("profile", "label", "language", "target_rate"),
    "TransferReport": ("parent_model", "target_examples", "scratch", "transfer", "verdict"),
}

_NAME = re.compile(r"[a-z0-9._-]+")
# What BCP-47 looks like, "und" included.
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*")
_SHA256 = re.compile(r"[0-9a-f]{64}")


def missing(manifest: bundle_pb2.Bundle) -> list[str]:
    """Paths of all required fields that are not there, in the order of the proto."""
    depending = [*_absent_for_task(manifest), *_absent_tokenizer_files(manifest)]
    return [*_absent(manifest, ""), *depending, *_absent_evidence(manifest)]


def wrong(manifest: bundle_pb2.Bundle) -> list[str]:
    """Sentences about all fields that are there but at odds with the contract."""
    unknown = _unknown_enums(manifest, "")
    evidence = [*wrong_calibrations(manifest), *wrong_thresholds(manifest)]
    identification = _wrong_identification(manifest)
    values = [*_wrong_values(manifest), *identification, *_wrong_references(manifest)]
    return [*unknown, *values, *evidence]


def named_files(manifest: bundle_pb2.Bundle) -> list[str]:
    """Every file that the graphs and the tokenizer name, once."""
    tokenizer = manifest.tokenizer
    paths = [tokenizer.source_model, tokenizer.target_model]
    paths += [tokenizer.source_vocabulary, tokenizer.target_vocabulary]
    for graph in manifest.graphs:
        paths += [graph.encoder, graph.decoder_step, graph.classifier]
    return list(dict.fromkeys(path for path in paths if path))


def _is_set(message: Message, field: Any) -> bool:
    if field.is_repeated or field.message_type is None:
        return bool(getattr(message, field.name))
    return message.HasField(field.name)


def _absent(message: Message, prefix: str) -> Iterator[str]:
    """Walks the tables of this message and of every message inside it."""
    fields = message.DESCRIPTOR.fields_by_name
    for name in _REQUIRED.get(message.DESCRIPTOR.name, ()):
        if not _is_set(message, fields[name]):
            yield prefix + name
    for label, child in _children(message):
        yield from _absent(child, f"{prefix}{label}.")


def _unknown_enums(message: Message, prefix: str) -> Iterator[str]:
    """Numbers that stand for nothing in this version; proto3 lets them through."""
    for field, value in message.ListFields():
        if field.enum_type is not None and value not in field.enum_type.values_by_number:
            yield f"{prefix}{field.name} has no value {value}"
    for label, child in _children(message):
        yield from _unknown_enums(child, f"{prefix}{label}.")


def _children(message: Message) -> Iterator[tuple[str, Message]]:
    """The messages inside a message, with their places."""
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        if field.is_repeated:
            yield from ((f"{field.name}[{index}]", child) for index, child in enumerate(value))
        else:
            yield field.name, value


def _absent_for_task(manifest: bundle_pb2.Bundle) -> Iterator[str]:
    translation = manifest.task == bundle_pb2.TASK_TRANSLATION
    if manifest.task == bundle_pb2.TASK_UNSPECIFIED:
        return  # already named; what else is needed depends on it
    needed = ["pairs", "dimensions"] if translation else ["labels"]
    if translation and manifest.tag_placement != bundle_pb2.TAG_PLACEMENT_NONE:
        needed.insert(1, "language_tags")
    fields = manifest.DESCRIPTOR.fields_by_name
    yield from (name for name in needed if not _is_set(manifest, fields[name]))
    if translation and manifest.HasField("limits") and not manifest.limits.max_target_tokens:
        yield "limits.max_target_tokens"
    roles = ("encoder", "decoder_step") if translation else ("classifier",)
    for index, graph in enumerate(manifest.graphs):
        yield from (f"graphs[{index}].{role}" for role in roles if not getattr(graph, role))


def _absent_tokenizer_files(manifest: bundle_pb2.Bundle) -> Iterator[str]:
    if not manifest.HasField("tokenizer"):
        return  # already named
    tokenizer = manifest.tokenizer
    if tokenizer.kind != bundle_pb2.TOKENIZER_KIND_CODE_POINTS and not tokenizer.source_model:
        yield "tokenizer.source_model"
    if manifest.task == bundle_pb2.TASK_TRANSLATION and not tokenizer.target_model:
        yield "tokenizer.target_model"
    looked_up = tokenizer.kind == bundle_pb2.TOKENIZER_KIND_SENTENCEPIECE_VOCABULARY
    if looked_up and not tokenizer.source_vocabulary:
        yield "tokenizer.source_vocabulary"


def _absent_evidence(manifest: bundle_pb2.Bundle) -> Iterator[str]:
    """Evidence without which a bundle is not served: losses, transfer reports, reasons."""
    if manifest.parent and not manifest.parent_sha256:
        yield "parent_sha256"
    for index, graph in enumerate(manifest.graphs):
        exact = graph.precision in (bundle_pb2.PRECISION_FP32, bundle_pb2.PRECISION_UNSPECIFIED)
        if not exact and not graph.HasField("quality_loss"):
            yield f"graphs[{index}].quality_loss"
    for index, pair in enumerate(manifest.pairs):
        grafted = pair.status == common_pb2.PAIR_STATUS_TRANSFER
        if grafted and not pair.HasField("transfer"):
            yield f"pairs[{index}].transfer"
        if pair.HasField("transfer"):
            yield from _absent_reason(pair.transfer, f"pairs[{index}].transfer")
    if manifest.HasField("transfer"):
        yield from _absent_reason(manifest.transfer, "transfer")


def _absent_reason(report: common_pb2.TransferReport, path: str) -> Iterator[str]:
    if report.verdict == common_pb2.VERDICT_REFUSE and not report.accepted_negative_reason:
        yield f"{path}.accepted_negative_reason"


def _wrong_values(manifest: bundle_pb2.Bundle) -> Iterator[str]:
    if manifest.name and not _NAME.fullmatch(manifest.name):
        yield f"name {manifest.name!r} holds more than a-z, 0-9, '-', '.' and '_'"
    form = manifest.normalization.unicode_form
    if form not in ("", "NFC", "NONE"):
        yield f"normalization.unicode_form is {form!r}, this server knows NFC and NONE"
    for index, mapping in enumerate(manifest.normalization.mappings):
        if len(mapping.source) > 1:
            yield f"normalization.mappings[{index}].source is not one code point"
    for file in manifest.files:
        if file.sha256 and not _SHA256.fullmatch(file.sha256):
            yield f"sha256 of {file.path} is not 64 lower-case hex digits"
    for field in ("max_source_tokens", "max_target_tokens"):
        if getattr(manifest.limits, field) < 0:
            yield f"limits.{field} is negative"


def _wrong_identification(manifest: bundle_pb2.Bundle) -> Iterator[str]:
    """Labels that are no languages, and code points where text has to be written again."""
    if manifest.task == bundle_pb2.TASK_LANGUAGE_IDENTIFICATION:
        for label in manifest.labels:
            if not _LANGUAGE.fullmatch(label):
                yield f"label {label!r} is no language in BCP-47, nor 'und'"
    elif manifest.tokenizer.kind == bundle_pb2.TOKENIZER_KIND_CODE_POINTS:
        yield "tokenizer.kind CODE_POINTS is for TASK_LANGUAGE_IDENTIFICATION alone"


def _untagged(manifest: bundle_pb2.Bundle) -> Iterator[str]:
    """Languages that need a tag where `tag_placement` puts one, and have none."""
    placement = manifest.tag_placement
    tagged = {tag.language.lower() for tag in manifest.language_tags}
    languages: list[tuple[str, str]] = []
    if placement == bundle_pb2.TAG_PLACEMENT_SOURCE_AND_TARGET:
        languages += [("source", pair.source_language) for pair in manifest.pairs]
    if placement != bundle_pb2.TAG_PLACEMENT_NONE:
        languages += [("target", pair.target_language) for pair in manifest.pairs]
    for side, language in dict.fromkeys(languages):
        if language and language.lower() not in tagged:
            yield f"{side} language {language} has no entry in language_tags"


def _wrong_references(manifest: bundle_pb2.Bundle) -> Iterator[str]:
    listed = {file.path for file in manifest.files}
    for path in named_files(manifest):
        if path not in listed:
            yield f"{path} is used but not listed in files"
    yield from _untagged(manifest)
    size = manifest.dimensions.vocabulary_size
    ids = [("tag " + tag.piece, tag.id) for tag in manifest.language_tags]
    special = ("eos", "unk", "pad", "decoder_start")
    ids += [(name, getattr(manifest.special_ids, name)) for name in special]
    for label, number in ids:
        if size and not 0 <= number < size:
            yield f"id {number} of {label} is outside the vocabulary of {size}"
