"""DetectLanguage: which language each text is in; and what a request without a source tells."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from lingraft.server.batching import Document, Scores
from lingraft.server.errors import (
    InternalError,
    LanguageRequiredError,
    RequestError,
    UnsupportedLanguageError,
)
from lingraft.server.services.common import (
    Edge,
    batch_faults,
    beside_the_loop,
    check_text,
    invalid,
    refuse,
)
from lingraft.server.services.documents import answer_each, read_each
from lingraft.server.services.registry import Registry
from lingraft.server.services.scoring import softmax
from lingraft.server.services.served import Choice, Identifier
from lingraft.server.status import to_status
from lingraft.v1 import translation_pb2

UNDETERMINED = "und"
_MOST_CANDIDATES = 10


@dataclass(frozen=True)
class Candidate:
    """A language that a text may be in, BCP-47 or "und", and its probability, 0 to 1."""

    language: str
    confidence: float


@dataclass(frozen=True)
class Detected:
    """The languages of one text, best first; `wordless` where it has no letter to tell by."""

    candidates: tuple[Candidate, ...]
    wordless: bool = False


_WORDLESS = Detected((Candidate(UNDETERMINED, 1.0),), wordless=True)
Outcome = Detected | RequestError | InternalError


async def detect(
    registry: Registry,
    edge: Edge,
    request: translation_pb2.DetectLanguageRequest,
    deadline: float,
) -> translation_pb2.DetectLanguageResponse:
    """The answer to a call; each text has candidates or an error of its own.

    Raises InvalidArgumentError and TooManyTextsError with all faults, ModelNotFoundError where no
    model identifies languages, and as the scheduler.
    """
    refuse(_faults(edge, request))
    model = registry.identifier()
    outcomes = await _identify(model, edge, request.contents, deadline)
    most = request.max_candidates or 1
    return translation_pb2.DetectLanguageResponse(
        results=[_result(outcome, most) for outcome in outcomes], request_id=request.request_id
    )


async def told_by_texts(
    registry: Registry,
    edge: Edge,
    request: translation_pb2.TranslateTextRequest,
    refused: LanguageRequiredError,
    deadline: float,
) -> Choice:
    """Who translates a request that was `refused` for want of a source language.

    The source is the one language of all its texts, where they have one and a pair leads on from
    it; texts without letters, and those that are refused on their own, do not count. In every other
    case `refused` is raised, with what was found. Raises InternalError, and as the scheduler.
    """
    model = next(iter(registry.identifiers()), None)
    if model is None:
        raise refused
    bulk = request.priority == translation_pb2.PRIORITY_BULK
    best = _best(await _identify(model, edge, request.contents, deadline, bulk))
    languages = sorted({each.language for each in best})
    if len(languages) == 1 and languages[0] != UNDETERMINED:
        with suppress(UnsupportedLanguageError):
            choice = registry.translator(
                request.model,
                languages[0],
                request.target_language,
                through_third=request.allow_pivot,
            )
            confidence = min(each.confidence for each in best)
            return replace(choice, inferred=True, confidence=confidence)
    raise _with_finding(refused, languages)


def _faults(edge: Edge, request: translation_pb2.DetectLanguageRequest) -> list[RequestError]:
    faults = batch_faults(edge, request, "contents")
    if not 0 <= request.max_candidates <= _MOST_CANDIDATES:
        what = f"must be 1 to {_MOST_CANDIDATES}, or 0 for 1, is {request.max_candidates}"
        faults.append(invalid("max_candidates", what))
    return faults


async def _identify(
    model: Identifier, edge: Edge, texts: Sequence[str], deadline: float, bulk: bool = False
) -> list[Outcome]:
    """The languages of each text, or why it has none."""
    read = partial(read_each, texts, partial(_read, edge, model))
    readings = await beside_the_loop(texts, read)
    compose = partial(_outcome, model)
    return await answer_each(model.scheduler, readings, compose, deadline, bulk)


def _read(edge: Edge, model: Identifier, text: str, place: int) -> Document | Detected:
    check_text(edge, text, f"contents[{place}]")
    ids = model.codec.ids(text)
    return _WORDLESS if ids is None else Document(ids)


def _outcome(model: Identifier, found: Scores | Outcome, place: int) -> Outcome:
    if not isinstance(found, Scores):
        return found
    probabilities = softmax(found.logits)
    every = map(Candidate, model.bundle.labels, probabilities)
    return Detected(tuple(sorted(every, key=lambda each: -each.confidence)))


def _result(outcome: Outcome, most: int) -> translation_pb2.LanguageDetectionResult:
    if not isinstance(outcome, Detected):
        return translation_pb2.LanguageDetectionResult(error=to_status(outcome))
    candidates = [
        translation_pb2.LanguageCandidate(language=each.language, confidence=each.confidence)
        for each in outcome.candidates[:most]
    ]
    detection = translation_pb2.LanguageDetection(candidates=candidates)
    return translation_pb2.LanguageDetectionResult(detection=detection)


def _best(outcomes: Sequence[Outcome]) -> list[Candidate]:
    """The best candidate of each text that counts. Raises InternalError where the model failed."""
    for outcome in outcomes:
        if isinstance(outcome, InternalError):
            raise outcome
    detected = [outcome for outcome in outcomes if isinstance(outcome, Detected)]
    return [outcome.candidates[0] for outcome in detected if not outcome.wordless]


def _with_finding(refused: LanguageRequiredError, languages: Sequence[str]) -> RequestError:
    found = ", ".join(languages)
    told = f"the texts were identified as {found}" if languages else "no text tells its language"
    metadata = {**refused.metadata, "found": found}
    return LanguageRequiredError(f"{refused.message}; {told}", refused.violations, metadata)
