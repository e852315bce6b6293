"""The options of a translation request: what is wrong with them, and what is not built yet."""

from __future__ import annotations

import math
import secrets
from dataclasses import dataclass

from lingraft.server.bundle import Decoding
from lingraft.server.errors import RequestError
from lingraft.server.services.common import enum_faults, invalid, unsupported
from lingraft.v1 import common_pb2, translation_pb2

MOST_BEAMS = 16  # each is a row of the batch
MOST_SAMPLED = 256  # pieces to choose among; the graph sorts so many for every row

_MOST_LABELS = 64
_MOST_PATTERNS = 32
_SEED_BITS = 63

# Field, least and greatest value that the API allows.
_RANGES = (
    ("beam_size", 1, 64),
    ("max_output_tokens", 1, math.inf),
    ("min_output_tokens", 0, math.inf),
    ("length_penalty", 0, 10),
    ("max_length_ratio", 0, 100),
    ("repetition_penalty", 1, 10),
    ("no_repeat_ngram_size", 0, 32),
    ("alternative_count", 0, 63),
    ("temperature", 0, 10),
    ("top_k", 1, math.inf),
)
# Field, and the greatest value that this server can do.
_LIMITS = (("beam_size", MOST_BEAMS), ("top_k", MOST_SAMPLED))
_UNBUILT_RESPONSES = ("term_report",)


@dataclass(frozen=True)
class TranslationOptions:
    """How a request is decoded and what is added to its answer.

    The defaults of the model stand where the request says nothing. `max_output_tokens` None is no
    bound, as is a `max_length_ratio` of 0. `temperature` above 0 samples.
    """

    beam_size: int
    alternatives: int
    length_penalty: float
    repetition_penalty: float
    no_repeat_ngram_size: int
    min_output_tokens: int
    max_output_tokens: int | None
    max_length_ratio: float
    target_prefix: str
    temperature: float
    top_k: int
    seed: int
    bulk: bool
    sentences: bool
    word_scores: bool
    alignment: bool
    quality: bool
    timings: bool

    @property
    def hypotheses(self) -> int:
        """How many translations of a sentence are wanted."""
        return self.alternatives + 1


def option_faults(
    request: translation_pb2.TranslateTextRequest, defaults: Decoding | None
) -> list[RequestError]:
    """Everything that is wrong or not built, each with its field.

    `defaults` are those of the model; None where none was found.
    """
    faults = enum_faults(request, "mime_type", "priority")
    faults += _decoding_faults(request.decoding, defaults or Decoding())
    faults += _text_faults(request)
    wanted = request.response_options
    names = [name for name in _UNBUILT_RESPONSES if getattr(wanted, name)]
    faults += [unsupported(f"response_options.{name}") for name in names]
    return faults


def pivot_faults(request: translation_pb2.TranslateTextRequest) -> list[RequestError]:
    """What cannot be had through a third language: what ties words of source and target."""
    wanted, why = request.response_options, "cannot be told through a third language"
    names = [name for name in ("word_scores", "alignment") if getattr(wanted, name)]
    faults: list[RequestError] = [unsupported(f"response_options.{name}", why) for name in names]
    if request.decoding.target_prefix:
        faults.append(unsupported("decoding.target_prefix", "does not go through a third language"))
    return faults


def read_options(
    request: translation_pb2.TranslateTextRequest, defaults: Decoding
) -> TranslationOptions:
    """The options of a request that has no faults."""
    decoding, wanted = request.decoding, request.response_options
    length = decoding.HasField("max_output_tokens")
    return TranslationOptions(
        beam_size=_beam_size(decoding, defaults),
        alternatives=decoding.alternative_count,
        length_penalty=_or(decoding, "length_penalty", defaults.length_penalty),
        repetition_penalty=_or(decoding, "repetition_penalty", 1.0),
        no_repeat_ngram_size=decoding.no_repeat_ngram_size,
        min_output_tokens=decoding.min_output_tokens,
        max_output_tokens=decoding.max_output_tokens if length else None,
        max_length_ratio=_or(decoding, "max_length_ratio", defaults.max_length_ratio),
        target_prefix=decoding.target_prefix,
        temperature=decoding.temperature,
        top_k=decoding.top_k or MOST_SAMPLED,
        seed=decoding.seed if decoding.HasField("seed") else secrets.randbits(_SEED_BITS),
        bulk=request.priority == translation_pb2.PRIORITY_BULK,
        sentences=wanted.sentences or wanted.word_scores or wanted.alignment,
        word_scores=wanted.word_scores,
        alignment=wanted.alignment,
        quality=wanted.quality,
        timings=wanted.timings,
    )


def _beam_size(decoding: translation_pb2.DecodingOptions, defaults: Decoding) -> int:
    """A model's default gives way to sampling."""
    if _given(decoding, "beam_size"):
        return decoding.beam_size
    return 1 if decoding.temperature > 0 else defaults.beam_size


def _or(decoding: translation_pb2.DecodingOptions, name: str, default: float) -> float:
    return float(getattr(decoding, name)) if _given(decoding, name) else default


def _decoding_faults(
    decoding: translation_pb2.DecodingOptions, defaults: Decoding
) -> list[RequestError]:
    faults = _range_faults(decoding)
    if _given(decoding, "top_k") and not decoding.temperature > 0:
        faults.append(invalid("decoding.top_k", "needs a temperature above 0"))
    if decoding.temperature > 0 and decoding.beam_size > 1:
        faults.append(invalid("decoding.temperature", "excludes a beam_size above 1"))
    beam = _beam_size(decoding, defaults)
    if decoding.alternative_count >= beam and decoding.alternative_count > 0:
        faults.append(invalid("decoding.alternative_count", f"must be below beam_size, {beam}"))
    most = decoding.max_output_tokens
    if _given(decoding, "max_output_tokens") and decoding.min_output_tokens > most:
        what = f"must be at most max_output_tokens, {most}"
        faults.append(invalid("decoding.min_output_tokens", what))
    return faults


def _range_faults(decoding: translation_pb2.DecodingOptions) -> list[RequestError]:
    """Values that the API does not allow, and those that it allows and this server cannot do."""
    faults: list[RequestError] = []
    for name, low, high in _RANGES:
        value = getattr(decoding, name)
        if _given(decoding, name) and not low <= value <= high:
            most = f" and at most {high}" if math.isfinite(high) else ""
            faults.append(invalid(f"decoding.{name}", f"must be at least {low}{most}, is {value}"))
    at_fault = {violation.field for fault in faults for violation in fault.violations}
    for name, limit in _LIMITS:
        if getattr(decoding, name) > limit and f"decoding.{name}" not in at_fault:
            what = f"of {getattr(decoding, name)} is not possible here; the limit is {limit}"
            faults.append(unsupported(f"decoding.{name}", what))
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
