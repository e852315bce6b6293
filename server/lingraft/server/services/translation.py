"""TranslationService: many texts at once, each with a result or an error of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf import duration_pb2

from lingraft.server.batching import Decoded
from lingraft.server.errors import InternalError, LanguageRequiredError, RequestError, merge
from lingraft.server.services import detection, pairs
from lingraft.server.services.common import Edge, batch_faults, invalid, refuse, unfilled
from lingraft.server.services.options import option_faults, pivot_faults, read_options
from lingraft.server.services.reading import Job, Reading
from lingraft.server.services.registry import Registry
from lingraft.server.services.served import Choice
from lingraft.server.services.translating import Step
from lingraft.server.services.underway import Answered, Underway, abandon, arrive, set_out
from lingraft.server.status import to_status
from lingraft.v1 import translation_pb2, translation_pb2_grpc


@dataclass(frozen=True)
class _Outcome:
    """What became of one text, and the steps it took; those of a level ran side by side."""

    result: translation_pb2.TranslationResult
    reading: Reading
    levels: tuple[tuple[Step, ...], ...] = ()


class TranslationService(translation_pb2_grpc.TranslationServiceServicer):
    """The rooms inside do the work: `text` reads, `batching` decodes."""

    def __init__(self, registry: Registry, edge: Edge) -> None:
        self._registry, self._edge = registry, edge

    async def TranslateText(  # noqa: N802 -- a name of the API
        self, request: translation_pb2.TranslateTextRequest, context: Any
    ) -> translation_pb2.TranslateTextResponse:
        """Answers when all texts are done."""
        began = self._edge.clock()
        job = await self._job(request, context)
        texts, read_s = await set_out(job, request.contents)
        outcomes = await self._outcomes(job, texts)
        response = translation_pb2.TranslateTextResponse(
            results=[outcome.result for outcome in outcomes],
            request_id=request.request_id,
            usage=_usage(outcomes),
        )
        if job.options.timings:
            response.timings.CopyFrom(_timings(outcomes, read_s, self._edge.clock() - began))
        return response

    async def StreamTranslateText(  # noqa: N802 -- a name of the API
        self, request: translation_pb2.TranslateTextRequest, context: Any
    ) -> AsyncIterator[translation_pb2.StreamTranslateTextResponse]:
        """Answers each text as soon as it is done; through a third language when its second step
        is, which begins when all first ones are over."""
        job = await self._job(request, context)
        texts, _ = await set_out(job, request.contents)

        async def numbered(index: int) -> tuple[int, _Outcome]:
            return index, await self._outcome(job, texts[index])

        tasks = [asyncio.ensure_future(numbered(index)) for index in range(len(texts))]
        try:
            for done in asyncio.as_completed(tasks):
                index, outcome = await done
                yield _stream_response(index, outcome.result)
        finally:
            abandon(texts)
            await asyncio.gather(*tasks, return_exceptions=True)

    async def ListLanguagePairs(  # noqa: N802 -- a name of the API
        self, request: translation_pb2.ListLanguagePairsRequest, context: Any
    ) -> translation_pb2.ListLanguagePairsResponse:
        """The pairs of the newest version of each model, with their evidence."""
        return pairs.list_pairs(self._registry, request)

    async def DetectLanguage(  # noqa: N802 -- a name of the API
        self, request: translation_pb2.DetectLanguageRequest, context: Any
    ) -> translation_pb2.DetectLanguageResponse:
        """Answers when all texts are looked at."""
        deadline = self._edge.deadline(context)
        return await detection.detect(self._registry, self._edge, request, deadline)

    BatchTranslateText = unfilled("BatchTranslateText")
    ScoreTranslations = unfilled("ScoreTranslations")

    async def _job(self, request: translation_pb2.TranslateTextRequest, context: Any) -> Job:
        """Checks the whole request; all faults are refused at once."""
        faults = batch_faults(self._edge, request, "contents")
        try:
            deadline = self._edge.deadline(context)
            choice = await self._choose(request, deadline, may_read=not faults)
        except RequestError as fault:
            raise merge([*faults, *option_faults(request, None), fault]) from fault
        steps = [choice, choice.onward] if choice.onward else [choice]
        told = [
            fault for step in steps for fault in option_faults(request, step.model.bundle.decoding)
        ]
        faults += {str(fault): fault for fault in told}.values()  # of two models the same once
        if choice.onward:
            faults += pivot_faults(request)
        refuse(faults)
        return self._planned(choice, request, deadline, pivot=choice.onward is not None)

    def _planned(
        self,
        choice: Choice,
        request: translation_pb2.TranslateTextRequest,
        deadline: float,
        *,
        pivot: bool,
    ) -> Job:
        options = read_options(request, choice.model.bundle.decoding)
        following = choice.onward
        onward = self._planned(following, request, deadline, pivot=True) if following else None
        return Job(choice, options, self._edge, deadline, pivot, onward)

    async def _choose(
        self, request: translation_pb2.TranslateTextRequest, deadline: float, may_read: bool
    ) -> Choice:
        """Who answers; where only the texts can tell the source, they do, if they may be read."""
        if not request.target_language:
            raise invalid("target_language", "is missing")
        try:
            return self._registry.translator(
                request.model,
                request.source_language,
                request.target_language,
                through_third=request.allow_pivot,
            )
        except LanguageRequiredError as refused:
            if not may_read:  # a call that is refused anyway takes no model's time
                raise
            return await detection.told_by_texts(
                self._registry, self._edge, request, refused, deadline
            )

    async def _outcomes(self, job: Job, texts: Sequence[Underway]) -> list[_Outcome]:
        """Waits for all texts; when one error ends the call, nobody decodes on for it."""
        try:
            if len(texts) == 1:  # most calls; a task of its own would cost more than it waits for
                return [await self._outcome(job, texts[0])]
            return await asyncio.gather(*(self._outcome(job, text) for text in texts))
        finally:
            abandon(texts)

    async def _outcome(self, job: Job, text: Underway) -> _Outcome:
        """Waits for one text. Errors that end the whole call are raised."""
        try:
            answered: Answered = await arrive(job, text)
        except (RequestError, InternalError) as error:
            result = translation_pb2.TranslationResult(error=to_status(error))
            return _Outcome(result, text.reading)
        result = translation_pb2.TranslationResult(translation=answered.translation)
        return _Outcome(result, text.reading, answered.levels)


def _stream_response(
    index: int, result: translation_pb2.TranslationResult
) -> translation_pb2.StreamTranslateTextResponse:
    if result.HasField("error"):
        return translation_pb2.StreamTranslateTextResponse(index=index, error=result.error)
    return translation_pb2.StreamTranslateTextResponse(index=index, translation=result.translation)


def _usage(outcomes: Sequence[_Outcome]) -> translation_pb2.UsageStats:
    answered = [outcome for outcome in outcomes if outcome.levels]
    steps = [step for outcome in answered for level in outcome.levels for step in level]
    tasks = [task for step in steps for task in step.tasks]
    produced = [decoded.found[0] for step in steps for decoded in step.decoded]
    return translation_pb2.UsageStats(
        input_characters=sum(len(outcome.reading.text) for outcome in answered),
        input_tokens=sum(len(task.source.ids) for task in tasks),
        output_tokens=sum(len(each.logprobs) for each in produced),
    )


def _timings(
    outcomes: Sequence[_Outcome], read_s: float, total_s: float
) -> translation_pb2.Timings:
    """Of levels, which follow each other, the sum; of what runs side by side the longest."""

    def longest(of: Callable[[Decoded], float]) -> float:
        return max(
            (sum(_longest(level, of) for level in each.levels) for each in outcomes), default=0
        )

    return translation_pb2.Timings(
        total=_duration(total_s),
        queue=_duration(longest(lambda row: row.queue_s)),
        text=_duration(read_s),
        inference=_duration(longest(lambda row: row.model_s)),
    )


def _longest(level: Sequence[Step], of: Callable[[Decoded], float]) -> float:
    return max((of(row) for step in level for row in step.decoded), default=0.0)


def _duration(seconds: float) -> duration_pb2.Duration:
    duration = duration_pb2.Duration()
    duration.FromNanoseconds(int(seconds * 1e9))
    return duration
