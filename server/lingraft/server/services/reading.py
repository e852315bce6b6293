"""Texts of a request as sentences, ids and searches: what the scheduler is given."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

from lingraft.server.batching import Source
from lingraft.server.errors import InternalError, RequestError
from lingraft.server.search import SearchOptions, begin
from lingraft.server.services.common import Edge, check_text, invalid, too_many
from lingraft.server.services.options import TranslationOptions
from lingraft.server.services.quality import calibration_of
from lingraft.server.services.served import Choice
from lingraft.server.text import Sentence, segment, split_sentences
from lingraft.v1 import common_pb2

_FREE_PIECES = 10  # allowed on top of the ratio: `DecodingOptions.max_length_ratio`


@dataclass(frozen=True)
class Job:
    """What is the same for all texts of a request.

    deadline: by the edge's clock, seconds.
    pivot: whether it is a step of a way through a third language, which no calibration fits.
    onward: what is done with its translations, where the way leads on to another language.
    """

    choice: Choice
    options: TranslationOptions
    edge: Edge
    deadline: float
    pivot: bool = False
    onward: Job | None = None

    @cached_property
    def calibration(self) -> common_pb2.CalibrationInfo | None:
        """What estimates the quality of its translations; None where nothing can."""
        foreign = self.options.temperature > 0 or self.options.target_prefix
        return None if foreign or self.pivot else calibration_of(self.choice)

    @property
    def reads_alignment(self) -> bool:
        """Whether an estimate that was asked for needs the alignment."""
        info = self.calibration if self.options.quality else None
        return info is not None and "coverage" in info.features


@dataclass(frozen=True)
class Task:
    """A sentence, what the scheduler is given for it, and how its target is searched for."""

    sentence: Sentence
    source: Source
    search: SearchOptions


@dataclass(frozen=True)
class Reading:
    """One text of a request: its sentences, or why it has none."""

    text: str
    tasks: tuple[Task, ...] = ()
    error: RequestError | InternalError | None = None

    @property
    def sentences(self) -> list[Sentence]:
        """In their order."""
        return [task.sentence for task in self.tasks]


def read(job: Job, texts: Sequence[str]) -> list[Reading]:
    """Every text as sentences and ids. Takes time: `beside_the_loop`.

    Raises TooManyTextsError: before anything is tokenised for too many sentences, and as soon as
    too many are there for sentences that have to be cut into parts; InvalidArgumentError for a
    target prefix that is too long.
    """
    readings = [_check(job, text, f"contents[{index}]") for index, text in enumerate(texts)]
    good = [reading.text for reading in readings if reading.error is None]
    _refuse_over(job.edge, sum(len(split_sentences(text)) for text in good))
    numbers, rows = itertools.count(), 0
    prefix = _prefix(job)
    for index, reading in enumerate(readings):
        if reading.error is None:
            readings[index] = _tokenize(job, reading.text, prefix, numbers)
            rows += len(readings[index].tasks)
            _refuse_over(job.edge, rows)
    return readings


def _check(job: Job, text: str, field: str) -> Reading:
    try:
        check_text(job.edge, text, field)
    except RequestError as error:
        return Reading(text, error=error)
    return Reading(text)


def _refuse_over(edge: Edge, count: int) -> None:
    if count > edge.max_sentences:
        raise too_many("contents", edge.max_sentences, count, f"at least {count} sentences")


def _prefix(job: Job) -> tuple[int, ...]:
    text, target = job.options.target_prefix, job.choice.pair.target
    return tuple(job.choice.model.codec.target_pieces(text, target)) if text else ()


def _tokenize(job: Job, text: str, prefix: tuple[int, ...], numbers: Iterator[int]) -> Reading:
    """`prefix` is that of the first sentence; `numbers` tells sentences of one seed apart."""
    codec, pair = job.choice.model.codec, job.choice.pair
    limit = job.choice.model.bundle.limits.max_source_tokens
    most = limit - codec.framing(pair.source, pair.target)
    sentences = segment(text, lambda part: codec.pieces(part, pair.source), most)
    tasks = [
        _task(job, sentence, () if place else prefix, next(numbers))
        for place, sentence in enumerate(sentences)
    ]
    return Reading(text, tuple(tasks))


def _task(job: Job, sentence: Sentence, prefix: tuple[int, ...], number: int) -> Task:
    model, pair, options = job.choice.model, job.choice.pair, job.options
    encoded = model.codec.translation(sentence.pieces, pair.source, pair.target)
    most = _max_length(job, len(encoded.ids))
    given = len(prefix) + (encoded.forced is not None)
    if prefix and given >= most:
        what = f"has {len(prefix)} pieces; the target may have {most}, and one must be left"
        raise invalid("decoding.target_prefix", what)
    search = SearchOptions(
        max_length=most,
        min_length=options.min_output_tokens,
        beam_size=options.beam_size,
        wanted=options.hypotheses,
        length_penalty=options.length_penalty,
        repetition_penalty=options.repetition_penalty,
        no_repeat_ngram_size=options.no_repeat_ngram_size,
        temperature=options.temperature,
        top_k=options.top_k,
        seed=options.seed,
        stream=number,
        forced=encoded.forced,
        prefix=prefix,
        alignment=options.alignment or job.reads_alignment,
    )
    start = partial(begin, search, model.bundle.special, len(encoded.ids))
    return Task(sentence, Source(encoded.ids, most, start, options.beam_size), search)


def _max_length(job: Job, source_length: int) -> int:
    """Most pieces of a target: the least of all bounds."""
    limits = [job.choice.model.bundle.limits.max_target_tokens]
    if job.options.max_output_tokens is not None:
        limits.append(job.options.max_output_tokens)
    ratio = job.options.max_length_ratio
    if ratio > 0:
        limits.append(int(ratio * source_length) + _FREE_PIECES)
    return min(limits)
