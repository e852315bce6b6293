from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PairStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PAIR_STATUS_UNSPECIFIED: _ClassVar[PairStatus]
    PAIR_STATUS_TRAINED: _ClassVar[PairStatus]
    PAIR_STATUS_TRANSFER: _ClassVar[PairStatus]
    PAIR_STATUS_ZERO_SHOT: _ClassVar[PairStatus]
    PAIR_STATUS_PIVOT: _ClassVar[PairStatus]
    PAIR_STATUS_NOT_STATED: _ClassVar[PairStatus]

class Verdict(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    VERDICT_UNSPECIFIED: _ClassVar[Verdict]
    VERDICT_PASS: _ClassVar[Verdict]
    VERDICT_HOLD: _ClassVar[Verdict]
    VERDICT_REFUSE: _ClassVar[Verdict]

class MimeType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MIME_TYPE_UNSPECIFIED: _ClassVar[MimeType]
    MIME_TYPE_TEXT_PLAIN: _ClassVar[MimeType]
    MIME_TYPE_TEXT_HTML: _ClassVar[MimeType]

class Warning(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    WARNING_UNSPECIFIED: _ClassVar[Warning]
    WARNING_TRUNCATED: _ClassVar[Warning]
    WARNING_REPETITION: _ClassVar[Warning]
    WARNING_COPIED_SOURCE: _ClassVar[Warning]
    WARNING_WRONG_OUTPUT_LANGUAGE: _ClassVar[Warning]
    WARNING_TERM_MISSED: _ClassVar[Warning]
    WARNING_MARKUP_REPAIRED: _ClassVar[Warning]
    WARNING_DEGRADED_BEAM: _ClassVar[Warning]
    WARNING_PIVOTED: _ClassVar[Warning]
    WARNING_LANGUAGE_UNSUPPORTED: _ClassVar[Warning]
    WARNING_WORDLESS: _ClassVar[Warning]
PAIR_STATUS_UNSPECIFIED: PairStatus
PAIR_STATUS_TRAINED: PairStatus
PAIR_STATUS_TRANSFER: PairStatus
PAIR_STATUS_ZERO_SHOT: PairStatus
PAIR_STATUS_PIVOT: PairStatus
PAIR_STATUS_NOT_STATED: PairStatus
VERDICT_UNSPECIFIED: Verdict
VERDICT_PASS: Verdict
VERDICT_HOLD: Verdict
VERDICT_REFUSE: Verdict
MIME_TYPE_UNSPECIFIED: MimeType
MIME_TYPE_TEXT_PLAIN: MimeType
MIME_TYPE_TEXT_HTML: MimeType
WARNING_UNSPECIFIED: Warning
WARNING_TRUNCATED: Warning
WARNING_REPETITION: Warning
WARNING_COPIED_SOURCE: Warning
WARNING_WRONG_OUTPUT_LANGUAGE: Warning
WARNING_TERM_MISSED: Warning
WARNING_MARKUP_REPAIRED: Warning
WARNING_DEGRADED_BEAM: Warning
WARNING_PIVOTED: Warning
WARNING_LANGUAGE_UNSUPPORTED: Warning
WARNING_WORDLESS: Warning

class TextSpan(_message.Message):
    __slots__ = ("begin", "end")
    BEGIN_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    begin: int
    end: int
    def __init__(self, begin: _Optional[int] = ..., end: _Optional[int] = ...) -> None: ...

class Metric(_message.Message):
    __slots__ = ("name", "value", "ci_low", "ci_high", "test_set", "size", "signature")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    CI_LOW_FIELD_NUMBER: _ClassVar[int]
    CI_HIGH_FIELD_NUMBER: _ClassVar[int]
    TEST_SET_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    name: str
    value: float
    ci_low: float
    ci_high: float
    test_set: str
    size: int
    signature: str
    def __init__(self, name: _Optional[str] = ..., value: _Optional[float] = ..., ci_low: _Optional[float] = ..., ci_high: _Optional[float] = ..., test_set: _Optional[str] = ..., size: _Optional[int] = ..., signature: _Optional[str] = ...) -> None: ...

class TransferReport(_message.Message):
    __slots__ = ("parent_model", "parent_languages", "target_examples", "scratch", "zero_shot", "transfer", "parent_before", "parent_after", "negative_transfer", "tokenizer_fertility", "data_sources", "licence", "verdict", "gain", "accepted_negative_reason")
    PARENT_MODEL_FIELD_NUMBER: _ClassVar[int]
    PARENT_LANGUAGES_FIELD_NUMBER: _ClassVar[int]
    TARGET_EXAMPLES_FIELD_NUMBER: _ClassVar[int]
    SCRATCH_FIELD_NUMBER: _ClassVar[int]
    ZERO_SHOT_FIELD_NUMBER: _ClassVar[int]
    TRANSFER_FIELD_NUMBER: _ClassVar[int]
    PARENT_BEFORE_FIELD_NUMBER: _ClassVar[int]
    PARENT_AFTER_FIELD_NUMBER: _ClassVar[int]
    NEGATIVE_TRANSFER_FIELD_NUMBER: _ClassVar[int]
    TOKENIZER_FERTILITY_FIELD_NUMBER: _ClassVar[int]
    DATA_SOURCES_FIELD_NUMBER: _ClassVar[int]
    LICENCE_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    GAIN_FIELD_NUMBER: _ClassVar[int]
    ACCEPTED_NEGATIVE_REASON_FIELD_NUMBER: _ClassVar[int]
    parent_model: str
    parent_languages: _containers.RepeatedScalarFieldContainer[str]
    target_examples: int
    scratch: Metric
    zero_shot: Metric
    transfer: Metric
    parent_before: Metric
    parent_after: Metric
    negative_transfer: bool
    tokenizer_fertility: float
    data_sources: _containers.RepeatedScalarFieldContainer[str]
    licence: str
    verdict: Verdict
    gain: Metric
    accepted_negative_reason: str
    def __init__(self, parent_model: _Optional[str] = ..., parent_languages: _Optional[_Iterable[str]] = ..., target_examples: _Optional[int] = ..., scratch: _Optional[_Union[Metric, _Mapping]] = ..., zero_shot: _Optional[_Union[Metric, _Mapping]] = ..., transfer: _Optional[_Union[Metric, _Mapping]] = ..., parent_before: _Optional[_Union[Metric, _Mapping]] = ..., parent_after: _Optional[_Union[Metric, _Mapping]] = ..., negative_transfer: bool = ..., tokenizer_fertility: _Optional[float] = ..., data_sources: _Optional[_Iterable[str]] = ..., licence: _Optional[str] = ..., verdict: _Optional[_Union[Verdict, str]] = ..., gain: _Optional[_Union[Metric, _Mapping]] = ..., accepted_negative_reason: _Optional[str] = ...) -> None: ...

class CalibrationInfo(_message.Message):
    __slots__ = ("language", "method", "size", "ece", "parameters", "calibrated", "features", "source_language", "acceptable_chrf", "ece_before", "brier", "brier_before", "ece_by_chance")
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    ECE_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    CALIBRATED_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    SOURCE_LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    ACCEPTABLE_CHRF_FIELD_NUMBER: _ClassVar[int]
    ECE_BEFORE_FIELD_NUMBER: _ClassVar[int]
    BRIER_FIELD_NUMBER: _ClassVar[int]
    BRIER_BEFORE_FIELD_NUMBER: _ClassVar[int]
    ECE_BY_CHANCE_FIELD_NUMBER: _ClassVar[int]
    language: str
    method: str
    size: int
    ece: float
    parameters: _containers.RepeatedScalarFieldContainer[float]
    calibrated: bool
    features: _containers.RepeatedScalarFieldContainer[str]
    source_language: str
    acceptable_chrf: float
    ece_before: float
    brier: float
    brier_before: float
    ece_by_chance: float
    def __init__(self, language: _Optional[str] = ..., method: _Optional[str] = ..., size: _Optional[int] = ..., ece: _Optional[float] = ..., parameters: _Optional[_Iterable[float]] = ..., calibrated: bool = ..., features: _Optional[_Iterable[str]] = ..., source_language: _Optional[str] = ..., acceptable_chrf: _Optional[float] = ..., ece_before: _Optional[float] = ..., brier: _Optional[float] = ..., brier_before: _Optional[float] = ..., ece_by_chance: _Optional[float] = ...) -> None: ...

class LabelThreshold(_message.Message):
    __slots__ = ("profile", "label", "language", "threshold", "target_rate", "negatives", "positives", "false_positive_rate", "false_positive_rate_low", "false_positive_rate_high", "recall", "recall_low", "recall_high", "usable", "reason", "pooled")
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    TARGET_RATE_FIELD_NUMBER: _ClassVar[int]
    NEGATIVES_FIELD_NUMBER: _ClassVar[int]
    POSITIVES_FIELD_NUMBER: _ClassVar[int]
    FALSE_POSITIVE_RATE_FIELD_NUMBER: _ClassVar[int]
    FALSE_POSITIVE_RATE_LOW_FIELD_NUMBER: _ClassVar[int]
    FALSE_POSITIVE_RATE_HIGH_FIELD_NUMBER: _ClassVar[int]
    RECALL_FIELD_NUMBER: _ClassVar[int]
    RECALL_LOW_FIELD_NUMBER: _ClassVar[int]
    RECALL_HIGH_FIELD_NUMBER: _ClassVar[int]
    USABLE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    POOLED_FIELD_NUMBER: _ClassVar[int]
    profile: str
    label: str
    language: str
    threshold: float
    target_rate: float
    negatives: int
    positives: int
    false_positive_rate: float
    false_positive_rate_low: float
    false_positive_rate_high: float
    recall: float
    recall_low: float
    recall_high: float
    usable: bool
    reason: str
    pooled: bool
    def __init__(self, profile: _Optional[str] = ..., label: _Optional[str] = ..., language: _Optional[str] = ..., threshold: _Optional[float] = ..., target_rate: _Optional[float] = ..., negatives: _Optional[int] = ..., positives: _Optional[int] = ..., false_positive_rate: _Optional[float] = ..., false_positive_rate_low: _Optional[float] = ..., false_positive_rate_high: _Optional[float] = ..., recall: _Optional[float] = ..., recall_low: _Optional[float] = ..., recall_high: _Optional[float] = ..., usable: bool = ..., reason: _Optional[str] = ..., pooled: bool = ...) -> None: ...
