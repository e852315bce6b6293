"""The options of a translation request: what is wrong with them, and what is not built yet."""

from __future__ import annotations

import math
from dataclasses import dataclass

from lingraft.server.errors import RequestError
from lingraft.server.services.common import enum_faults, invalid, unsupported
from lingraft.v1 import common_pb2, translation_pb2

_MOST_LABELS = 64
_MOST_PATTERNS = 32

# Field, least and greatest value that the API allows.
_RANGES = (
    ("beam_size", 1, 64),
    ("max_output_tokens", 1, math.inf),
    ("length_penalty", 0, 10),
    ("max_length_ratio", 0, 100),
    ("repetition_penalty", 1, 10),
    ("no_repeat_ngram_size", 0, 32),
    ("alternative_count", 0, 63),
    ("temperature", 0, 10),
    ("top_k", 1, math.inf),
)
# Field, and the one value of it that greedy search can do.
_GREEDY = (
    ("beam_size", 1),
    ("repetition_penalty", 1),
    ("no_repeat_ngram_size", 0),
    ("alternative_count", 0),
    ("temperature", 0),
    ("target_prefix", ""),
)
_UNBUILT_RESPONSES = ("word_scores", "alignment", "quality", "term_report")


@dataclass(frozen=True)
class TranslationOptions:
    """What greedy search can be told; None takes the default of the model."""

    max_output_tokens: int | None
    max_length_ratio: float | None
    bulk: bool
    sentences: bool
    timings: bool


def option_faults(request: translation_pb2.TranslateTextRequest) -> list[RequestError]:
    """Everything that is wrong or not built, each with its field."""
    faults = enum_faults(request, "mime_type", "priority")
    faults += _decoding_faults(request.decoding)
    faults += _text_faults(request)
    wanted = request.response_options
    names = [name for name in _UNBUILT_RESPONSES if getattr(wanted, name)]
    faults += [unsupported(f"response_options.{name}") for name in names]
    return faults


def read_options(request: translation_pb2.TranslateTextRequest) -> TranslationOptions:
    """The options of a request that has no faults."""
    decoding, wanted = request.decoding, request.response_options
    length = decoding.HasField("max_output_tokens")
    ratio = decoding.HasField("max_length_ratio")
    return TranslationOptions(
        max_output_tokens=decoding.max_output_tokens if length else None,
        max_length_ratio=decoding.max_length_ratio if ratio else None,
        bulk=request.priority == translation_pb2.PRIORITY_BULK,
        sentences=wanted.sentences,
        timings=wanted.timings,
    )


def _decoding_faults(decoding: translation_pb2.DecodingOptions) -> list[RequestError]:
    faults: list[RequestError] = []
    for name, low, high in _RANGES:
        value = getattr(decoding, name)
        if _given(decoding, name) and not low <= value <= high:
            most = f" and at most {high}" if math.isfinite(high) else ""
            faults.append(invalid(f"decoding.{name}", f"must be at least {low}{most}, is {value}"))
    if _given(decoding, "top_k") and not decoding.temperature > 0:
        faults.append(invalid("decoding.top_k", "needs a temperature above 0"))
    if decoding.temperature > 0 and decoding.beam_size > 1:
        faults.append(invalid("decoding.temperature", "excludes a beam_size above 1"))
    beam = decoding.beam_size or 1
    if decoding.alternative_count >= beam and decoding.alternative_count > 0:
        faults.append(invalid("decoding.alternative_count", f"must be below beam_size, {beam}"))
    at_fault = {violation.field for fault in faults for violation in fault.violations}
    for name, possible in _GREEDY:
        asked = _given(decoding, name) and getattr(decoding, name) != possible
        if asked and f"decoding.{name}" not in at_fault:
            faults.append(unsupported(f"decoding.{name}"))
    return faults


def _given(decoding: translation_pb2.DecodingOptions, name: str) -> bool:
    """Whether an optional field was set; its default would be a legal value of some."""
    return bool(decoding.HasField(name))


def _text_faults(request: translation_pb2.TranslateTextRequest) -> list[RequestError]:
    faults: list[RequestError] = []
    if request.mime_type == common_pb2.MIME_TYPE_TEXT_HTML:
        faults.append(unsupported("mime_type", "text/html is not built in this server"))
    if request.terms:
        faults.append(unsupported("terms"))
    faults += [
        invalid(f"terms[{index}].source", "is empty")
        for index, term in enumerate(request.terms)
        if not term.source
    ]
    if request.glossary:
        faults.append(unsupported("glossary"))
    faults += [
        unsupported(f"protection.{field.name}") for field, _ in request.protection.ListFields()
    ]
    if len(request.protection.placeholder_patterns) > _MOST_PATTERNS:
        faults.append(invalid("protection.placeholder_patterns", f"are over {_MOST_PATTERNS}"))
    if len(request.labels) > _MOST_LABELS:
        faults.append(invalid("labels", f"are over {_MOST_LABELS}"))
    if request.decoding.target_prefix and len(request.contents) > 1:
        faults.append(invalid("decoding.target_prefix", "goes with one text only"))
    return faults
