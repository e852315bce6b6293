"""The texts of a call while they are decoded, in one step or in two through a third language."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial

from lingraft.server.batching import Decoded, gathered
from lingraft.server.errors import InternalError, RequestError
from lingraft.server.services.common import beside_the_loop
from lingraft.server.services.reading import Job, Reading, Task, read
from lingraft.server.services.translating import Said, Step, compose, said, warnings_of
from lingraft.server.text import assemble
from lingraft.v1 import common_pb2, translation_pb2

Futures = list[Future[Decoded]]  # one for each sentence of a text
Refused = RequestError | InternalError


@dataclass(frozen=True)
class Underway:
    """One text of a call.

    reading: the text as the caller sent it, or why it is refused.
    parts: what the last model reads: the text itself, or what was made of each of its sentences.
    futures: of the sentences of each part.
    crossed: the first step, where there were two.
    """

    reading: Reading
    parts: tuple[Reading, ...]
    futures: tuple[Futures, ...]
    crossed: Step | None = None


@dataclass(frozen=True)
class Answered:
    """The answer to a text, and the steps that led to it: those of a level ran side by side."""

    translation: translation_pb2.Translation
    levels: tuple[tuple[Step, ...], ...]


async def set_out(job: Job, texts: Sequence[str]) -> tuple[list[Underway], float]:
    """All texts of a call at the scheduler of the last model, and the seconds that reading took.

    Through a third language the first step is over then. Either step hands over all sentences of
    the call together: they enter the queue as one, or the call is refused. Raises as `read` and the
    scheduler.
    """
    began = job.edge.clock()
    readings = await _read(job, list(texts))
    read_s = job.edge.clock() - began
    flat = submit(job, readings)
    first = [
        Underway(reading, (reading,), (row,)) for reading, row in zip(readings, flat, strict=True)
    ]
    if job.onward is None:
        return first, read_s
    crossed = await _cross(job, first)
    began = job.edge.clock()
    middles = [_middle(job, each) for each in crossed]
    spoken = [text for texts in middles for text in texts if text.strip()]
    parts = iter(await _read(job.onward, spoken))
    read_s += job.edge.clock() - began
    second = [
        replace(each, parts=tuple(next(parts) for text in texts if text.strip()))
        for each, texts in zip(crossed, middles, strict=True)
    ]
    rows = iter(submit(job.onward, [part for each in second for part in each.parts]))
    return [replace(each, futures=tuple(next(rows) for _ in each.parts)) for each in second], read_s


async def _read(job: Job, texts: Sequence[str]) -> list[Reading]:
    given = [*texts, job.options.target_prefix]
    return await beside_the_loop(given, partial(read, job, texts))


def submit(job: Job, readings: Sequence[Reading]) -> list[Futures]:
    """All sentences of all readings at once; the futures of each. Raises as the scheduler."""
    flat = [task.source for reading in readings for task in reading.tasks]
    scheduler = job.choice.model.scheduler
    futures = iter(scheduler.submit(flat, job.deadline, job.options.bulk) if flat else [])
    return [[next(futures) for _ in reading.tasks] for reading in readings]


def abandon(texts: Sequence[Underway]) -> None:
    """Takes back what nobody waits for any more; what is done stays done."""
    for text in texts:
        for row in text.futures:
            for future in row:
                future.cancel()


async def arrive(job: Job, text: Underway) -> Answered:
    """The answer to one text, once its last step is done.

    Raises the error of a text that is refused, InternalError when a model had nothing to say, and
    as the scheduler.
    """
    if text.reading.error is not None:
        raise text.reading.error
    steps = [
        Step(part.tasks, await gathered(row))
        for part, row in zip(text.parts, text.futures, strict=True)
    ]
    if job.onward is None or text.crossed is None:
        (step,) = steps
        return Answered(compose(job, text.reading, said(job, step)), ((step,),))
    answer = _through(job, job.onward, text, text.crossed, steps)
    return Answered(answer, ((text.crossed,), tuple(steps)))


async def _cross(job: Job, texts: Sequence[Underway]) -> list[Underway]:
    """The texts after the first step; an error of one text becomes its reading's."""
    try:
        return list(await asyncio.gather(*map(_first_step, texts)))
    finally:
        abandon(texts)


async def _first_step(text: Underway) -> Underway:
    if text.reading.error is not None:
        return replace(text, parts=(), futures=())
    try:
        step = Step(text.reading.tasks, await gathered(text.futures[0]))
    except (RequestError, InternalError) as error:
        return Underway(replace(text.reading, error=error), (), ())
    return replace(text, crossed=step)


def _middle(job: Job, text: Underway) -> list[str]:
    """What the first step made of each sentence."""
    return [each.texts[0] for each in said(job, text.crossed)] if text.crossed else []


def _through(
    job: Job, onward: Job, text: Underway, crossed: Step, steps: Sequence[Step]
) -> translation_pb2.Translation:
    """The answer of two steps. What the first model left empty stays empty."""
    if not steps:
        raise InternalError("the model gave an empty translation")
    for part in text.parts:
        if part.error is not None:
            language = job.choice.pair.target
            raise InternalError(
                f"what was said in {language} cannot be translated on: {part.error}"
            )
    first = said(job, crossed)
    ready = iter(_joined(onward, *each) for each in zip(text.parts, steps, strict=True))
    nothing = Said((), ("",) * onward.options.hypotheses, ((),) * onward.options.hypotheses)
    sentences = [next(ready) if each.texts[0].strip() else nothing for each in first]
    answer = compose(onward, text.reading, sentences)
    return _told(job, text.reading, first, answer)


def _joined(onward: Job, part: Reading, step: Step) -> Said:
    """What was said of a sentence that the second model may have read in parts."""
    found = said(onward, step)
    tasks: tuple[Task, ...] = part.tasks
    ranks = range(min(len(each.texts) for each in found))
    texts = ([each.texts[rank] for each in found] for rank in ranks)
    return Said(
        tasks,
        tuple(assemble(part.text, part.sentences, each).text for each in texts),
        tuple(tuple(each.hypotheses[rank][0] for each in found) for rank in ranks),
    )


def _told(
    job: Job, reading: Reading, first: Sequence[Said], answer: translation_pb2.Translation
) -> translation_pb2.Translation:
    """The answer with what the first step adds, and with the way it went."""
    warnings = [*warnings_of(reading, first), *answer.warnings, common_pb2.WARNING_PIVOTED]
    answer.detected_language = job.choice.pair.source if job.choice.inferred else ""
    answer.detected_language_confidence = job.choice.confidence
    answer.pair_status = common_pb2.PAIR_STATUS_PIVOT
    answer.pivot_language = job.choice.pair.target
    answer.warnings[:] = list(dict.fromkeys(warnings))
    return answer
