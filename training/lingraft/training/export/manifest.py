"""Completeness of a manifest: all that bundle.proto calls required, every gap in one list."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import PurePosixPath

from lingraft.v1 import bundle_pb2 as pb
from lingraft.v1.common_pb2 import (
    PAIR_STATUS_TRANSFER,
    PAIR_STATUS_UNSPECIFIED,
    VERDICT_REFUSE,
    VERDICT_UNSPECIFIED,
    CalibrationInfo,
    Metric,
    TransferReport,
)

FORMAT_VERSION = 1
MANIFEST_FILE = "bundle.json"
_NAME = re.compile(r"[a-z0-9._-]+")
_SHA256 = re.compile(r"[0-9a-f]{64}")

Gaps = Iterator[str]


def gaps(manifest: pb.Bundle) -> list[str]:
    """One line for every fault of `manifest`, in the order of its fields; empty when complete."""
    parts: tuple[Callable[[pb.Bundle], Gaps], ...] = (
        _identity,
        _translation,
        _classification,
        _files,
        _graphs,
        _text,
        _sizes,
        _provenance,
    )
    return [gap for part in parts for gap in part(manifest)]


def is_bundle_path(path: str) -> bool:
    """Whether `path` is relative, written with `/`, and stays inside the bundle's folder."""
    parts = PurePosixPath(path).parts
    plain = "\\" not in path and "\0" not in path and str(PurePosixPath(*parts)) == path
    return bool(parts) and plain and not path.startswith("/") and ".." not in parts and path != "."


def _missing(prefix: str, **fields: object) -> Gaps:
    yield from (f"{prefix}{name} is missing" for name, value in fields.items() if not value)


def _identity(m: pb.Bundle) -> Gaps:
    if m.format_version != FORMAT_VERSION:
        yield f"format_version is {m.format_version}, not {FORMAT_VERSION}"
    if not _NAME.fullmatch(m.name):
        yield f"name {m.name!r} is not made of lower-case letters, digits, '-', '.' and '_'"
    yield from _missing("", version=m.version, task=m.task, family=m.family)


def _translation(m: pb.Bundle) -> Gaps:
    if m.task != pb.TASK_TRANSLATION:
        return
    yield from _missing("", pairs=m.pairs)
    if m.tag_placement != pb.TAG_PLACEMENT_NONE:
        yield from _missing("", language_tags=m.language_tags)
    for i, pair in enumerate(m.pairs):
        at = f"pairs[{i}]."
        sides = {"source_language": pair.source_language, "target_language": pair.target_language}
        yield from _missing(at, **sides)
        if pair.status == PAIR_STATUS_UNSPECIFIED:
            yield f"{at}status is missing"
        if pair.status == PAIR_STATUS_TRANSFER and not pair.HasField("transfer"):
            yield f"{at}transfer is missing, though status is TRANSFER"
        if pair.HasField("transfer"):
            yield from _transfer(pair.transfer, f"{at}transfer.")
        yield from _metrics(pair.metrics, f"{at}metrics")
    for i, tag in enumerate(m.language_tags):
        yield from _missing(f"language_tags[{i}].", language=tag.language, piece=tag.piece)
    yield from _untagged(m)


def _untagged(m: pb.Bundle) -> Gaps:
    """Languages without a tag where `tag_placement` puts one."""
    tagged = {tag.language for tag in m.language_tags}
    if m.tag_placement == pb.TAG_PLACEMENT_SOURCE_AND_TARGET:
        for source in sorted({p.source_language for p in m.pairs if p.source_language} - tagged):
            yield f"language_tags has none for source language {source}"
    if m.tag_placement != pb.TAG_PLACEMENT_NONE:
        for target in sorted({p.target_language for p in m.pairs if p.target_language} - tagged):
            yield f"language_tags has none for target language {target}"


