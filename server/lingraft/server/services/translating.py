"""One translation request on its way: submitted to the scheduler, put together again."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future

from lingraft.server.batching import Decoded
from lingraft.server.errors import InternalError
from lingraft.server.search import Found
from lingraft.server.services.common import unsupported
from lingraft.server.services.quality import Produced, estimate
from lingraft.server.services.reading import Job, Reading, Task
from lingraft.server.services.words import TargetWords, links, word_scores
from lingraft.server.text import Span, assemble, is_copy, is_loop
from lingraft.v1 import common_pb2, translation_pb2

Futures = list[Future[Decoded]]  # one for each sentence of a text


def submit(job: Job, readings: Sequence[Reading], deadline: float) -> list[Futures]:
    """All sentences of all texts at once; the futures of each text. Raises as the scheduler."""
    flat = [task.source for reading in readings for task in reading.tasks]
    scheduler = job.choice.model.scheduler
    futures = iter(scheduler.submit(flat, deadline, job.options.bulk) if flat else [])
    return [[next(futures) for _ in reading.tasks] for reading in readings]


def compose(job: Job, reading: Reading, decoded: Sequence[Decoded]) -> translation_pb2.Translation:
    """The answer to one text.

    Raises InternalError when the model had nothing to say, UnsupportedOptionError when an alignment
    is asked for and its graphs do not tell.
    """
    best = [each.found[0] for each in decoded]
    outputs = [job.choice.model.codec.decode(found.ids) for found in best]
    assembled = assemble(reading.text, reading.sentences, outputs)
    if not assembled.text.strip():
        raise InternalError("the model gave an empty translation")
    pair = job.choice.pair
    answer = translation_pb2.Translation(
        text=assembled.text,
        detected_language=pair.source if job.choice.inferred else "",
        detected_language_confidence=job.choice.confidence,
        model=job.choice.model.name,
        pair_status=job.choice.model.evidence(pair).status,
        alternatives=_alternatives(job, reading, decoded, assembled.text),
        warnings=_warnings(reading, best, outputs),
    )
    if job.options.sentences:
        rows = zip(reading.tasks, best, assembled.spans, strict=True)
        answer.sentences.extend(_sentence(job, reading.text, *row) for row in rows)
    if job.options.quality:
        answer.quality.CopyFrom(_quality(job, reading.tasks, best))
    return answer


def _alternatives(
    job: Job, reading: Reading, decoded: Sequence[Decoded], best: str
) -> list[translation_pb2.Alternative]:
    """The texts of the second best hypotheses, of the third best, ...; each text once."""
    seen, answers = {best}, []
    for rank in range(1, min((len(each.found) for each in decoded), default=0)):
        found = [each.found[rank] for each in decoded]
        outputs = [job.choice.model.codec.decode(each.ids) for each in found]
        text = assemble(reading.text, reading.sentences, outputs).text
        if text.strip() and text not in seen:
            seen.add(text)
            mean = _mean_logprob(reading.tasks, found)
            answers.append(translation_pb2.Alternative(text=text, mean_logprob=mean))
    return answers


def _sentence(
    job: Job, text: str, task: Task, found: Found, span: Span
) -> translation_pb2.SentenceResult:
    source = task.sentence.span
    answer = translation_pb2.SentenceResult(
        source_span=common_pb2.TextSpan(begin=source.begin, end=source.end),
        target_span=common_pb2.TextSpan(begin=span.begin, end=span.end),
        mean_logprob=_mean_logprob([task], [found]),
    )
    if job.options.quality:
        answer.quality.CopyFrom(_quality(job, [task], [found]))
    if job.options.word_scores or job.options.alignment:
        words = TargetWords.of(found.ids, job.choice.model.codec.decode)
        if job.options.word_scores:
            answer.words.extend(word_scores(words, found.logprobs, span.begin))
        if job.options.alignment:
            if found.alignment is None:
                raise unsupported("response_options.alignment", "is not told by this model")
            answer.alignment.extend(
                links(job.choice, text, task.sentence, words, found.alignment, span.begin)
            )
    return answer


def _quality(
    job: Job, tasks: Sequence[Task], found: Sequence[Found]
) -> translation_pb2.QualityEstimate:
    produced = [
        Produced.of(each, len(task.search.given), len(task.source.ids))
        for task, each in zip(tasks, found, strict=True)
    ]
    return estimate(job.choice, job.calibration, produced, _mean_logprob(tasks, found))


def _mean_logprob(tasks: Sequence[Task], found: Sequence[Found]) -> float:
    """Over all pieces that were searched for; given pieces have 0."""
    given = sum(len(task.search.given) for task in tasks)
    count = sum(len(each.logprobs) for each in found) - given
    return sum(sum(each.logprobs) for each in found) / max(1, count)


def _warnings(
    reading: Reading, best: Sequence[Found], outputs: Sequence[str]
) -> list[common_pb2.Warning]:
    rows = list(zip(reading.sentences, best, strict=True))
    warnings = []
    if any(found.truncated for found in best):
        warnings.append(common_pb2.WARNING_TRUNCATED)
    if any(is_loop(found.ids, sentence.pieces) for sentence, found in rows):
        warnings.append(common_pb2.WARNING_REPETITION)
    spans = [sentence.span for sentence in reading.sentences]
    originals = [reading.text[span.begin : span.end] for span in spans]
    if any(is_copy(*each) for each in zip(originals, outputs, strict=True)):
        warnings.append(common_pb2.WARNING_COPIED_SOURCE)
    return warnings
