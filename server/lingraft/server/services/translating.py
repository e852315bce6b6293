"""What models said of sentences, put together to the answer to a text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lingraft.server.batching import Decoded
from lingraft.server.errors import InternalError
from lingraft.server.search import Found
from lingraft.server.services.common import unsupported
from lingraft.server.services.quality import Produced, estimate
from lingraft.server.services.reading import Job, Reading, Task
from lingraft.server.services.words import TargetWords, links, word_scores
from lingraft.server.text import Sentence, Span, assemble, is_circle, is_copy, is_loop, is_wordless
from lingraft.v1 import common_pb2, translation_pb2


@dataclass(frozen=True)
class Step:
    """Sentences that went through a model, and what it made of them."""

    tasks: tuple[Task, ...]
    decoded: Sequence[Decoded]


@dataclass(frozen=True)
class Said:
    """The translations of one sentence of the source, best first; at least one.

    hypotheses: what each is made of: one, or several where a model read it in parts.
    """

    tasks: tuple[Task, ...]
    texts: tuple[str, ...]
    hypotheses: tuple[tuple[Found, ...], ...]


def said(job: Job, step: Step) -> list[Said]:
    """What the model of a job has said of each sentence."""
    decode = job.choice.model.codec.decode
    return [
        Said(
            (task,),
            tuple(decode(found.ids) for found in each.found),
            tuple((found,) for found in each.found),
        )
        for task, each in zip(step.tasks, step.decoded, strict=True)
    ]


def compose(job: Job, reading: Reading, sentences: Sequence[Said]) -> translation_pb2.Translation:
    """The answer to one text.

    Args:
        job: of the model that spoke last.
        reading: the text as the first one read it.
        sentences: what was said of each of its sentences.

    Raises InternalError when the model had nothing to say, UnsupportedOptionError when an alignment
    is asked for and its graphs do not tell.
    """
    outputs = [each.texts[0] for each in sentences]
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
        alternatives=_alternatives(reading, sentences, assembled.text),
        warnings=warnings_of(reading, sentences),
    )
    if job.options.sentences:
        rows = zip(reading.sentences, sentences, assembled.spans, strict=True)
        answer.sentences.extend(_sentence(job, reading.text, *row) for row in rows)
    if job.options.quality:
        answer.quality.CopyFrom(_quality(job, sentences))
    return answer


def _alternatives(
    reading: Reading, sentences: Sequence[Said], best: str
) -> list[translation_pb2.Alternative]:
    """The texts of the second best hypotheses, of the third best, ...; each text once."""
    seen, answers = {best}, []
    for rank in range(1, min((len(each.texts) for each in sentences), default=0)):
        outputs = [each.texts[rank] for each in sentences]
        text = assemble(reading.text, reading.sentences, outputs).text
        if text.strip() and text not in seen:
            seen.add(text)
            mean = _mean_logprob(sentences, rank)
            answers.append(translation_pb2.Alternative(text=text, mean_logprob=mean))
    return answers


def _sentence(
    job: Job, text: str, sentence: Sentence, given: Said, span: Span
) -> translation_pb2.SentenceResult:
    source = sentence.span
    answer = translation_pb2.SentenceResult(
        source_span=common_pb2.TextSpan(begin=source.begin, end=source.end),
        target_span=common_pb2.TextSpan(begin=span.begin, end=span.end),
        mean_logprob=_mean_logprob([given]),
    )
    if job.options.quality:
        answer.quality.CopyFrom(_quality(job, [given]))
    if job.options.word_scores or job.options.alignment:
        (found,) = given.hypotheses[0]  # the whole: no part of a way through a third language
        words = TargetWords.of(found.ids, job.choice.model.codec.decode)
        if job.options.word_scores:
            answer.words.extend(word_scores(words, found.logprobs, span.begin))
        if job.options.alignment:
            if found.alignment is None:
                raise unsupported("response_options.alignment", "is not told by this model")
            answer.alignment.extend(
                links(job.choice, text, sentence, words, found.alignment, span.begin)
            )
    return answer


def _quality(job: Job, sentences: Sequence[Said]) -> translation_pb2.QualityEstimate:
    produced = [
        Produced.of(found, len(task.search.given), len(task.source.ids))
        for task, found in _best(sentences)
    ]
    return estimate(job.choice, job.calibration, produced, _mean_logprob(sentences))


def _mean_logprob(sentences: Sequence[Said], rank: int = 0) -> float:
    """Over all pieces that were searched for; given pieces have 0."""
    given = sum(len(task.search.given) for each in sentences for task in each.tasks)
    found = [part for each in sentences for part in each.hypotheses[rank]]
    count = sum(len(part.logprobs) for part in found) - given
    return sum(sum(part.logprobs) for part in found) / max(1, count)


def _best(sentences: Sequence[Said]) -> list[tuple[Task, Found]]:
    return [part for each in sentences for part in zip(each.tasks, each.hypotheses[0], strict=True)]


def warnings_of(reading: Reading, sentences: Sequence[Said]) -> list[common_pb2.Warning]:
    """What the answers show, sentence by sentence, and as a whole for loops over sentences."""
    best = _best(sentences)
    spans = [sentence.span for sentence in reading.sentences]
    originals = [reading.text[span.begin : span.end] for span in spans]
    outputs = [each.texts[0] for each in sentences]
    rows = list(zip(originals, outputs, strict=True))
    whole = [(reading.text, " ".join(outputs))] if len(rows) > 1 else []
    circles = (is_circle(found.ids, task.sentence.pieces) for task, found in best)
    signs = {
        common_pb2.WARNING_TRUNCATED: any(found.truncated for _, found in best),
        common_pb2.WARNING_REPETITION: any(circles) or any(is_loop(*r) for r in (*rows, *whole)),
        common_pb2.WARNING_COPIED_SOURCE: any(is_copy(*row) for row in rows),
        common_pb2.WARNING_WORDLESS: any(is_wordless(*row) for row in rows),
    }
    return [warning for warning, shown in signs.items() if shown]
