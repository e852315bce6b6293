"""Reads a bundle: version first, then the manifest, then every file; all faults in one error."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from google.protobuf import json_format

from lingraft.server.bundle import manifest as contract
from lingraft.server.bundle.model import (
    Bundle,
    Decoding,
    Dimensions,
    Graphs,
    Limits,
    Pair,
    Precision,
    SpecialIds,
    TagPlacement,
    Task,
    TokenizerFiles,
    TokenizerKind,
)
from lingraft.server.errors import BundleError
from lingraft.v1 import bundle_pb2

FORMAT_VERSION = 1
MANIFEST = "bundle.json"
CARD = "README.md"


def read_bundle(folder: Path) -> Bundle:
    """The bundle in `folder`, with every file's size and SHA-256 checked.

    Raises BundleError, whose one message names every missing field and every bad file.
    """
    text = _manifest_text(folder)
    raw = _json_object(folder, text)
    _check_version(folder, raw)
    message = _parse(folder, raw)
    absent = contract.missing(message)
    faults = [f"missing: {', '.join(absent)}"] if absent else []
    faults += contract.wrong(message)
    faults += _file_faults(folder, message)
    if faults:
        raise BundleError(f"bundle {folder} cannot be served: {'; '.join(faults)}")
    return _freeze(folder, message, text)


def _manifest_text(folder: Path) -> str:
    path = folder / MANIFEST
    if not folder.is_dir():
        raise BundleError(f"bundle {folder} is not a folder")
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise BundleError(f"bundle {folder}: {MANIFEST} is not UTF-8: {error}") from error
    except OSError as error:
        raise BundleError(f"bundle {folder}: cannot read {MANIFEST}: {error.strerror}") from error


def _json_object(folder: Path, text: str) -> dict[str, Any]:
    try:
        raw = json.loads(text)
    except ValueError as error:
        raise BundleError(f"bundle {folder}: {MANIFEST} is not JSON: {error}") from error
    if not isinstance(raw, dict):
        raise BundleError(f"bundle {folder}: {MANIFEST} is not a JSON object")
    return raw


def _check_version(folder: Path, raw: Mapping[str, Any]) -> None:
    """Nothing else of a newer format is looked at: its other fields may mean something else."""
    version = raw.get("formatVersion", raw.get("format_version", 0))
    if not isinstance(version, int) or version < 0:
        raise BundleError(f"bundle {folder}: format_version is {version!r}, not a whole number")
    if version > FORMAT_VERSION:
        name = raw.get("name", folder.name)
        raise BundleError(
            f"bundle {name} in {folder} has format {version}, this server reads "
            f"{FORMAT_VERSION}: upgrade lingraft"
        )


def _parse(folder: Path, raw: dict[str, Any]) -> bundle_pb2.Bundle:
    """Fields that a later writer of the same format added are passed over."""
    try:
        return json_format.ParseDict(raw, bundle_pb2.Bundle(), ignore_unknown_fields=True)
    except json_format.ParseError as error:
        raise BundleError(f"bundle {folder}: {MANIFEST}: {error}") from error


def _file_faults(folder: Path, message: bundle_pb2.Bundle) -> Iterator[str]:
    root = folder.resolve()
    for file in message.files:
        if not file.path:
            continue  # already named as missing
        path = (root / file.path).resolve()
        if not path.is_relative_to(root):
            yield f"{file.path} lies outside the bundle"
        elif not path.is_file():
            yield f"{file.path} is not there"
        elif path.stat().st_size != file.size_bytes:
            yield f"{file.path} has {path.stat().st_size} bytes, not {file.size_bytes}"
        elif file.sha256 and _sha256(path) != file.sha256:
            yield f"{file.path} is damaged: its SHA-256 differs"


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _freeze(folder: Path, message: bundle_pb2.Bundle, text: str) -> Bundle:
    special, limits, size = message.special_ids, message.limits, message.dimensions
    source, target = _tokenizers(folder, message.tokenizer)
    return Bundle(
        folder=folder,
        files=frozenset(folder / file.path for file in message.files),
        name=message.name,
        version=message.version,
        task=_task(message),
        pairs=tuple(map(_pair, message.pairs)),
        labels=tuple(message.labels),
        languages=tuple(message.languages),
        graphs=tuple(_graphs(folder, each) for each in message.graphs),
        source_tokenizer=source,
        target_tokenizer=target,
        special=_special(special),
        tags={tag.language.lower(): tag.id for tag in message.language_tags},
        tag_placement=_placement(message),
        composed=message.normalization.unicode_form == "NFC",
        mappings=_mappings(message),
        limits=Limits(limits.max_source_tokens, limits.max_target_tokens),
        dimensions=Dimensions(
            size.decoder_layers, size.heads, size.head_size, size.vocabulary_size
        ),
        decoding=_decoding(message),
        manifest=text,
        card=_card(folder, message),
    )


def _task(message: bundle_pb2.Bundle) -> Task:
    return Task[bundle_pb2.Task.Name(message.task).removeprefix("TASK_")]


def _special(ids: bundle_pb2.SpecialIds) -> SpecialIds:
    start = ids.text_start if ids.HasField("text_start") else None
    return SpecialIds(ids.eos, ids.unk, ids.pad, ids.decoder_start, start)


def _pair(pair: bundle_pb2.BundlePair) -> Pair:
    return Pair(pair.source_language, pair.target_language, pair.source_prefix)


def _tokenizers(folder: Path, given: bundle_pb2.Tokenizer) -> tuple[TokenizerFiles, TokenizerFiles]:
    """The tokenizers of source and target."""
    name = bundle_pb2.TokenizerKind.Name(given.kind).removeprefix("TOKENIZER_KIND_")
    kind = TokenizerKind[name]
    if kind is TokenizerKind.CODE_POINTS:
        return TokenizerFiles(kind), TokenizerFiles(kind)
    target = given.target_model or given.source_model
    if kind is not TokenizerKind.SENTENCEPIECE_VOCABULARY:
        return TokenizerFiles(kind, folder / given.source_model), TokenizerFiles(
            kind, folder / target
        )
    vocabulary = given.target_vocabulary or given.source_vocabulary
    return (
        TokenizerFiles(kind, folder / given.source_model, folder / given.source_vocabulary),
        TokenizerFiles(kind, folder / target, folder / vocabulary),
    )


def _placement(message: bundle_pb2.Bundle) -> TagPlacement:
    if message.tag_placement == bundle_pb2.TAG_PLACEMENT_UNSPECIFIED:
        return TagPlacement.TARGET_IN_SOURCE
    name = bundle_pb2.TagPlacement.Name(message.tag_placement)
    return TagPlacement[name.removeprefix("TAG_PLACEMENT_")]


def _graphs(folder: Path, graphs: bundle_pb2.GraphSet) -> Graphs:
    name = bundle_pb2.Precision.Name(graphs.precision).removeprefix("PRECISION_")
    paths = (graphs.encoder, graphs.decoder_step, graphs.classifier)
    return Graphs(Precision[name], *(folder / path if path else None for path in paths))


def _mappings(message: bundle_pb2.Bundle) -> dict[str, dict[str, str]]:
    mappings: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for each in message.normalization.mappings:
        mappings[each.language.lower()][each.source] = each.target
    return dict(mappings)


def _decoding(message: bundle_pb2.Bundle) -> Decoding:
    given = message.decoding
    return Decoding(given.beam_size or 1, given.length_penalty or 1.0, given.max_length_ratio)


def _card(folder: Path, message: bundle_pb2.Bundle) -> str:
    if CARD not in {file.path for file in message.files}:
        return ""
    return (folder / CARD).read_text(encoding="utf-8", errors="replace")
