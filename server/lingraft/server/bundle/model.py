"""What the inner rooms know of a bundle: plain frozen values, no protobuf.

The meaning, unit and limits of each field stand in `protos/lingraft/v1/bundle.proto`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path


class Task(Enum):
    """What a bundle does."""

    TRANSLATION = "translation"
    CLASSIFICATION = "classification"
    LANGUAGE_IDENTIFICATION = "language_identification"


class Precision(Enum):
    """Arithmetic of a set of graphs."""

    FP32 = "fp32"
    INT8 = "int8"
    FP16 = "fp16"
    INT4 = "int4"


class TokenizerKind(Enum):
    """How text becomes ids."""

    SENTENCEPIECE = "sentencepiece"
    SENTENCEPIECE_VOCABULARY = "sentencepiece_vocabulary"
    TOKENIZER_JSON = "tokenizer_json"
    CODE_POINTS = "code_points"


class TagPlacement(Enum):
    """Where language tags stand."""

    TARGET_IN_SOURCE = "target_in_source"
    SOURCE_AND_TARGET = "source_and_target"
    NONE = "none"


@dataclass(frozen=True)
class TokenizerFiles:
    """The files of one side's tokenizer; only SENTENCEPIECE_VOCABULARY has a `vocabulary`.

    CODE_POINTS has no file at all; every other kind has a `model`.
    """

    kind: TokenizerKind
    model: Path | None = None
    vocabulary: Path | None = None


@dataclass(frozen=True)
class Pair:
    """A direction that may be asked for, BCP-47, and the text before each of its sources."""

    source: str
    target: str
    prefix: str = ""


@dataclass(frozen=True)
class Graphs:
    """Files of one precision; the ones that the task does not use are None."""

    precision: Precision
    encoder: Path | None
    decoder_step: Path | None
    classifier: Path | None


@dataclass(frozen=True)
class SpecialIds:
    """Ids with a meaning of their own; `text_start` is None where nothing stands before a text."""

    eos: int
    unk: int
    pad: int
    decoder_start: int
    text_start: int | None = None


@dataclass(frozen=True)
class Limits:
    """Pieces of one source sentence (tag and end included) and of one target sentence."""

    max_source_tokens: int
    max_target_tokens: int


@dataclass(frozen=True)
class Dimensions:
    """Sizes of the decoder's caches and of the vocabulary."""

    decoder_layers: int
    heads: int
    head_size: int
    vocabulary_size: int


@dataclass(frozen=True)
class Decoding:
    """Defaults of decoding; a `max_length_ratio` of 0 is no bound."""

    beam_size: int = 1
    length_penalty: float = 1.0
    max_length_ratio: float = 0.0


@dataclass(frozen=True)
class Bundle:
    """A bundle whose files were all checked.

    `manifest` is the checked JSON text, from which the API quotes the evidence; `card` the model
    card in Markdown, "" where there is none. `tags` gives the id of each language's tag, `mappings`
    the replacements of single letters; both by BCP-47 language in lower case. `composed`: text is
    brought to NFC. `files` are those that the manifest names.
    """

    folder: Path
    files: frozenset[Path]
    name: str
    version: str
    task: Task
    pairs: tuple[Pair, ...]
    labels: tuple[str, ...]
    languages: tuple[str, ...]
    graphs: tuple[Graphs, ...]
    source_tokenizer: TokenizerFiles
    target_tokenizer: TokenizerFiles
    special: SpecialIds
    tags: Mapping[str, int]
    tag_placement: TagPlacement
    composed: bool
    mappings: Mapping[str, Mapping[str, str]]
    limits: Limits
    dimensions: Dimensions
    decoding: Decoding
    manifest: str
    card: str
