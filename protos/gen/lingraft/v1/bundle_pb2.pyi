from lingraft.v1 import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Task(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TASK_UNSPECIFIED: _ClassVar[Task]
    TASK_TRANSLATION: _ClassVar[Task]
    TASK_CLASSIFICATION: _ClassVar[Task]
    TASK_LANGUAGE_IDENTIFICATION: _ClassVar[Task]

class Precision(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PRECISION_UNSPECIFIED: _ClassVar[Precision]
    PRECISION_FP32: _ClassVar[Precision]
    PRECISION_INT8: _ClassVar[Precision]
    PRECISION_FP16: _ClassVar[Precision]
    PRECISION_INT4: _ClassVar[Precision]

class TokenizerKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TOKENIZER_KIND_UNSPECIFIED: _ClassVar[TokenizerKind]
    TOKENIZER_KIND_SENTENCEPIECE: _ClassVar[TokenizerKind]
    TOKENIZER_KIND_SENTENCEPIECE_VOCABULARY: _ClassVar[TokenizerKind]
    TOKENIZER_KIND_TOKENIZER_JSON: _ClassVar[TokenizerKind]
    TOKENIZER_KIND_CODE_POINTS: _ClassVar[TokenizerKind]

class TagPlacement(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TAG_PLACEMENT_UNSPECIFIED: _ClassVar[TagPlacement]
    TAG_PLACEMENT_TARGET_IN_SOURCE: _ClassVar[TagPlacement]
    TAG_PLACEMENT_SOURCE_AND_TARGET: _ClassVar[TagPlacement]
    TAG_PLACEMENT_NONE: _ClassVar[TagPlacement]
TASK_UNSPECIFIED: Task
TASK_TRANSLATION: Task
TASK_CLASSIFICATION: Task
TASK_LANGUAGE_IDENTIFICATION: Task
PRECISION_UNSPECIFIED: Precision
PRECISION_FP32: Precision
PRECISION_INT8: Precision
PRECISION_FP16: Precision
PRECISION_INT4: Precision
TOKENIZER_KIND_UNSPECIFIED: TokenizerKind
TOKENIZER_KIND_SENTENCEPIECE: TokenizerKind
TOKENIZER_KIND_SENTENCEPIECE_VOCABULARY: TokenizerKind
TOKENIZER_KIND_TOKENIZER_JSON: TokenizerKind
TOKENIZER_KIND_CODE_POINTS: TokenizerKind
TAG_PLACEMENT_UNSPECIFIED: TagPlacement
TAG_PLACEMENT_TARGET_IN_SOURCE: TagPlacement
TAG_PLACEMENT_SOURCE_AND_TARGET: TagPlacement
TAG_PLACEMENT_NONE: TagPlacement

class Bundle(_message.Message):
    __slots__ = ("format_version", "name", "version", "task", "family", "display_name", "pairs", "labels", "files", "graphs", "tokenizer", "special_ids", "language_tags", "normalization", "limits", "dimensions", "decoding", "calibration", "parent", "parent_sha256", "data_sources", "licence", "languages", "transfer", "metrics", "tag_placement", "thresholds", "default_threshold_profile")
    FORMAT_VERSION_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    FAMILY_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    PAIRS_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    GRAPHS_FIELD_NUMBER: _ClassVar[int]
    TOKENIZER_FIELD_NUMBER: _ClassVar[int]
    SPECIAL_IDS_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_TAGS_FIELD_NUMBER: _ClassVar[int]
    NORMALIZATION_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    DIMENSIONS_FIELD_NUMBER: _ClassVar[int]
    DECODING_FIELD_NUMBER: _ClassVar[int]
    CALIBRATION_FIELD_NUMBER: _ClassVar[int]
    PARENT_FIELD_NUMBER: _ClassVar[int]
    PARENT_SHA256_FIELD_NUMBER: _ClassVar[int]
    DATA_SOURCES_FIELD_NUMBER: _ClassVar[int]
    LICENCE_FIELD_NUMBER: _ClassVar[int]
    LANGUAGES_FIELD_NUMBER: _ClassVar[int]
    TRANSFER_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    TAG_PLACEMENT_FIELD_NUMBER: _ClassVar[int]
    THRESHOLDS_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_THRESHOLD_PROFILE_FIELD_NUMBER: _ClassVar[int]
    format_version: int
    name: str
    version: str
    task: Task
    family: str
    display_name: str
    pairs: _containers.RepeatedCompositeFieldContainer[BundlePair]
    labels: _containers.RepeatedScalarFieldContainer[str]
    files: _containers.RepeatedCompositeFieldContainer[BundleFile]
    graphs: _containers.RepeatedCompositeFieldContainer[GraphSet]
    tokenizer: Tokenizer
    special_ids: SpecialIds
    language_tags: _containers.RepeatedCompositeFieldContainer[LanguageTag]
    normalization: Normalization
    limits: Limits
    dimensions: Dimensions
    decoding: DecodingDefaults
    calibration: _containers.RepeatedCompositeFieldContainer[_common_pb2.CalibrationInfo]
    parent: str
    parent_sha256: str
    data_sources: _containers.RepeatedCompositeFieldContainer[DataSource]
    licence: str
    languages: _containers.RepeatedScalarFieldContainer[str]
    transfer: _common_pb2.TransferReport
    metrics: _containers.RepeatedCompositeFieldContainer[_common_pb2.Metric]
    tag_placement: TagPlacement
    thresholds: _containers.RepeatedCompositeFieldContainer[_common_pb2.LabelThreshold]
    default_threshold_profile: str
    def __init__(self, format_version: _Optional[int] = ..., name: _Optional[str] = ..., version: _Optional[str] = ..., task: _Optional[_Union[Task, str]] = ..., family: _Optional[str] = ..., display_name: _Optional[str] = ..., pairs: _Optional[_Iterable[_Union[BundlePair, _Mapping]]] = ..., labels: _Optional[_Iterable[str]] = ..., files: _Optional[_Iterable[_Union[BundleFile, _Mapping]]] = ..., graphs: _Optional[_Iterable[_Union[GraphSet, _Mapping]]] = ..., tokenizer: _Optional[_Union[Tokenizer, _Mapping]] = ..., special_ids: _Optional[_Union[SpecialIds, _Mapping]] = ..., language_tags: _Optional[_Iterable[_Union[LanguageTag, _Mapping]]] = ..., normalization: _Optional[_Union[Normalization, _Mapping]] = ..., limits: _Optional[_Union[Limits, _Mapping]] = ..., dimensions: _Optional[_Union[Dimensions, _Mapping]] = ..., decoding: _Optional[_Union[DecodingDefaults, _Mapping]] = ..., calibration: _Optional[_Iterable[_Union[_common_pb2.CalibrationInfo, _Mapping]]] = ..., parent: _Optional[str] = ..., parent_sha256: _Optional[str] = ..., data_sources: _Optional[_Iterable[_Union[DataSource, _Mapping]]] = ..., licence: _Optional[str] = ..., languages: _Optional[_Iterable[str]] = ..., transfer: _Optional[_Union[_common_pb2.TransferReport, _Mapping]] = ..., metrics: _Optional[_Iterable[_Union[_common_pb2.Metric, _Mapping]]] = ..., tag_placement: _Optional[_Union[TagPlacement, str]] = ..., thresholds: _Optional[_Iterable[_Union[_common_pb2.LabelThreshold, _Mapping]]] = ..., default_threshold_profile: _Optional[str] = ...) -> None: ...

class BundlePair(_message.Message):
    __slots__ = ("source_language", "target_language", "status", "metrics", "transfer", "source_prefix")
    SOURCE_LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    TARGET_LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    TRANSFER_FIELD_NUMBER: _ClassVar[int]
    SOURCE_PREFIX_FIELD_NUMBER: _ClassVar[int]
    source_language: str
    target_language: str
    status: _common_pb2.PairStatus
    metrics: _containers.RepeatedCompositeFieldContainer[_common_pb2.Metric]
    transfer: _common_pb2.TransferReport
    source_prefix: str
    def __init__(self, source_language: _Optional[str] = ..., target_language: _Optional[str] = ..., status: _Optional[_Union[_common_pb2.PairStatus, str]] = ..., metrics: _Optional[_Iterable[_Union[_common_pb2.Metric, _Mapping]]] = ..., transfer: _Optional[_Union[_common_pb2.TransferReport, _Mapping]] = ..., source_prefix: _Optional[str] = ...) -> None: ...

class BundleFile(_message.Message):
    __slots__ = ("path", "size_bytes", "sha256")
    PATH_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    path: str
    size_bytes: int
    sha256: str
    def __init__(self, path: _Optional[str] = ..., size_bytes: _Optional[int] = ..., sha256: _Optional[str] = ...) -> None: ...

class GraphSet(_message.Message):
    __slots__ = ("precision", "encoder", "decoder_step", "classifier", "quality_loss", "identical_share", "pair_losses")
    PRECISION_FIELD_NUMBER: _ClassVar[int]
    ENCODER_FIELD_NUMBER: _ClassVar[int]
    DECODER_STEP_FIELD_NUMBER: _ClassVar[int]
    CLASSIFIER_FIELD_NUMBER: _ClassVar[int]
    QUALITY_LOSS_FIELD_NUMBER: _ClassVar[int]
    IDENTICAL_SHARE_FIELD_NUMBER: _ClassVar[int]
    PAIR_LOSSES_FIELD_NUMBER: _ClassVar[int]
    precision: Precision
    encoder: str
    decoder_step: str
    classifier: str
    quality_loss: _common_pb2.Metric
    identical_share: float
    pair_losses: _containers.RepeatedCompositeFieldContainer[PairLoss]
    def __init__(self, precision: _Optional[_Union[Precision, str]] = ..., encoder: _Optional[str] = ..., decoder_step: _Optional[str] = ..., classifier: _Optional[str] = ..., quality_loss: _Optional[_Union[_common_pb2.Metric, _Mapping]] = ..., identical_share: _Optional[float] = ..., pair_losses: _Optional[_Iterable[_Union[PairLoss, _Mapping]]] = ...) -> None: ...

class PairLoss(_message.Message):
    __slots__ = ("source_language", "target_language", "loss")
    SOURCE_LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    TARGET_LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    LOSS_FIELD_NUMBER: _ClassVar[int]
    source_language: str
    target_language: str
    loss: _common_pb2.Metric
    def __init__(self, source_language: _Optional[str] = ..., target_language: _Optional[str] = ..., loss: _Optional[_Union[_common_pb2.Metric, _Mapping]] = ...) -> None: ...

class Tokenizer(_message.Message):
    __slots__ = ("kind", "source_model", "target_model", "source_vocabulary", "target_vocabulary")
    KIND_FIELD_NUMBER: _ClassVar[int]
    SOURCE_MODEL_FIELD_NUMBER: _ClassVar[int]
    TARGET_MODEL_FIELD_NUMBER: _ClassVar[int]
    SOURCE_VOCABULARY_FIELD_NUMBER: _ClassVar[int]
    TARGET_VOCABULARY_FIELD_NUMBER: _ClassVar[int]
    kind: TokenizerKind
    source_model: str
    target_model: str
    source_vocabulary: str
    target_vocabulary: str
    def __init__(self, kind: _Optional[_Union[TokenizerKind, str]] = ..., source_model: _Optional[str] = ..., target_model: _Optional[str] = ..., source_vocabulary: _Optional[str] = ..., target_vocabulary: _Optional[str] = ...) -> None: ...

class SpecialIds(_message.Message):
    __slots__ = ("eos", "unk", "pad", "decoder_start", "text_start")
    EOS_FIELD_NUMBER: _ClassVar[int]
    UNK_FIELD_NUMBER: _ClassVar[int]
    PAD_FIELD_NUMBER: _ClassVar[int]
    DECODER_START_FIELD_NUMBER: _ClassVar[int]
    TEXT_START_FIELD_NUMBER: _ClassVar[int]
    eos: int
    unk: int
    pad: int
    decoder_start: int
    text_start: int
    def __init__(self, eos: _Optional[int] = ..., unk: _Optional[int] = ..., pad: _Optional[int] = ..., decoder_start: _Optional[int] = ..., text_start: _Optional[int] = ...) -> None: ...

class LanguageTag(_message.Message):
    __slots__ = ("language", "piece", "id")
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    PIECE_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    language: str
    piece: str
    id: int
    def __init__(self, language: _Optional[str] = ..., piece: _Optional[str] = ..., id: _Optional[int] = ...) -> None: ...

class Normalization(_message.Message):
    __slots__ = ("unicode_form", "mappings")
    UNICODE_FORM_FIELD_NUMBER: _ClassVar[int]
    MAPPINGS_FIELD_NUMBER: _ClassVar[int]
    unicode_form: str
    mappings: _containers.RepeatedCompositeFieldContainer[LetterMapping]
    def __init__(self, unicode_form: _Optional[str] = ..., mappings: _Optional[_Iterable[_Union[LetterMapping, _Mapping]]] = ...) -> None: ...

class LetterMapping(_message.Message):
    __slots__ = ("language", "source", "target")
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    language: str
    source: str
    target: str
    def __init__(self, language: _Optional[str] = ..., source: _Optional[str] = ..., target: _Optional[str] = ...) -> None: ...

class Limits(_message.Message):
    __slots__ = ("max_source_tokens", "max_target_tokens")
    MAX_SOURCE_TOKENS_FIELD_NUMBER: _ClassVar[int]
    MAX_TARGET_TOKENS_FIELD_NUMBER: _ClassVar[int]
    max_source_tokens: int
    max_target_tokens: int
    def __init__(self, max_source_tokens: _Optional[int] = ..., max_target_tokens: _Optional[int] = ...) -> None: ...

class Dimensions(_message.Message):
    __slots__ = ("decoder_layers", "heads", "head_size", "vocabulary_size")
    DECODER_LAYERS_FIELD_NUMBER: _ClassVar[int]
    HEADS_FIELD_NUMBER: _ClassVar[int]
    HEAD_SIZE_FIELD_NUMBER: _ClassVar[int]
    VOCABULARY_SIZE_FIELD_NUMBER: _ClassVar[int]
    decoder_layers: int
    heads: int
    head_size: int
    vocabulary_size: int
    def __init__(self, decoder_layers: _Optional[int] = ..., heads: _Optional[int] = ..., head_size: _Optional[int] = ..., vocabulary_size: _Optional[int] = ...) -> None: ...

class DecodingDefaults(_message.Message):
    __slots__ = ("beam_size", "length_penalty", "max_length_ratio")
    BEAM_SIZE_FIELD_NUMBER: _ClassVar[int]
    LENGTH_PENALTY_FIELD_NUMBER: _ClassVar[int]
    MAX_LENGTH_RATIO_FIELD_NUMBER: _ClassVar[int]
    beam_size: int
    length_penalty: float
    max_length_ratio: float
    def __init__(self, beam_size: _Optional[int] = ..., length_penalty: _Optional[float] = ..., max_length_ratio: _Optional[float] = ...) -> None: ...

class DataSource(_message.Message):
    __slots__ = ("name", "licence", "examples")
    NAME_FIELD_NUMBER: _ClassVar[int]
    LICENCE_FIELD_NUMBER: _ClassVar[int]
    EXAMPLES_FIELD_NUMBER: _ClassVar[int]
    name: str
    licence: str
    examples: int
    def __init__(self, name: _Optional[str] = ..., licence: _Optional[str] = ..., examples: _Optional[int] = ...) -> None: ...
