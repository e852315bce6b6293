import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.rpc import status_pb2 as _status_pb2
from lingraft.v1 import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ScoreKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SCORE_KIND_UNSPECIFIED: _ClassVar[ScoreKind]
    SCORE_KIND_CALIBRATED_PROBABILITY: _ClassVar[ScoreKind]
    SCORE_KIND_PROBABILITY: _ClassVar[ScoreKind]
    SCORE_KIND_LOGIT: _ClassVar[ScoreKind]

class Explanation(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EXPLANATION_UNSPECIFIED: _ClassVar[Explanation]
    EXPLANATION_NONE: _ClassVar[Explanation]
    EXPLANATION_TOKENS: _ClassVar[Explanation]
    EXPLANATION_SPANS: _ClassVar[Explanation]

class Decision(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DECISION_UNSPECIFIED: _ClassVar[Decision]
    DECISION_ACCEPT: _ClassVar[Decision]
    DECISION_REJECT: _ClassVar[Decision]
    DECISION_UNSURE: _ClassVar[Decision]
    DECISION_ABSTAIN: _ClassVar[Decision]
SCORE_KIND_UNSPECIFIED: ScoreKind
SCORE_KIND_CALIBRATED_PROBABILITY: ScoreKind
SCORE_KIND_PROBABILITY: ScoreKind
SCORE_KIND_LOGIT: ScoreKind
EXPLANATION_UNSPECIFIED: Explanation
EXPLANATION_NONE: Explanation
EXPLANATION_TOKENS: Explanation
EXPLANATION_SPANS: Explanation
DECISION_UNSPECIFIED: Decision
DECISION_ACCEPT: Decision
DECISION_REJECT: Decision
DECISION_UNSURE: Decision
DECISION_ABSTAIN: Decision

class ClassifyTextRequest(_message.Message):
    __slots__ = ("documents", "model", "top_k", "score_kind", "explain", "threshold_profile", "request_id")
    DOCUMENTS_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    TOP_K_FIELD_NUMBER: _ClassVar[int]
    SCORE_KIND_FIELD_NUMBER: _ClassVar[int]
    EXPLAIN_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_PROFILE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    documents: _containers.RepeatedCompositeFieldContainer[Document]
    model: str
    top_k: int
    score_kind: ScoreKind
    explain: Explanation
    threshold_profile: str
    request_id: str
    def __init__(self, documents: _Optional[_Iterable[_Union[Document, _Mapping]]] = ..., model: _Optional[str] = ..., top_k: _Optional[int] = ..., score_kind: _Optional[_Union[ScoreKind, str]] = ..., explain: _Optional[_Union[Explanation, str]] = ..., threshold_profile: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class Document(_message.Message):
    __slots__ = ("content", "language", "mime_type")
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    MIME_TYPE_FIELD_NUMBER: _ClassVar[int]
    content: str
    language: str
    mime_type: _common_pb2.MimeType
    def __init__(self, content: _Optional[str] = ..., language: _Optional[str] = ..., mime_type: _Optional[_Union[_common_pb2.MimeType, str]] = ...) -> None: ...

class ClassifyTextResponse(_message.Message):
    __slots__ = ("results", "request_id")
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[ClassificationResult]
    request_id: str
    def __init__(self, results: _Optional[_Iterable[_Union[ClassificationResult, _Mapping]]] = ..., request_id: _Optional[str] = ...) -> None: ...

class ClassificationResult(_message.Message):
    __slots__ = ("classification", "error")
    CLASSIFICATION_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    classification: Classification
    error: _status_pb2.Status
    def __init__(self, classification: _Optional[_Union[Classification, _Mapping]] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

class Classification(_message.Message):
    __slots__ = ("labels", "language", "language_supported", "decision", "attributions", "calibration", "model", "transfer", "warnings")
    LABELS_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_SUPPORTED_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTIONS_FIELD_NUMBER: _ClassVar[int]
    CALIBRATION_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    TRANSFER_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    labels: _containers.RepeatedCompositeFieldContainer[Label]
    language: str
    language_supported: bool
    decision: Decision
    attributions: _containers.RepeatedCompositeFieldContainer[Attribution]
    calibration: _common_pb2.CalibrationInfo
    model: str
    transfer: _common_pb2.TransferReport
    warnings: _containers.RepeatedScalarFieldContainer[_common_pb2.Warning]
    def __init__(self, labels: _Optional[_Iterable[_Union[Label, _Mapping]]] = ..., language: _Optional[str] = ..., language_supported: bool = ..., decision: _Optional[_Union[Decision, str]] = ..., attributions: _Optional[_Iterable[_Union[Attribution, _Mapping]]] = ..., calibration: _Optional[_Union[_common_pb2.CalibrationInfo, _Mapping]] = ..., model: _Optional[str] = ..., transfer: _Optional[_Union[_common_pb2.TransferReport, _Mapping]] = ..., warnings: _Optional[_Iterable[_Union[_common_pb2.Warning, str]]] = ...) -> None: ...

class Label(_message.Message):
    __slots__ = ("name", "score", "raw_logit", "above_threshold")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    RAW_LOGIT_FIELD_NUMBER: _ClassVar[int]
    ABOVE_THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    name: str
    score: float
    raw_logit: float
    above_threshold: bool
    def __init__(self, name: _Optional[str] = ..., score: _Optional[float] = ..., raw_logit: _Optional[float] = ..., above_threshold: bool = ...) -> None: ...

class Attribution(_message.Message):
    __slots__ = ("span", "weight", "label")
    SPAN_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    span: _common_pb2.TextSpan
    weight: float
    label: str
    def __init__(self, span: _Optional[_Union[_common_pb2.TextSpan, _Mapping]] = ..., weight: _Optional[float] = ..., label: _Optional[str] = ...) -> None: ...

class ClassifyMessageRequest(_message.Message):
    __slots__ = ("rfc822", "envelope", "model", "explain", "budget")
    RFC822_FIELD_NUMBER: _ClassVar[int]
    ENVELOPE_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    EXPLAIN_FIELD_NUMBER: _ClassVar[int]
    BUDGET_FIELD_NUMBER: _ClassVar[int]
    rfc822: bytes
    envelope: Envelope
    model: str
    explain: bool
    budget: _duration_pb2.Duration
    def __init__(self, rfc822: _Optional[bytes] = ..., envelope: _Optional[_Union[Envelope, _Mapping]] = ..., model: _Optional[str] = ..., explain: bool = ..., budget: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class Envelope(_message.Message):
    __slots__ = ("client_ip", "helo", "mail_from", "rcpt_to", "authenticated_user")
    CLIENT_IP_FIELD_NUMBER: _ClassVar[int]
    HELO_FIELD_NUMBER: _ClassVar[int]
    MAIL_FROM_FIELD_NUMBER: _ClassVar[int]
    RCPT_TO_FIELD_NUMBER: _ClassVar[int]
    AUTHENTICATED_USER_FIELD_NUMBER: _ClassVar[int]
    client_ip: str
    helo: str
    mail_from: str
    rcpt_to: _containers.RepeatedScalarFieldContainer[str]
    authenticated_user: str
    def __init__(self, client_ip: _Optional[str] = ..., helo: _Optional[str] = ..., mail_from: _Optional[str] = ..., rcpt_to: _Optional[_Iterable[str]] = ..., authenticated_user: _Optional[str] = ...) -> None: ...

class ClassifyMessageResponse(_message.Message):
    __slots__ = ("spam_probability", "score_points", "symbols", "decision", "language", "header_lines", "expected_false_positive_rate", "calibration", "model")
    SPAM_PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    SCORE_POINTS_FIELD_NUMBER: _ClassVar[int]
    SYMBOLS_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    HEADER_LINES_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_FALSE_POSITIVE_RATE_FIELD_NUMBER: _ClassVar[int]
    CALIBRATION_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    spam_probability: float
    score_points: float
    symbols: _containers.RepeatedCompositeFieldContainer[Symbol]
    decision: Decision
    language: str
    header_lines: _containers.RepeatedScalarFieldContainer[str]
    expected_false_positive_rate: float
    calibration: _common_pb2.CalibrationInfo
    model: str
    def __init__(self, spam_probability: _Optional[float] = ..., score_points: _Optional[float] = ..., symbols: _Optional[_Iterable[_Union[Symbol, _Mapping]]] = ..., decision: _Optional[_Union[Decision, str]] = ..., language: _Optional[str] = ..., header_lines: _Optional[_Iterable[str]] = ..., expected_false_positive_rate: _Optional[float] = ..., calibration: _Optional[_Union[_common_pb2.CalibrationInfo, _Mapping]] = ..., model: _Optional[str] = ...) -> None: ...

class Symbol(_message.Message):
    __slots__ = ("name", "score", "description", "options")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    name: str
    score: float
    description: str
    options: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., score: _Optional[float] = ..., description: _Optional[str] = ..., options: _Optional[_Iterable[str]] = ...) -> None: ...

class ListClassifiersRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListClassifiersResponse(_message.Message):
    __slots__ = ("classifiers", "next_page_token")
    CLASSIFIERS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    classifiers: _containers.RepeatedCompositeFieldContainer[Classifier]
    next_page_token: str
    def __init__(self, classifiers: _Optional[_Iterable[_Union[Classifier, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class Classifier(_message.Message):
    __slots__ = ("name", "display_name", "labels", "languages", "metrics", "transfer", "calibrations", "max_input_tokens", "thresholds", "default_threshold_profile")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    LANGUAGES_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    TRANSFER_FIELD_NUMBER: _ClassVar[int]
    CALIBRATIONS_FIELD_NUMBER: _ClassVar[int]
    MAX_INPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    THRESHOLDS_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_THRESHOLD_PROFILE_FIELD_NUMBER: _ClassVar[int]
    name: str
    display_name: str
    labels: _containers.RepeatedScalarFieldContainer[str]
    languages: _containers.RepeatedScalarFieldContainer[str]
    metrics: _containers.RepeatedCompositeFieldContainer[_common_pb2.Metric]
    transfer: _common_pb2.TransferReport
    calibrations: _containers.RepeatedCompositeFieldContainer[_common_pb2.CalibrationInfo]
    max_input_tokens: int
    thresholds: _containers.RepeatedCompositeFieldContainer[_common_pb2.LabelThreshold]
    default_threshold_profile: str
    def __init__(self, name: _Optional[str] = ..., display_name: _Optional[str] = ..., labels: _Optional[_Iterable[str]] = ..., languages: _Optional[_Iterable[str]] = ..., metrics: _Optional[_Iterable[_Union[_common_pb2.Metric, _Mapping]]] = ..., transfer: _Optional[_Union[_common_pb2.TransferReport, _Mapping]] = ..., calibrations: _Optional[_Iterable[_Union[_common_pb2.CalibrationInfo, _Mapping]]] = ..., max_input_tokens: _Optional[int] = ..., thresholds: _Optional[_Iterable[_Union[_common_pb2.LabelThreshold, _Mapping]]] = ..., default_threshold_profile: _Optional[str] = ...) -> None: ...
