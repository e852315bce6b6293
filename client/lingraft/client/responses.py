"""What comes back: messages become results, by pure functions that both clients share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar, cast

import grpc
from google.protobuf import json_format, wrappers_pb2
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper

from lingraft.client.errors import ServerFaultError, ServiceError, from_status
from lingraft.client.results import (
    AlignmentLink,
    Alternative,
    Calibration,
    Classification,
    Health,
    Label,
    LanguageCandidate,
    LanguageDetection,
    LanguagePair,
    Metric,
    Model,
    ModelCard,
    Quality,
    Sentence,
    Span,
    TransferReport,
    Translation,
    WordScore,
)
from lingraft.v1 import (
    bundle_pb2,
    classification_pb2,
    common_pb2,
    models_pb2,
    translation_pb2,
)

_HEALTH = ("UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN")
T = TypeVar("T")


def translations(
    response: translation_pb2.TranslateTextResponse, count: int
) -> tuple[Translation | ServiceError, ...]:
    """One result for each of `count` texts, in their order."""
    return _items(response.results, "translation", _translation, count)


def classifications(
    response: classification_pb2.ClassifyTextResponse, count: int
) -> tuple[Classification | ServiceError, ...]:
    """One result for each of `count` texts, in their order."""
    return _items(response.results, "classification", _classification, count)


def detections(
    response: translation_pb2.DetectLanguageResponse, count: int
) -> tuple[LanguageDetection | ServiceError, ...]:
    """One result for each of `count` texts, in their order."""
    return _items(response.results, "detection", _detection, count)


def only(items: tuple[T | ServiceError, ...]) -> T:
    """The single result of a call with one text; raises it when it is an error."""
    (item,) = items
    if isinstance(item, ServiceError):
        raise item
    return item


def language_pair(message: translation_pb2.LanguagePair) -> LanguagePair:
    """A pair as listed."""
    return LanguagePair(
        name=message.name,
        source_language=message.source_language,
        target_language=message.target_language,
        display_name=message.display_name,
        status=_name(common_pb2.PairStatus, message.status),
        model=message.model,
        metrics=tuple(map(_metric, message.metrics)),
        transfer=_transfer(message.transfer) if message.HasField("transfer") else None,
        max_input_tokens=message.max_input_tokens,
    )


def model(message: models_pb2.Model) -> Model:
    """A model as listed."""
    return Model(
        name=message.name,
        display_name=message.display_name,
        task=_name(bundle_pb2.Task, message.task),
        family=message.family,
        state=_name(models_pb2.Model.State, message.state),
        state_message=message.state_message,
        precision=_name(bundle_pb2.Precision, message.precision),
        provider=message.provider,
        pairs=tuple(
            (p.source_language, p.target_language, _name(common_pb2.PairStatus, p.status))
            for p in message.pairs
        ),
        labels=tuple(message.labels),
        languages=tuple(message.languages),
        max_source_tokens=message.limits.max_source_tokens,
        max_target_tokens=message.limits.max_target_tokens,
        parent=message.parent,
        licence=message.licence,
    )


def model_card(message: models_pb2.ModelCard) -> ModelCard:
    """The card of a model."""
    bundle = json_format.MessageToDict(message.bundle, preserving_proto_field_name=True)
    return ModelCard(name=message.name, markdown=message.markdown, bundle=bundle)


def health(service: str, message: wrappers_pb2.Int32Value) -> Health:
    """The answer of grpc.health.v1, read as the one integer that it is on the wire."""
    known = 0 <= message.value < len(_HEALTH)
    return Health(service, _HEALTH[message.value] if known else str(message.value))


def _items(
    results: Any, kind: str, convert: Callable[[Any], T], count: int
) -> tuple[T | ServiceError, ...]:
    if len(results) != count:
        story = f"the server sent {len(results)} results for {count} texts"
        raise ServerFaultError(story, code=grpc.StatusCode.INTERNAL)
    return tuple(_item(each, kind, convert) for each in results)


def _item(result: Any, kind: str, convert: Callable[[Any], T]) -> T | ServiceError:
    match result.WhichOneof("result"):
        case "error":
            return from_status(result.error)
        case found if found == kind:
            return convert(getattr(result, kind))
        case _:
            story = "the server sent neither an answer nor an error for this text"
            return ServerFaultError(story, code=grpc.StatusCode.INTERNAL)


def _translation(message: translation_pb2.Translation) -> Translation:
    return Translation(
        text=message.text,
        model=message.model,
        pair_status=_name(common_pb2.PairStatus, message.pair_status),
        detected_language=message.detected_language or None,
        warnings=_names(common_pb2.Warning, message.warnings),
        pivot_language=message.pivot_language or None,
        alternatives=tuple(
            Alternative(each.text, each.mean_logprob) for each in message.alternatives
        ),
        sentences=tuple(map(_sentence, message.sentences)),
        detected_language_confidence=message.detected_language_confidence,
        quality=_quality(message),
    )


def _sentence(message: translation_pb2.SentenceResult) -> Sentence:
    return Sentence(
        source_span=_span(message.source_span),
        target_span=_span(message.target_span),
        mean_logprob=message.mean_logprob,
        words=tuple(
            WordScore(_span(each.target_span), each.mean_logprob) for each in message.words
        ),
        alignment=tuple(
            AlignmentLink(_span(each.source_span), _span(each.target_span), each.weight)
            for each in message.alignment
        ),
        quality=_quality(message),
    )


def _quality(
    message: translation_pb2.Translation | translation_pb2.SentenceResult,
) -> Quality | None:
    if not message.HasField("quality"):
        return None
    found = message.quality
    return Quality(
        p_acceptable=found.p_acceptable if found.calibrated else None,
        calibrated=found.calibrated,
        raw_score=found.raw_score,
        acceptable_chrf=found.acceptable_chrf,
        size=found.calibration_size,
        ece=found.calibration_ece,
    )


def _span(message: common_pb2.TextSpan) -> Span:
    return Span(message.begin, message.end)


def _classification(message: classification_pb2.Classification) -> Classification:
    return Classification(
        labels=tuple(
            Label(each.name, each.score, each.raw_logit, each.above_threshold)
            for each in message.labels
        ),
        decision=_name(classification_pb2.Decision, message.decision),
        language=message.language or None,
        language_supported=message.language_supported,
        calibration=_calibration(message.calibration),
        model=message.model,
        warnings=_names(common_pb2.Warning, message.warnings),
        transfer=_transfer(message.transfer) if message.HasField("transfer") else None,
    )


def _detection(message: translation_pb2.LanguageDetection) -> LanguageDetection:
    return LanguageDetection(
        tuple(LanguageCandidate(each.language, each.confidence) for each in message.candidates)
    )


def _calibration(message: common_pb2.CalibrationInfo) -> Calibration:
    return Calibration(
        message.language, message.method, message.size, message.ece, message.calibrated
    )


def _metric(message: common_pb2.Metric) -> Metric:
    bounded = message.HasField("ci_low") and message.HasField("ci_high")
    return Metric(
        name=message.name,
        value=message.value,
        ci_low=message.ci_low if bounded else None,
        ci_high=message.ci_high if bounded else None,
        test_set=message.test_set,
        size=message.size,
        signature=message.signature,
    )


def _transfer(message: common_pb2.TransferReport) -> TransferReport:
    def figure(field: str) -> Metric | None:
        return _metric(getattr(message, field)) if message.HasField(cast("Any", field)) else None

    return TransferReport(
        parent_model=message.parent_model,
        parent_languages=tuple(message.parent_languages),
        target_examples=message.target_examples,
        scratch=figure("scratch"),
        zero_shot=figure("zero_shot"),
        transfer=figure("transfer"),
        parent_before=figure("parent_before"),
        parent_after=figure("parent_after"),
        gain=figure("gain"),
        verdict=_name(common_pb2.Verdict, message.verdict),
        negative_transfer=message.negative_transfer,
        accepted_negative_reason=message.accepted_negative_reason,
        tokenizer_fertility=message.tokenizer_fertility,
        data_sources=tuple(message.data_sources),
        licence=message.licence,
    )


def _names(kind: EnumTypeWrapper, values: Iterable[int]) -> tuple[str, ...]:
    return tuple(_name(kind, value) for value in values)


def _name(kind: EnumTypeWrapper, value: int) -> str:
    """The name of an enum value without the prefix that all values share with their zero."""
    values = kind.DESCRIPTOR.values_by_number
    if value not in values:
        return str(value)
    prefix = values[0].name.removesuffix("UNSPECIFIED")
    return values[value].name.removeprefix(prefix)
