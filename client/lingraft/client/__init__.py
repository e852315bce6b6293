"""The client of Lingraft: translation, classification and language detection over gRPC.

    from lingraft.client import Client

    with Client("localhost:50051") as client:
        print(client.translate("Good morning", "yo").text)

`Client` waits, `AsyncClient` is awaited; both have the same methods and answers. Needs grpcio and
protobuf, nothing more.
"""

from lingraft.client.aio import AsyncClient
from lingraft.client.config import ClientConfig
from lingraft.client.errors import (
    AccessError,
    ArgumentError,
    CallCancelledError,
    ClientError,
    DeadlineError,
    EmptyTextError,
    ExhaustedError,
    InputTooLongError,
    InvalidArgumentError,
    LanguageRequiredError,
    LanguageUnsupportedError,
    ModelNotFoundError,
    NotFoundError,
    OptionUnsupportedError,
    QueueFullError,
    ServerFaultError,
    ServiceError,
    TooManyTextsError,
    UnavailableError,
    UnimplementedError,
    Violation,
)
from lingraft.client.requests import Decoding, Details
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
from lingraft.client.sync import Client

__all__ = [
    "AccessError",
    "AlignmentLink",
    "Alternative",
    "ArgumentError",
    "AsyncClient",
    "Calibration",
    "CallCancelledError",
    "Classification",
    "Client",
    "ClientConfig",
    "ClientError",
    "DeadlineError",
    "Decoding",
    "Details",
    "EmptyTextError",
    "ExhaustedError",
    "Health",
    "InputTooLongError",
    "InvalidArgumentError",
    "Label",
    "LanguageCandidate",
    "LanguageDetection",
    "LanguagePair",
    "LanguageRequiredError",
    "LanguageUnsupportedError",
    "Metric",
    "Model",
    "ModelCard",
    "ModelNotFoundError",
    "NotFoundError",
    "OptionUnsupportedError",
    "Quality",
    "QueueFullError",
    "Sentence",
    "ServerFaultError",
    "ServiceError",
    "Span",
    "TooManyTextsError",
    "TransferReport",
    "Translation",
    "UnavailableError",
    "UnimplementedError",
    "Violation",
    "WordScore",
]
