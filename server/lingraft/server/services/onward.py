"""The second step of a way through a third language.

Each sentence is taken on by itself, so that what was said of it can still be told. What the first
model left empty stays empty.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from lingraft.server.batching import gathered
from lingraft.server.errors import InternalError
from lingraft.server.services.reading import Job, Reading, read
from lingraft.server.services.translating import (
    Said,
    Step,
    abandon,
    compose,
    said,
    submit,
    warnings_of,
)
from lingraft.server.text import assemble
from lingraft.v1 import common_pb2, translation_pb2

_Answer = tuple[tuple[Step, ...], translation_pb2.Translation]


async def go_on(job: Job, onward: Job, reading: Reading, step: Step) -> _Answer:
    """Both steps, and the answer to one text.

    Args:
        job: of the first step, which is done.
        onward: of the second.
        reading: the text as the first step read it.
        step: what came of it.

    Raises InternalError when one of the models had nothing to say, RequestError where the
    translation of the first is too much for the second, and as the scheduler.
    """
    first = said(job, step)
    middle = [each.texts[0] for each in first]
    spoken = [text for text in middle if text.strip()]
    if not spoken:
        raise InternalError("the model gave an empty translation")
    readings = await asyncio.to_thread(read, onward, spoken)
    steps = await _second(onward, readings)
    ready = iter(_joined(onward, *each) for each in zip(readings, steps, strict=True))
    nothing = Said((), ("",) * onward.options.hypotheses, ((),) * onward.options.hypotheses)
    sentences = [next(ready) if text.strip() else nothing for text in middle]
    answer = compose(onward, reading, sentences)
    return (step, *steps), _told(job, reading, first, answer)


async def _second(onward: Job, readings: Sequence[Reading]) -> list[Step]:
    for reading in readings:
        if reading.error is not None:
            raise reading.error
    futures = submit(onward, readings)
    try:
        rows = await asyncio.gather(*map(gathered, futures))
    finally:
        abandon(futures)
    return [Step(each.tasks, row) for each, row in zip(readings, rows, strict=True)]


def _joined(onward: Job, reading: Reading, step: Step) -> Said:
    """What was said of a sentence that the second model may have read in parts."""
    parts = said(onward, step)
    ranks = range(min(len(part.texts) for part in parts))
    texts = ([part.texts[rank] for part in parts] for rank in ranks)
    return Said(
        reading.tasks,
        tuple(assemble(reading.text, reading.sentences, each).text for each in texts),
        tuple(tuple(part.hypotheses[rank][0] for part in parts) for rank in ranks),
    )


def _told(
    job: Job, reading: Reading, first: Sequence[Said], answer: translation_pb2.Translation
) -> translation_pb2.Translation:
    """The answer with what the first step adds, and with the way it went."""
    language = job.choice.pair.source
    warnings = [*warnings_of(reading, first), *answer.warnings, common_pb2.WARNING_PIVOTED]
    answer.detected_language = language if job.choice.inferred else ""
    answer.detected_language_confidence = job.choice.confidence
    answer.pair_status = common_pb2.PAIR_STATUS_PIVOT
    answer.pivot_language = job.choice.pair.target
    answer.warnings[:] = list(dict.fromkeys(warnings))
    return answer
