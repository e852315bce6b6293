"""A Lingraft server with canned answers, on a real port; and addresses where there is none."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, NoReturn

import grpc
import pytest
from google.protobuf import any_pb2, duration_pb2, message
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from lingraft.v1 import (
    bundle_pb2,
    classification_pb2,
    classification_pb2_grpc,
    common_pb2,
    models_pb2,
    models_pb2_grpc,
    translation_pb2,
    translation_pb2_grpc,
)

MODEL = "models/tiny/versions/1"


def status(code: int, words: str, reason: str, *details: message.Message) -> status_pb2.Status:
    """A google.rpc.Status as a Lingraft server sends it."""
    info = error_details_pb2.ErrorInfo(domain="lingraft", reason=reason, metadata={"limit": "7"})
    packed = [any_pb2.Any() for _ in (info, *details)]
    for box, detail in zip(packed, (info, *details), strict=True):
        box.Pack(detail)
    return status_pb2.Status(code=code, message=words, details=packed)


EMPTY = status(code_pb2.INVALID_ARGUMENT, "the text is empty", "EMPTY_TEXT")
FAULTS = error_details_pb2.BadRequest(
    field_violations=[
        error_details_pb2.BadRequest.FieldViolation(field="decoding.beam_size", description="is 9"),
        error_details_pb2.BadRequest.FieldViolation(field="decoding.seed", description="is 4"),
    ]
)
# What the server says to a whole call, by the target language or model that asks for it.
REFUSALS = {
    "xx": status(code_pb2.INVALID_ARGUMENT, "no pair leads to xx", "LANGUAGE_UNSUPPORTED"),
    "two": status(code_pb2.INVALID_ARGUMENT, "en and fr lead to two", "LANGUAGE_REQUIRED"),
    "many": status(code_pb2.INVALID_ARGUMENT, "too many texts", "TOO_MANY_TEXTS"),
    "beam": status(code_pb2.INVALID_ARGUMENT, "not built", "OPTION_UNSUPPORTED", FAULTS),
    "full": status(
        code_pb2.RESOURCE_EXHAUSTED,
        "the queue is full",
        "QUEUE_FULL",
        error_details_pb2.RetryInfo(retry_delay=duration_pb2.Duration(nanos=250_000_000)),
    ),
    "models/none": status(code_pb2.NOT_FOUND, "no model models/none", "MODEL_NOT_FOUND"),
    "broken": status(code_pb2.INTERNAL, "a fault of the server", "INTERNAL"),
    "drain": status(code_pb2.UNAVAILABLE, "the server is shutting down", "SHUTTING_DOWN"),
}


def refuse(context: grpc.ServicerContext, refusal: status_pb2.Status) -> NoReturn:
    """Ends the call as grpcio-status would."""
    details = refusal.SerializeToString()
    context.set_trailing_metadata((("grpc-status-details-bin", details),))
    code = next(each for each in grpc.StatusCode if each.value[0] == refusal.code)
    context.abort(code, refusal.message)
    raise AssertionError("abort raises")


@dataclass
class FakeServer:
    """Where the server is, what it was sent, and the events of a call that never ends."""

    address: str = ""
    requests: list[Any] = field(default_factory=list)
    entered: threading.Event = field(default_factory=threading.Event)


class Translating(translation_pb2_grpc.TranslationServiceServicer):
    """Puts the target language before each text."""

    def __init__(self, fake: FakeServer) -> None:
        self.fake = fake

    def TranslateText(  # noqa: N802 -- gRPC's name
        self, request: translation_pb2.TranslateTextRequest, context: grpc.ServicerContext
    ) -> translation_pb2.TranslateTextResponse:
        """Answers; or refuses as REFUSALS says; or "slow" hangs; or "flaky" fails twice."""
        self.fake.requests.append(request)
        target = request.target_language
        for asked in (target, request.model):
            if asked in REFUSALS:
                refuse(context, REFUSALS[asked])
        if target == "slow":
            self.hang(context)
        if target == "flaky" and len(self.fake.requests) < 3:
            context.abort(grpc.StatusCode.UNAVAILABLE, "not yet")
        if target == "garbage":
            context.set_trailing_metadata((("grpc-status-details-bin", b"\xff\xff"),))
            context.abort(grpc.StatusCode.INTERNAL, "plain words")
        results = [self.answer(text, target) for text in request.contents]
        return translation_pb2.TranslateTextResponse(
            results=results[1:] if target == "short" else results
        )

    def hang(self, context: grpc.ServicerContext) -> None:
        """Waits until the caller is gone."""
        gone = threading.Event()
        context.add_callback(gone.set)
        self.fake.entered.set()
        gone.wait()

    @staticmethod
    def answer(text: str, target: str) -> translation_pb2.TranslationResult:
        """EMPTY for a blank text; nothing at all for "unset"; a warning for "long"."""
        if not text.strip():
            return translation_pb2.TranslationResult(error=EMPTY)
        if text == "unset":
            return translation_pb2.TranslationResult()
        warnings = [common_pb2.WARNING_TRUNCATED] if text == "long" else []
        translation = translation_pb2.Translation(
            text=f"{target}: {text}",
            model=MODEL,
            pair_status=common_pb2.PAIR_STATUS_TRANSFER,
            detected_language="en",
            detected_language_confidence=0.5,
            warnings=warnings,
        )
        if target == "many-ways":
            translation.MergeFrom(detailed())
        return translation_pb2.TranslationResult(translation=translation)

    def DetectLanguage(  # noqa: N802 -- gRPC's name
        self, request: translation_pb2.DetectLanguageRequest, context: grpc.ServicerContext
    ) -> translation_pb2.DetectLanguageResponse:
        """Yoruba, then Hawaiian; EMPTY for a blank text."""
        self.fake.requests.append(request)
        most = request.max_candidates or 1
        every = (("yo", 0.75), ("haw", 0.25))
        detection = translation_pb2.LanguageDetection(
            candidates=[
                translation_pb2.LanguageCandidate(language=language, confidence=confidence)
                for language, confidence in every[:most]
            ]
        )
        good = translation_pb2.LanguageDetectionResult(detection=detection)
        bad = translation_pb2.LanguageDetectionResult(error=EMPTY)
        results = [good if text.strip() else bad for text in request.contents]
        return translation_pb2.DetectLanguageResponse(results=results)

    def ListLanguagePairs(  # noqa: N802 -- gRPC's name
        self, request: translation_pb2.ListLanguagePairsRequest, context: grpc.ServicerContext
    ) -> translation_pb2.ListLanguagePairsResponse:
        """Two pages of one pair each; the second has no evidence."""
        if request.page_token:
            return translation_pb2.ListLanguagePairsResponse(
                language_pairs=[
                    translation_pb2.LanguagePair(
                        source_language="yo", target_language="en", model=MODEL
                    )
                ]
            )
        return translation_pb2.ListLanguagePairsResponse(
            language_pairs=[proven_pair()], next_page_token="second"
        )


def detailed() -> translation_pb2.Translation:
    """Alternatives, a sentence of one word, and quality: calibrated for the whole alone."""
    span = common_pb2.TextSpan(begin=0, end=3)
    word = translation_pb2.WordScore(target_span=span, mean_logprob=-0.5)
    link = translation_pb2.AlignmentLink(source_span=span, target_span=span, weight=0.75)
    sentence = translation_pb2.SentenceResult(
        source_span=span,
        target_span=span,
        mean_logprob=-0.25,
        words=[word],
        alignment=[link],
        quality=translation_pb2.QualityEstimate(raw_score=-0.25, method="mean_logprob"),
    )
    quality = translation_pb2.QualityEstimate(
        p_acceptable=0.75,
        raw_score=-0.5,
        method="mean_logprob",
        calibration_size=120,
        calibration_ece=0.03125,
        calibrated=True,
        acceptable_chrf=40,
    )
    others = [translation_pb2.Alternative(text=each, mean_logprob=-1) for each in ("two", "three")]
    return translation_pb2.Translation(alternatives=others, sentences=[sentence], quality=quality)


def proven_pair() -> translation_pb2.LanguagePair:
    """A pair with metrics and a transfer report."""
    figure = common_pb2.Metric(name="chrF++", value=31.5, test_set="phrases", size=100)
    gain = common_pb2.Metric(
        name="chrF++", value=6.25, ci_low=5.5, ci_high=7.0, test_set="phrases", size=100
    )
    return translation_pb2.LanguagePair(
        name="models/tiny/languagePairs/en-yo",
        source_language="en",
        target_language="yo",
        display_name="English to Yoruba",
        status=common_pb2.PAIR_STATUS_TRANSFER,
        model=MODEL,
        metrics=[figure],
        transfer=common_pb2.TransferReport(
            parent_model="parent", transfer=figure, gain=gain, verdict=common_pb2.VERDICT_PASS
        ),
        max_input_tokens=128,
    )


class Classifying(classification_pb2_grpc.ClassificationServiceServicer):
    """Says "spam" to every text; calibrated where its language is given."""

    def __init__(self, fake: FakeServer) -> None:
        self.fake = fake

    def ClassifyText(  # noqa: N802 -- gRPC's name
        self, request: classification_pb2.ClassifyTextRequest, context: grpc.ServicerContext
    ) -> classification_pb2.ClassifyTextResponse:
        """Answers; or refuses as REFUSALS says."""
        self.fake.requests.append(request)
        if request.model in REFUSALS:
            refuse(context, REFUSALS[request.model])
        return classification_pb2.ClassifyTextResponse(
            results=[self.answer(each) for each in request.documents]
        )

    @staticmethod
    def answer(document: classification_pb2.Document) -> classification_pb2.ClassificationResult:
        """EMPTY for a blank text."""
        if not document.content.strip():
            return classification_pb2.ClassificationResult(error=EMPTY)
        calibration = common_pb2.CalibrationInfo(
            language=document.language, size=80, ece=0.03125, calibrated=bool(document.language)
        )
        return classification_pb2.ClassificationResult(
            classification=classification_pb2.Classification(
                labels=[
                    classification_pb2.Label(name="spam", score=0.75, raw_logit=1.5),
                    classification_pb2.Label(name="ham", score=0.25, raw_logit=-0.5),
                ],
                decision=classification_pb2.DECISION_ACCEPT,
                language=document.language,
                calibration=calibration,
                model=MODEL,
            )
        )


class Modelling(models_pb2_grpc.ModelServiceServicer):
    """Knows one model."""

    def ListModels(  # noqa: N802 -- gRPC's name
        self, request: models_pb2.ListModelsRequest, context: grpc.ServicerContext
    ) -> models_pb2.ListModelsResponse:
        """One model of one pair."""
        pair = models_pb2.ModelLanguagePair(
            source_language="en", target_language="yo", status=common_pb2.PAIR_STATUS_TRANSFER
        )
        model = models_pb2.Model(
            name=MODEL,
            task=bundle_pb2.TASK_TRANSLATION,
            family="marian",
            state=models_pb2.Model.STATE_READY,
            precision=bundle_pb2.PRECISION_INT8,
            pairs=[pair],
            limits=bundle_pb2.Limits(max_source_tokens=128, max_target_tokens=256),
            licence="CC0-1.0",
        )
        return models_pb2.ListModelsResponse(models=[model])

    def GetModelCard(  # noqa: N802 -- gRPC's name
        self, request: models_pb2.GetModelCardRequest, context: grpc.ServicerContext
    ) -> models_pb2.ModelCard:
        """The card, or MODEL_NOT_FOUND."""
        if request.name not in ("models/tiny/card", f"{MODEL}/card"):
            refuse(context, REFUSALS["models/none"])
        bundle = bundle_pb2.Bundle(format_version=1, name="tiny", licence="CC0-1.0")
        return models_pb2.ModelCard(name=f"{MODEL}/card", markdown="# tiny\n", bundle=bundle)


@pytest.fixture
def fake() -> Iterator[FakeServer]:
    """A running server on a free port."""
    fake = FakeServer()
    with ThreadPoolExecutor(4) as pool:
        server = grpc.server(pool)
        # Abstract for the stubs alone: gRPC answers UNIMPLEMENTED for what is not filled in.
        translating = Translating(fake)  # type: ignore[abstract]
        translation_pb2_grpc.add_TranslationServiceServicer_to_server(translating, server)
        classifying = Classifying(fake)  # type: ignore[abstract]
        classification_pb2_grpc.add_ClassificationServiceServicer_to_server(classifying, server)
        modelling = Modelling()  # type: ignore[abstract]
        models_pb2_grpc.add_ModelServiceServicer_to_server(modelling, server)
        states = health.HealthServicer()
        states.set("models/tiny", health_pb2.HealthCheckResponse.NOT_SERVING)
        health_pb2_grpc.add_HealthServicer_to_server(states, server)
        fake.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        server.start()
        yield fake
        server.stop(None).wait()


@pytest.fixture
def stranger() -> Iterator[str]:
    """The address of a gRPC server that has none of our services."""
    with ThreadPoolExecutor(1) as pool:
        server = grpc.server(pool)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        yield f"127.0.0.1:{port}"
        server.stop(None).wait()


@pytest.fixture
def nobody() -> str:
    """An address where nothing listens: a port that was free a moment ago."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{free.getsockname()[1]}"
