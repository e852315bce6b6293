"""What the client answers with: frozen dataclasses.

Enum values are their names without the prefix ("TRANSFER" for PAIR_STATUS_TRANSFER), so that they
read well and go into JSON as they are; a value from a newer server is its number as text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Metric:
    """One measured figure; `ci_low` and `ci_high` bound its 95% interval, None without one."""

    name: str
    value: float
    ci_low: float | None
    ci_high: float | None
    test_set: str
    size: int
    signature: str


@dataclass(frozen=True)
class TransferReport:
    """What transfer did, against its controls. A figure that was not measured is None."""

    parent_model: str
    parent_languages: tuple[str, ...]
    target_examples: int
    scratch: Metric | None
    zero_shot: Metric | None
    transfer: Metric | None
    parent_before: Metric | None
    parent_after: Metric | None
    gain: Metric | None
    verdict: str
    negative_transfer: bool
    accepted_negative_reason: str
    tokenizer_fertility: float
    data_sources: tuple[str, ...]
    licence: str


@dataclass(frozen=True)
class Calibration:
    """How scores were calibrated; only `calibrated` True makes a score a probability to trust."""

    language: str
    method: str
    size: int
    ece: float
    calibrated: bool


@dataclass(frozen=True)
class Quality:
    """How likely a translation is acceptable: sentence chrF++ above `acceptable_chrf` (0 to 100).

    `p_acceptable` (0 to 1) is None unless `calibrated`, and then rests on `size` examples with the
    calibration error `ece`. `raw_score` is the mean log-probability that there always is.
    """

    p_acceptable: float | None
    calibrated: bool
    raw_score: float
    acceptable_chrf: float
    size: int
    ece: float


@dataclass(frozen=True)
class Span:
    """A half-open range of code points of a text."""

    begin: int
    end: int


@dataclass(frozen=True)
class Alternative:
    """Another translation of the same text; the mean is that of its pieces' log-probabilities."""

    text: str
    mean_logprob: float


@dataclass(frozen=True)
class WordScore:
    """A word of a translation and the mean of its pieces' log-probabilities, at most 0."""

    target_span: Span
    mean_logprob: float


@dataclass(frozen=True)
class AlignmentLink:
    """A word of a translation and one that it was made from; weight 0 to 1."""

    source_span: Span
    target_span: Span
    weight: float


@dataclass(frozen=True)
class Sentence:
    """One sentence of a translated text; `words` and `alignment` only where asked for."""

    source_span: Span
    target_span: Span
    mean_logprob: float
    words: tuple[WordScore, ...]
    alignment: tuple[AlignmentLink, ...]
    quality: Quality | None = None


@dataclass(frozen=True)
class Translation:
    """A translated text. `detected_language` is the source language where the call named none.

    `detected_language_confidence` (0 to 1) is how sure that is, 0 where it was not read from the
    text but follows from the pairs. `alternatives` (best first) and `sentences` are there where the
    call asked for them, and so is `quality`.
    """

    text: str
    model: str
    pair_status: str
    detected_language: str | None
    warnings: tuple[str, ...]
    pivot_language: str | None
    alternatives: tuple[Alternative, ...] = ()
    sentences: tuple[Sentence, ...] = ()
    detected_language_confidence: float = 0.0
    quality: Quality | None = None


@dataclass(frozen=True)
class LanguageCandidate:
    """A language that a text may be in, BCP-47 or "und", and its probability, 0 to 1."""

    language: str
    confidence: float


@dataclass(frozen=True)
class LanguageDetection:
    """The languages that a text may be in, best first, at least one; "und" for none of them."""

    candidates: tuple[LanguageCandidate, ...]

    @property
    def language(self) -> str:
        """The best."""
        return self.candidates[0].language

    @property
    def confidence(self) -> float:
        """The probability of the best, 0 to 1."""
        return self.candidates[0].confidence


@dataclass(frozen=True)
class Label:
    """A label with its calibrated probability (0 to 1) and its logit."""

    name: str
    score: float
    raw_logit: float
    above_threshold: bool


@dataclass(frozen=True)
class Classification:
    """A classified text: labels best first, and the evidence behind their scores."""

    labels: tuple[Label, ...]
    decision: str
    language: str | None
    language_supported: bool
    calibration: Calibration
    model: str
    warnings: tuple[str, ...]
    transfer: TransferReport | None


@dataclass(frozen=True)
class LanguagePair:
    """A direction that a model translates, with its evidence."""

    name: str
    source_language: str
    target_language: str
    display_name: str
    status: str
    model: str
    metrics: tuple[Metric, ...]
    transfer: TransferReport | None
    max_input_tokens: int


@dataclass(frozen=True)
class Model:
    """A model that the server knows. `pairs` holds (source, target, status)."""

    name: str
    display_name: str
    task: str
    family: str
    state: str
    state_message: str
    precision: str
    provider: str
    pairs: tuple[tuple[str, str, str], ...]
    labels: tuple[str, ...]
    languages: tuple[str, ...]
    max_source_tokens: int
    max_target_tokens: int
    parent: str
    licence: str


@dataclass(frozen=True)
class ModelCard:
    """The card of a model in Markdown, and its manifest in the field names of bundle.proto."""

    name: str
    markdown: str
    bundle: Mapping[str, Any]


@dataclass(frozen=True)
class Health:
    """Whether a service ("" for the whole server) answers: SERVING, NOT_SERVING, ..."""

    service: str
    status: str

    @property
    def ok(self) -> bool:
        """True for SERVING alone."""
        return self.status == "SERVING"