def _classification(m: pb.Bundle) -> Gaps:
    if m.task in (pb.TASK_CLASSIFICATION, pb.TASK_LANGUAGE_IDENTIFICATION):
        yield from _missing("", labels=m.labels)
        if m.HasField("transfer"):
            yield from _transfer(m.transfer, "transfer.")
        yield from _metrics(m.metrics, "metrics")


def _transfer(report: TransferReport, at: str) -> Gaps:
    yield from _missing(
        at, parent_model=report.parent_model, target_examples=report.target_examples
    )
    for name in ("scratch", "transfer"):
        if not report.HasField(name):
            yield f"{at}{name} is missing"
    for name in ("scratch", "zero_shot", "transfer", "parent_before", "parent_after", "gain"):
        if report.HasField(name):
            yield from _metric(getattr(report, name), f"{at}{name}.")
    refused = report.verdict == VERDICT_REFUSE
    if report.verdict == VERDICT_UNSPECIFIED:
        yield f"{at}verdict is missing"
    if report.negative_transfer != refused:
        yield f"{at}negative_transfer is {report.negative_transfer}, which the verdict contradicts"
    if refused and not report.accepted_negative_reason:
        yield f"{at}accepted_negative_reason is missing, though the verdict is REFUSE"
    if report.accepted_negative_reason and not refused:
        yield f"{at}accepted_negative_reason is given, though the verdict is not REFUSE"


def _metrics(metrics: Iterable[Metric], at: str) -> Gaps:
    for i, metric in enumerate(metrics):
        yield from _metric(metric, f"{at}[{i}].")


def _metric(metric: Metric, at: str) -> Gaps:
    yield from _missing(at, name=metric.name, test_set=metric.test_set, size=metric.size > 0)
    if metric.HasField("ci_low") != metric.HasField("ci_high"):
        yield f"{at}ci_{'high' if metric.HasField('ci_low') else 'low'} is missing"


def _files(m: pb.Bundle) -> Gaps:
    yield from _missing("", files=m.files)
    for i, file in enumerate(m.files):
        if not is_bundle_path(file.path) or file.path == MANIFEST_FILE:
            yield f"files[{i}].path {file.path!r} is not a file inside the bundle"
        if file.size_bytes <= 0:
            yield f"{file.path} is empty"
        if not _SHA256.fullmatch(file.sha256):
            yield f"files[{i}].sha256 is missing"
    paths = [file.path for file in m.files]
    yield from (
        f"{path} is listed twice" for path in sorted({p for p in paths if paths.count(p) > 1})
    )


def _graphs(m: pb.Bundle) -> Gaps:
    yield from _missing("", graphs=m.graphs)
    translation = m.task == pb.TASK_TRANSLATION
    needed = ("encoder", "decoder_step") if translation else ("classifier",)
    for i, graphs in enumerate(m.graphs):
        at = f"graphs[{i}]."
        if graphs.precision == pb.PRECISION_UNSPECIFIED:
            yield f"{at}precision is missing"
        for name in needed:
            yield from _path(m, getattr(graphs, name), f"{at}{name}")
        if graphs.HasField("quality_loss"):
            yield from _metric(graphs.quality_loss, f"{at}quality_loss.")
        elif graphs.precision != pb.PRECISION_FP32:
            yield f"{at}quality_loss is missing"
        if not 0 <= graphs.identical_share <= 1:
            yield f"{at}identical_share {graphs.identical_share} is not between 0 and 1"
        for j, pair in enumerate(graphs.pair_losses):
            within = f"{at}pair_losses[{j}]."
            languages = {"source_language": pair.source_language}
            languages |= {"target_language": pair.target_language}
            yield from _missing(within, **languages)
            yield from _metric(pair.loss, f"{within}loss.")


def _path(m: pb.Bundle, path: str, at: str) -> Gaps:
    if not path:
        yield f"{at} is missing"
    elif path not in {file.path for file in m.files}:
        yield f"{at} names {path!r}, which is not among the files"


