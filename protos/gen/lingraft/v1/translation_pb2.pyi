import datetime

from google.longrunning import operations_pb2 as _operations_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.rpc import status_pb2 as _status_pb2
from lingraft.v1 import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Priority(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PRIORITY_UNSPECIFIED: _ClassVar[Priority]
    PRIORITY_INTERACTIVE: _ClassVar[Priority]
    PRIORITY_BULK: _ClassVar[Priority]

class LanguagePairView(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LANGUAGE_PAIR_VIEW_UNSPECIFIED: _ClassVar[LanguagePairView]
    LANGUAGE_PAIR_VIEW_BASIC: _ClassVar[LanguagePairView]
    LANGUAGE_PAIR_VIEW_FULL: _ClassVar[LanguagePairView]
PRIORITY_UNSPECIFIED: Priority
PRIORITY_INTERACTIVE: Priority
PRIORITY_BULK: Priority
LANGUAGE_PAIR_VIEW_UNSPECIFIED: LanguagePairView
LANGUAGE_PAIR_VIEW_BASIC: LanguagePairView
LANGUAGE_PAIR_VIEW_FULL: LanguagePairView

class TranslateTextRequest(_message.Message):
    __slots__ = ("contents", "source_language", "target_language", "model", "mime_type", "decoding", "terms", "glossary", "protection", "response_options", "priority", "request_id", "labels", "allow_pivot", "allow_degraded")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    CONTENTS_FIELD_NUMBER: _ClassVar[int]
    SOURCE_LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    TARGET_LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    MIME_TYPE_FIELD_NUMBER: _ClassVar[int]
    DECODING_FIELD_NUMBER: _ClassVar[int]
    TERMS_FIELD_NUMBER: _ClassVar[int]
    GLOSSARY_FIELD_NUMBER: _ClassVar[int]
    PROTECTION_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_OPTIONS_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    ALLOW_PIVOT_FIELD_NUMBER: _ClassVar[int]
    ALLOW_DEGRADED_FIELD_NUMBER: _ClassVar[int]
    contents: _containers.RepeatedScalarFieldContainer[str]
    source_language: str
    target_language: str
    model: str
    mime_type: _common_pb2.MimeType
    decoding: DecodingOptions
    terms: _containers.RepeatedCompositeFieldContainer[TermRule]
    glossary: str
    protection: Protection
    response_options: ResponseOptions
    priority: Priority
    request_id: str
    labels: _containers.ScalarMap[str, str]
    allow_pivot: bool
    allow_degraded: bool
    def __init__(self, contents: _Optional[_Iterable[str]] = ..., source_language: _Optional[str] = ..., target_language: _Optional[str] = ..., model: _Optional[str] = ..., mime_type: _Optional[_Union[_common_pb2.MimeType, str]] = ..., decoding: _Optional[_Union[DecodingOptions, _Mapping]] = ..., terms: _Optional[_Iterable[_Union[TermRule, _Mapping]]] = ..., glossary: _Optional[str] = ..., protection: _Optional[_Union[Protection, _Mapping]] = ..., response_options: _Optional[_Union[ResponseOptions, _Mapping]] = ..., priority: _Optional[_Union[Priority, str]] = ..., request_id: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., allow_pivot: bool = ..., allow_degraded: bool = ...) -> None: ...

class DecodingOptions(_message.Message):
    __slots__ = ("beam_size", "max_output_tokens", "length_penalty", "max_length_ratio", "repetition_penalty", "no_repeat_ngram_size", "alternative_count", "target_prefix", "temperature", "top_k", "seed", "min_output_tokens")
    BEAM_SIZE_FIELD_NUMBER: _ClassVar[int]
    MAX_OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    LENGTH_PENALTY_FIELD_NUMBER: _ClassVar[int]
    MAX_LENGTH_RATIO_FIELD_NUMBER: _ClassVar[int]
    REPETITION_PENALTY_FIELD_NUMBER: _ClassVar[int]
    NO_REPEAT_NGRAM_SIZE_FIELD_NUMBER: _ClassVar[int]
    ALTERNATIVE_COUNT_FIELD_NUMBER: _ClassVar[int]
    TARGET_PREFIX_FIELD_NUMBER: _ClassVar[int]
    TEMPERATURE_FIELD_NUMBER: _ClassVar[int]
    TOP_K_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    MIN_OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    beam_size: int
    max_output_tokens: int
    length_penalty: float
    max_length_ratio: float
    repetition_penalty: float
    no_repeat_ngram_size: int
    alternative_count: int
    target_prefix: str
    temperature: float
    top_k: int
    seed: int
    min_output_tokens: int
    def __init__(self, beam_size: _Optional[int] = ..., max_output_tokens: _Optional[int] = ..., length_penalty: _Optional[float] = ..., max_length_ratio: _Optional[float] = ..., repetition_penalty: _Optional[float] = ..., no_repeat_ngram_size: _Optional[int] = ..., alternative_count: _Optional[int] = ..., target_prefix: _Optional[str] = ..., temperature: _Optional[float] = ..., top_k: _Optional[int] = ..., seed: _Optional[int] = ..., min_output_tokens: _Optional[int] = ...) -> None: ...

class TermRule(_message.Message):
    __slots__ = ("source", "target", "ignore_case")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    IGNORE_CASE_FIELD_NUMBER: _ClassVar[int]
    source: str
    target: str
    ignore_case: bool
    def __init__(self, source: _Optional[str] = ..., target: _Optional[str] = ..., ignore_case: bool = ...) -> None: ...

class Protection(_message.Message):
    __slots__ = ("urls", "mentions", "hashtags", "emoji", "placeholder_patterns", "printf", "braces")
    URLS_FIELD_NUMBER: _ClassVar[int]
    MENTIONS_FIELD_NUMBER: _ClassVar[int]
    HASHTAGS_FIELD_NUMBER: _ClassVar[int]
    EMOJI_FIELD_NUMBER: _ClassVar[int]
    PLACEHOLDER_PATTERNS_FIELD_NUMBER: _ClassVar[int]
    PRINTF_FIELD_NUMBER: _ClassVar[int]
    BRACES_FIELD_NUMBER: _ClassVar[int]
    urls: bool
    mentions: bool
    hashtags: bool
    emoji: bool
    placeholder_patterns: _containers.RepeatedScalarFieldContainer[str]
    printf: bool
    braces: bool
    def __init__(self, urls: bool = ..., mentions: bool = ..., hashtags: bool = ..., emoji: bool = ..., placeholder_patterns: _Optional[_Iterable[str]] = ..., printf: bool = ..., braces: bool = ...) -> None: ...

class ResponseOptions(_message.Message):
    __slots__ = ("sentences", "word_scores", "alignment", "quality", "timings", "term_report")
    SENTENCES_FIELD_NUMBER: _ClassVar[int]
    WORD_SCORES_FIELD_NUMBER: _ClassVar[int]
    ALIGNMENT_FIELD_NUMBER: _ClassVar[int]
    QUALITY_FIELD_NUMBER: _ClassVar[int]
    TIMINGS_FIELD_NUMBER: _ClassVar[int]
    TERM_REPORT_FIELD_NUMBER: _ClassVar[int]
    sentences: bool
    word_scores: bool
    alignment: bool
    quality: bool
    timings: bool
    term_report: bool
    def __init__(self, sentences: bool = ..., word_scores: bool = ..., alignment: bool = ..., quality: bool = ..., timings: bool = ..., term_report: bool = ...) -> None: ...

class TranslateTextResponse(_message.Message):
    __slots__ = ("results", "request_id", "timings", "usage")
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    TIMINGS_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[TranslationResult]
    request_id: str
    timings: Timings
    usage: UsageStats
    def __init__(self, results: _Optional[_Iterable[_Union[TranslationResult, _Mapping]]] = ..., request_id: _Optional[str] = ..., timings: _Optional[_Union[Timings, _Mapping]] = ..., usage: _Optional[_Union[UsageStats, _Mapping]] = ...) -> None: ...

class TranslationResult(_message.Message):
    __slots__ = ("translation", "error")
    TRANSLATION_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    translation: Translation
    error: _status_pb2.Status
    def __init__(self, translation: _Optional[_Union[Translation, _Mapping]] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

class StreamTranslateTextResponse(_message.Message):
    __slots__ = ("index", "translation", "error")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    TRANSLATION_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    index: int
    translation: Translation
    error: _status_pb2.Status
    def __init__(self, index: _Optional[int] = ..., translation: _Optional[_Union[Translation, _Mapping]] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

class Translation(_message.Message):
    __slots__ = ("text", "detected_language", "detected_language_confidence", "model", "pair_status", "alternatives", "sentences", "quality", "terms", "warnings", "pivot_language")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    DETECTED_LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    DETECTED_LANGUAGE_CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    PAIR_STATUS_FIELD_NUMBER: _ClassVar[int]
    ALTERNATIVES_FIELD_NUMBER: _ClassVar[int]
    SENTENCES_FIELD_NUMBER: _ClassVar[int]
    QUALITY_FIELD_NUMBER: _ClassVar[int]
    TERMS_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    PIVOT_LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    text: str
    detected_language: str
    detected_language_confidence: float
    model: str
    pair_status: _common_pb2.PairStatus
    alternatives: _containers.RepeatedCompositeFieldContainer[Alternative]
    sentences: _containers.RepeatedCompositeFieldContainer[SentenceResult]
    quality: QualityEstimate
    terms: _containers.RepeatedCompositeFieldContainer[TermOutcome]
    warnings: _containers.RepeatedScalarFieldContainer[_common_pb2.Warning]
    pivot_language: str
    def __init__(self, text: _Optional[str] = ..., detected_language: _Optional[str] = ..., detected_language_confidence: _Optional[float] = ..., model: _Optional[str] = ..., pair_status: _Optional[_Union[_common_pb2.PairStatus, str]] = ..., alternatives: _Optional[_Iterable[_Union[Alternative, _Mapping]]] = ..., sentences: _Optional[_Iterable[_Union[SentenceResult, _Mapping]]] = ..., quality: _Optional[_Union[QualityEstimate, _Mapping]] = ..., terms: _Optional[_Iterable[_Union[TermOutcome, _Mapping]]] = ..., warnings: _Optional[_Iterable[_Union[_common_pb2.Warning, str]]] = ..., pivot_language: _Optional[str] = ...) -> None: ...

class Alternative(_message.Message):
    __slots__ = ("text", "mean_logprob")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    MEAN_LOGPROB_FIELD_NUMBER: _ClassVar[int]
    text: str
    mean_logprob: float
    def __init__(self, text: _Optional[str] = ..., mean_logprob: _Optional[float] = ...) -> None: ...

class SentenceResult(_message.Message):
    __slots__ = ("source_span", "target_span", "mean_logprob", "quality", "words", "alignment")
    SOURCE_SPAN_FIELD_NUMBER: _ClassVar[int]
    TARGET_SPAN_FIELD_NUMBER: _ClassVar[int]
    MEAN_LOGPROB_FIELD_NUMBER: _ClassVar[int]
    QUALITY_FIELD_NUMBER: _ClassVar[int]
    WORDS_FIELD_NUMBER: _ClassVar[int]
    ALIGNMENT_FIELD_NUMBER: _ClassVar[int]
    source_span: _common_pb2.TextSpan
    target_span: _common_pb2.TextSpan
    mean_logprob: float
    quality: QualityEstimate
    words: _containers.RepeatedCompositeFieldContainer[WordScore]
    alignment: _containers.RepeatedCompositeFieldContainer[AlignmentLink]
    def __init__(self, source_span: _Optional[_Union[_common_pb2.TextSpan, _Mapping]] = ..., target_span: _Optional[_Union[_common_pb2.TextSpan, _Mapping]] = ..., mean_logprob: _Optional[float] = ..., quality: _Optional[_Union[QualityEstimate, _Mapping]] = ..., words: _Optional[_Iterable[_Union[WordScore, _Mapping]]] = ..., alignment: _Optional[_Iterable[_Union[AlignmentLink, _Mapping]]] = ...) -> None: ...

class WordScore(_message.Message):
    __slots__ = ("target_span", "mean_logprob")
    TARGET_SPAN_FIELD_NUMBER: _ClassVar[int]
    MEAN_LOGPROB_FIELD_NUMBER: _ClassVar[int]
    target_span: _common_pb2.TextSpan
    mean_logprob: float
    def __init__(self, target_span: _Optional[_Union[_common_pb2.TextSpan, _Mapping]] = ..., mean_logprob: _Optional[float] = ...) -> None: ...

class AlignmentLink(_message.Message):
    __slots__ = ("source_span", "target_span", "weight")
    SOURCE_SPAN_FIELD_NUMBER: _ClassVar[int]
    TARGET_SPAN_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    source_span: _common_pb2.TextSpan
    target_span: _common_pb2.TextSpan
    weight: float
    def __init__(self, source_span: _Optional[_Union[_common_pb2.TextSpan, _Mapping]] = ..., target_span: _Optional[_Union[_common_pb2.TextSpan, _Mapping]] = ..., weight: _Optional[float] = ...) -> None: ...

class QualityEstimate(_message.Message):
    __slots__ = ("p_acceptable", "raw_score", "method", "calibration", "calibration_size", "calibration_ece", "calibrated", "acceptable_chrf")
    P_ACCEPTABLE_FIELD_NUMBER: _ClassVar[int]
    RAW_SCORE_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    CALIBRATION_FIELD_NUMBER: _ClassVar[int]
    CALIBRATION_SIZE_FIELD_NUMBER: _ClassVar[int]
    CALIBRATION_ECE_FIELD_NUMBER: _ClassVar[int]
    CALIBRATED_FIELD_NUMBER: _ClassVar[int]
    ACCEPTABLE_CHRF_FIELD_NUMBER: _ClassVar[int]
    p_acceptable: float
    raw_score: float
    method: str
    calibration: str
    calibration_size: int
    calibration_ece: float
    calibrated: bool
    acceptable_chrf: float
    def __init__(self, p_acceptable: _Optional[float] = ..., raw_score: _Optional[float] = ..., method: _Optional[str] = ..., calibration: _Optional[str] = ..., calibration_size: _Optional[int] = ..., calibration_ece: _Optional[float] = ..., calibrated: bool = ..., acceptable_chrf: _Optional[float] = ...) -> None: ...

class TermOutcome(_message.Message):
    __slots__ = ("source_span", "expected", "satisfied", "target_span")
    SOURCE_SPAN_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_FIELD_NUMBER: _ClassVar[int]
    SATISFIED_FIELD_NUMBER: _ClassVar[int]
    TARGET_SPAN_FIELD_NUMBER: _ClassVar[int]
    source_span: _common_pb2.TextSpan
    expected: str
    satisfied: bool
    target_span: _common_pb2.TextSpan
    def __init__(self, source_span: _Optional[_Union[_common_pb2.TextSpan, _Mapping]] = ..., expected: _Optional[str] = ..., satisfied: bool = ..., target_span: _Optional[_Union[_common_pb2.TextSpan, _Mapping]] = ...) -> None: ...

class Timings(_message.Message):
    __slots__ = ("total", "queue", "text", "inference")
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    INFERENCE_FIELD_NUMBER: _ClassVar[int]
    total: _duration_pb2.Duration
    queue: _duration_pb2.Duration
    text: _duration_pb2.Duration
    inference: _duration_pb2.Duration
    def __init__(self, total: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., queue: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., text: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., inference: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class UsageStats(_message.Message):
    __slots__ = ("input_characters", "input_tokens", "output_tokens")
    INPUT_CHARACTERS_FIELD_NUMBER: _ClassVar[int]
    INPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    input_characters: int
    input_tokens: int
    output_tokens: int
    def __init__(self, input_characters: _Optional[int] = ..., input_tokens: _Optional[int] = ..., output_tokens: _Optional[int] = ...) -> None: ...

class BatchTranslateTextRequest(_message.Message):
    __slots__ = ("translation",)
    TRANSLATION_FIELD_NUMBER: _ClassVar[int]
    translation: TranslateTextRequest
    def __init__(self, translation: _Optional[_Union[TranslateTextRequest, _Mapping]] = ...) -> None: ...

class BatchTranslateTextResponse(_message.Message):
    __slots__ = ("results", "usage")
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[TranslationResult]
    usage: UsageStats
    def __init__(self, results: _Optional[_Iterable[_Union[TranslationResult, _Mapping]]] = ..., usage: _Optional[_Union[UsageStats, _Mapping]] = ...) -> None: ...

class BatchTranslateTextMetadata(_message.Message):
    __slots__ = ("state", "total_characters", "done_characters", "failed_characters", "submit_time")
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATE_UNSPECIFIED: _ClassVar[BatchTranslateTextMetadata.State]
        STATE_QUEUED: _ClassVar[BatchTranslateTextMetadata.State]
        STATE_RUNNING: _ClassVar[BatchTranslateTextMetadata.State]
        STATE_SUCCEEDED: _ClassVar[BatchTranslateTextMetadata.State]
        STATE_FAILED: _ClassVar[BatchTranslateTextMetadata.State]
        STATE_CANCELLED: _ClassVar[BatchTranslateTextMetadata.State]
    STATE_UNSPECIFIED: BatchTranslateTextMetadata.State
    STATE_QUEUED: BatchTranslateTextMetadata.State
    STATE_RUNNING: BatchTranslateTextMetadata.State
    STATE_SUCCEEDED: BatchTranslateTextMetadata.State
    STATE_FAILED: BatchTranslateTextMetadata.State
    STATE_CANCELLED: BatchTranslateTextMetadata.State
    STATE_FIELD_NUMBER: _ClassVar[int]
    TOTAL_CHARACTERS_FIELD_NUMBER: _ClassVar[int]
    DONE_CHARACTERS_FIELD_NUMBER: _ClassVar[int]
    FAILED_CHARACTERS_FIELD_NUMBER: _ClassVar[int]
    SUBMIT_TIME_FIELD_NUMBER: _ClassVar[int]
    state: BatchTranslateTextMetadata.State
    total_characters: int
    done_characters: int
    failed_characters: int
    submit_time: _timestamp_pb2.Timestamp
    def __init__(self, state: _Optional[_Union[BatchTranslateTextMetadata.State, str]] = ..., total_characters: _Optional[int] = ..., done_characters: _Optional[int] = ..., failed_characters: _Optional[int] = ..., submit_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ScoreTranslationsRequest(_message.Message):
    __slots__ = ("pairs", "source_language", "target_language", "model", "word_scores", "request_id")
    PAIRS_FIELD_NUMBER: _ClassVar[int]
    SOURCE_LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    TARGET_LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    WORD_SCORES_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    pairs: _containers.RepeatedCompositeFieldContainer[TranslationPair]
    source_language: str
    target_language: str
    model: str
    word_scores: bool
    request_id: str
    def __init__(self, pairs: _Optional[_Iterable[_Union[TranslationPair, _Mapping]]] = ..., source_language: _Optional[str] = ..., target_language: _Optional[str] = ..., model: _Optional[str] = ..., word_scores: bool = ..., request_id: _Optional[str] = ...) -> None: ...

class TranslationPair(_message.Message):
    __slots__ = ("source", "target")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    source: str
    target: str
    def __init__(self, source: _Optional[str] = ..., target: _Optional[str] = ...) -> None: ...

class ScoreTranslationsResponse(_message.Message):
    __slots__ = ("scores", "request_id", "model")
    SCORES_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    scores: _containers.RepeatedCompositeFieldContainer[TranslationScoreResult]
    request_id: str
    model: str
    def __init__(self, scores: _Optional[_Iterable[_Union[TranslationScoreResult, _Mapping]]] = ..., request_id: _Optional[str] = ..., model: _Optional[str] = ...) -> None: ...

class TranslationScoreResult(_message.Message):
    __slots__ = ("score", "error")
    SCORE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    score: TranslationScore
    error: _status_pb2.Status
    def __init__(self, score: _Optional[_Union[TranslationScore, _Mapping]] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

class TranslationScore(_message.Message):
    __slots__ = ("total_logprob", "mean_logprob", "token_count", "quality", "words")
    TOTAL_LOGPROB_FIELD_NUMBER: _ClassVar[int]
    MEAN_LOGPROB_FIELD_NUMBER: _ClassVar[int]
    TOKEN_COUNT_FIELD_NUMBER: _ClassVar[int]
    QUALITY_FIELD_NUMBER: _ClassVar[int]
    WORDS_FIELD_NUMBER: _ClassVar[int]
    total_logprob: float
    mean_logprob: float
    token_count: int
    quality: QualityEstimate
    words: _containers.RepeatedCompositeFieldContainer[WordScore]
    def __init__(self, total_logprob: _Optional[float] = ..., mean_logprob: _Optional[float] = ..., token_count: _Optional[int] = ..., quality: _Optional[_Union[QualityEstimate, _Mapping]] = ..., words: _Optional[_Iterable[_Union[WordScore, _Mapping]]] = ...) -> None: ...

class DetectLanguageRequest(_message.Message):
    __slots__ = ("contents", "max_candidates", "request_id")
    CONTENTS_FIELD_NUMBER: _ClassVar[int]
    MAX_CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    contents: _containers.RepeatedScalarFieldContainer[str]
    max_candidates: int
    request_id: str
    def __init__(self, contents: _Optional[_Iterable[str]] = ..., max_candidates: _Optional[int] = ..., request_id: _Optional[str] = ...) -> None: ...

class DetectLanguageResponse(_message.Message):
    __slots__ = ("results", "request_id")
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[LanguageDetectionResult]
    request_id: str
    def __init__(self, results: _Optional[_Iterable[_Union[LanguageDetectionResult, _Mapping]]] = ..., request_id: _Optional[str] = ...) -> None: ...

class LanguageDetectionResult(_message.Message):
    __slots__ = ("detection", "error")
    DETECTION_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    detection: LanguageDetection
    error: _status_pb2.Status
    def __init__(self, detection: _Optional[_Union[LanguageDetection, _Mapping]] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

class LanguageDetection(_message.Message):
    __slots__ = ("candidates",)
    CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    candidates: _containers.RepeatedCompositeFieldContainer[LanguageCandidate]
    def __init__(self, candidates: _Optional[_Iterable[_Union[LanguageCandidate, _Mapping]]] = ...) -> None: ...

class LanguageCandidate(_message.Message):
    __slots__ = ("language", "confidence")
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    language: str
    confidence: float
    def __init__(self, language: _Optional[str] = ..., confidence: _Optional[float] = ...) -> None: ...

class ListLanguagePairsRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "filter", "view")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    VIEW_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    filter: str
    view: LanguagePairView
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., filter: _Optional[str] = ..., view: _Optional[_Union[LanguagePairView, str]] = ...) -> None: ...

class ListLanguagePairsResponse(_message.Message):
    __slots__ = ("language_pairs", "next_page_token")
    LANGUAGE_PAIRS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    language_pairs: _containers.RepeatedCompositeFieldContainer[LanguagePair]
    next_page_token: str
    def __init__(self, language_pairs: _Optional[_Iterable[_Union[LanguagePair, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class LanguagePair(_message.Message):
    __slots__ = ("name", "source_language", "target_language", "display_name", "status", "model", "metrics", "transfer", "max_input_tokens")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SOURCE_LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    TARGET_LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    TRANSFER_FIELD_NUMBER: _ClassVar[int]
    MAX_INPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    name: str
    source_language: str
    target_language: str
    display_name: str
    status: _common_pb2.PairStatus
    model: str
    metrics: _containers.RepeatedCompositeFieldContainer[_common_pb2.Metric]
    transfer: _common_pb2.TransferReport
    max_input_tokens: int
    def __init__(self, name: _Optional[str] = ..., source_language: _Optional[str] = ..., target_language: _Optional[str] = ..., display_name: _Optional[str] = ..., status: _Optional[_Union[_common_pb2.PairStatus, str]] = ..., model: _Optional[str] = ..., metrics: _Optional[_Iterable[_Union[_common_pb2.Metric, _Mapping]]] = ..., transfer: _Optional[_Union[_common_pb2.TransferReport, _Mapping]] = ..., max_input_tokens: _Optional[int] = ...) -> None: ...
