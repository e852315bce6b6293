"""One translation request on its way: read, submitted to the scheduler, put together again."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from lingraft.server.batching import Hypothesis, Source
from lingraft.server.errors import InternalError, RequestError
from lingraft.server.services.common import Edge, check_text, too_many
from lingraft.server.services.options import TranslationOptions
from lingraft.server.services.registry import Choice
from lingraft.server.text import Sentence, assemble, is_copy, is_loop, segment, split_sentences
from lingraft.v1 import common_pb2, translation_pb2

Futures = list[Future[Hypothesis]]  # one for each sentence of a text

TAG_AND_END = 2
_FREE_PIECES = 10  # allowed on top of the ratio: `DecodingOptions.max_length_ratio`


@dataclass(frozen=True)
class Job:
    """What is the same for all texts of a request."""

    choice: Choice
    options: TranslationOptions
    edge: Edge


@dataclass(frozen=True)
class Reading:
    """One text of a request: its sentences, or why it has none."""

    text: str
    sentences: tuple[Sentence, ...] = ()
    sources: tuple[Source, ...] = ()  # what the scheduler is given, one for each sentence
    error: RequestError | None = None


def read(job: Job, texts: Sequence[str]) -> list[Reading]:
    """Every text as sentences and ids. Takes time: not for the event loop.

    Raises TooManyTextsError: before anything is tokenised for too many sentences, and as soon as
    too many are there for sentences that have to be cut into parts.
    """
    readings = [_check(job, text, f"contents[{index}]") for index, text in enumerate(texts)]
    good = [reading.text for reading in readings if reading.error is None]
    _refuse_over(job.edge, sum(len(split_sentences(text)) for text in good))
    rows = 0
    for index, reading in enumerate(readings):
        if reading.error is None:
            readings[index] = _tokenize(job, reading.text)
            rows += len(readings[index].sentences)
            _refuse_over(job.edge, rows)
    return readings


def submit(
    job: Job, readings: Sequence[Reading], deadline: float
) -> list[list[Future[Hypothesis]]]:
    """All sentences of all texts at once; the futures of each text. Raises as the scheduler."""
    flat = [source for reading in readings for source in reading.sources]
    scheduler = job.choice.model.scheduler
    futures = iter(scheduler.submit(flat, deadline, job.options.bulk) if flat else [])
    return [[next(futures) for _ in reading.sources] for reading in readings]


def compose(
    job: Job, reading: Reading, hypotheses: Sequence[Hypothesis]
) -> translation_pb2.Translation:
    """The answer to one text. Raises InternalError when the model had nothing to say."""
    outputs = [job.choice.model.codec.decode(each.ids) for each in hypotheses]
    assembled = assemble(reading.text, reading.sentences, outputs)
    if not assembled.text.strip():
        raise InternalError("the model gave an empty translation")
    pair = job.choice.pair
    answer = translation_pb2.Translation(
        text=assembled.text,
        detected_language=pair.source if job.choice.inferred else "",
        model=job.choice.model.name,
        pair_status=job.choice.model.evidence(pair).status,
        warnings=_warnings(reading, hypotheses, outputs),
    )
    if job.options.sentences:
        rows = zip(reading.sentences, assembled.spans, hypotheses, strict=True)
        answer.sentences.extend(
            translation_pb2.SentenceResult(
                source_span=common_pb2.TextSpan(begin=source.span.begin, end=source.span.end),
                target_span=common_pb2.TextSpan(begin=target.begin, end=target.end),
                mean_logprob=sum(hypothesis.logprobs) / max(1, len(hypothesis.logprobs)),
            )
            for source, target, hypothesis in rows
        )
    return answer


def _check(job: Job, text: str, field: str) -> Reading:
    try:
        check_text(job.edge, text, field)
    except RequestError as error:
        return Reading(text, error=error)
    return Reading(text)


def _refuse_over(edge: Edge, count: int) -> None:
    if count > edge.max_sentences:
        raise too_many("contents", edge.max_sentences, count, f"at least {count} sentences")


def _tokenize(job: Job, text: str) -> Reading:
    model, language = job.choice.model, job.choice.pair.source
    most = model.bundle.limits.max_source_tokens - TAG_AND_END
    sentences = segment(text, lambda part: model.codec.pieces(part, language), most)
    return Reading(text, tuple(sentences), tuple(_source(job, each) for each in sentences))


def _source(job: Job, sentence: Sentence) -> Source:
    bundle = job.choice.model.bundle
    ids = job.choice.model.codec.translation_ids(sentence.pieces, job.choice.pair.target)
    limits = [bundle.limits.max_target_tokens]
    if job.options.max_output_tokens is not None:
        limits.append(job.options.max_output_tokens)
    ratio = job.options.max_length_ratio
    ratio = bundle.decoding.max_length_ratio if ratio is None else ratio
    if ratio > 0:
        limits.append(int(ratio * len(ids)) + _FREE_PIECES)
    return Source(ids, min(limits))


def _warnings(
    reading: Reading, hypotheses: Sequence[Hypothesis], outputs: Sequence[str]
) -> list[common_pb2.Warning]:
    rows = list(zip(reading.sentences, hypotheses, strict=True))
    found = []
    if any(hypothesis.truncated for hypothesis in hypotheses):
        found.append(common_pb2.WARNING_TRUNCATED)
    if any(is_loop(hypothesis.ids, sentence.pieces) for sentence, hypothesis in rows):
        found.append(common_pb2.WARNING_REPETITION)
    spans = [sentence.span for sentence in reading.sentences]
    originals = [reading.text[span.begin : span.end] for span in spans]
    if any(is_copy(*each) for each in zip(originals, outputs, strict=True)):
        found.append(common_pb2.WARNING_COPIED_SOURCE)
    return found