def _text(m: pb.Bundle) -> Gaps:
    if m.tokenizer.kind == pb.TOKENIZER_KIND_UNSPECIFIED:
        yield "tokenizer.kind is missing"
    if m.tokenizer.kind != pb.TOKENIZER_KIND_CODE_POINTS:
        yield from _path(m, m.tokenizer.source_model, "tokenizer.source_model")
    if m.task == pb.TASK_TRANSLATION or m.tokenizer.target_model:
        yield from _path(m, m.tokenizer.target_model, "tokenizer.target_model")
    if m.tokenizer.kind == pb.TOKENIZER_KIND_SENTENCEPIECE_VOCABULARY:
        yield from _path(m, m.tokenizer.source_vocabulary, "tokenizer.source_vocabulary")
    if m.tokenizer.target_vocabulary:
        yield from _path(m, m.tokenizer.target_vocabulary, "tokenizer.target_vocabulary")
    ids = m.special_ids
    if len({ids.eos, ids.unk, ids.pad}) < 3:
        yield "special_ids is missing, or two of eos, unk and pad are equal"
    yield from _missing("normalization.", unicode_form=m.normalization.unicode_form)
    for i, mapping in enumerate(m.normalization.mappings):
        yield from _missing(f"normalization.mappings[{i}].", language=mapping.language)
        if len(mapping.source) != 1:
            yield f"normalization.mappings[{i}].source {mapping.source!r} is not one code point"


def _sizes(m: pb.Bundle) -> Gaps:
    limits, sizes = m.limits, m.dimensions
    yield from _missing("limits.", max_source_tokens=limits.max_source_tokens > 0)
    if m.task != pb.TASK_TRANSLATION:
        return
    yield from _missing("limits.", max_target_tokens=limits.max_target_tokens > 0)
    yield from _missing(
        "dimensions.",
        decoder_layers=sizes.decoder_layers > 0,
        heads=sizes.heads > 0,
        head_size=sizes.head_size > 0,
        vocabulary_size=sizes.vocabulary_size > 0,
    )


def _provenance(m: pb.Bundle) -> Gaps:
    for i, calibration in enumerate(m.calibration):
        yield from _calibration(calibration, f"calibration[{i}].", len(m.labels))
    yield from _thresholds(m)
    if m.parent and not _SHA256.fullmatch(m.parent_sha256):
        yield "parent_sha256 is missing, though parent is set"
    yield from _missing("", data_sources=m.data_sources, licence=m.licence)
    for i, source in enumerate(m.data_sources):
        yield from _missing(f"data_sources[{i}].", name=source.name, licence=source.licence)


def _calibration(info: CalibrationInfo, at: str, labels: int) -> Gaps:
    evidence = {"method": info.method, "size": info.size > 0, "parameters": info.parameters}
    yield from _missing(at, language=info.language)
    if not info.calibrated:
        return
    yield from _missing(at, **evidence)
    threes = 1 + 3 * len(info.features)
    counts = {"temperature": 1, "vector": 2 * labels, "constant": 1, "logistic": threes}
    needed = counts.get(info.method, len(info.parameters))
    if info.parameters and len(info.parameters) != needed:
        yield f"{at}parameters are {len(info.parameters)}, {info.method} needs {needed}"
    if info.method in ("constant", "logistic"):
        yield from _missing(at, acceptable_chrf=info.acceptable_chrf)


def _thresholds(m: pb.Bundle) -> Gaps:
    for i, each in enumerate(m.thresholds):
        at = f"thresholds[{i}]."
        told = {"profile": each.profile, "language": each.language, "target_rate": each.target_rate}
        yield from _missing(at, **told)
        if each.label not in m.labels:
            yield f"{at}label {each.label!r} is not among the labels"
        if not each.usable:
            yield from _missing(at, reason=each.reason)
    default = m.default_threshold_profile
    if default and default not in {each.profile for each in m.thresholds}:
        yield f"default_threshold_profile {default!r} has no thresholds"
