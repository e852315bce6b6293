"""The tokenizers of a bundle behind one small protocol; `open_tokenizer` chooses by the manifest.

SentencePiece: Kudo and Richardson, EMNLP 2018. A tokenizer.json is read by Hugging Face's
`tokenizers`, the very code that made it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

import sentencepiece

from lingraft.server.bundle import TokenizerFiles, TokenizerKind
from lingraft.server.errors import BundleError

_SPACE = "▁"  # how SentencePiece writes a space inside a piece


class Tokenizer(Protocol):
    """Text to ids and back, without tags, prefixes and ends. Safe to use from any thread."""

    @property
    def size(self) -> int:
        """The greatest id + 1."""

    @property
    def reserved(self) -> Mapping[str, int]:
        """Pieces with a meaning of their own that text could spell, with their ids."""

    def encode(self, text: str) -> list[int]:
        """Ids of the text alone."""

    def decode(self, ids: Iterable[int]) -> str:
        """Text of ids; those that it does not know say nothing: a model may have more."""


def open_tokenizer(files: TokenizerFiles, unknown: int) -> Tokenizer:
    """The tokenizer of some files; `unknown` is the id of pieces that a vocabulary lacks.

    Raises BundleError when one of them cannot be read.
    """
    if files.model is None:
        return _CodePoints()
    if files.kind is TokenizerKind.TOKENIZER_JSON:
        return _JsonTokenizer(files.model)
    if files.vocabulary is None:
        return _Pieces(_sentencepiece(files.model))
    return _Vocabulary(_sentencepiece(files.model), _vocabulary(files.vocabulary), unknown)


class _CodePoints:
    """The one kind without a file: each code point is its own id."""

    reserved: Mapping[str, int] = {}
    size = sys.maxunicode + 1

    def encode(self, text: str) -> list[int]:
        return [ord(letter) for letter in text]

    def decode(self, ids: Iterable[int]) -> str:
        return "".join(chr(each) for each in ids if each < self.size)


class _Pieces:
    """A SentencePiece model whose piece ids are the ids."""

    reserved: Mapping[str, int] = {}

    def __init__(self, processor: Any) -> None:
        self._processor = processor
        self.size = int(processor.get_piece_size())

    def encode(self, text: str) -> list[int]:
        ids: list[int] = self._processor.encode(text)
        return ids

    def decode(self, ids: Iterable[int]) -> str:
        return str(self._processor.decode([each for each in ids if each < self.size]))


class _Vocabulary:
    """A SentencePiece model whose pieces have their ids from a table."""

    reserved: Mapping[str, int] = {}

    def __init__(self, processor: Any, ids: Mapping[str, int], unknown: int) -> None:
        self._processor, self._ids, self._unknown = processor, ids, unknown
        self._pieces = {number: piece for piece, number in ids.items()}
        self.size = max(ids.values()) + 1

    def encode(self, text: str) -> list[int]:
        pieces = self._processor.encode(text, out_type=str)
        return [self._ids.get(piece, self._unknown) for piece in pieces]

    def decode(self, ids: Iterable[int]) -> str:
        """A piece that the SentencePiece model does not know is text with marks for spaces."""
        pieces = [self._pieces[each] for each in ids if each in self._pieces]
        return str(self._processor.decode_pieces(pieces)).replace(_SPACE, " ")


class _JsonTokenizer:
    """A tokenizer.json. Its special tokens are reserved: text must not become one of them."""

    def __init__(self, path: Path) -> None:
        self._tokenizer = _tokenizer_json(path)
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self.size = max(self._tokenizer.get_vocab(with_added_tokens=True).values()) + 1
        added = self._tokenizer.get_added_tokens_decoder().items()
        self.reserved = {token.content: number for number, token in added if token.special}

    def encode(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def decode(self, ids: Iterable[int]) -> str:
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=True))


def _sentencepiece(path: Path) -> Any:
    try:
        return sentencepiece.SentencePieceProcessor(model_file=str(path))
    except (RuntimeError, OSError) as error:
        raise BundleError(f"{path} is no SentencePiece model: {error}") from error


def _vocabulary(path: Path) -> dict[str, int]:
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BundleError(f"{path} is no vocabulary: {error}") from error
    if not isinstance(table, dict) or not table or not all(map(_is_id, table.values())):
        raise BundleError(f"{path} is no vocabulary: it must be an object from piece to id")
    return table


def _is_id(value: object) -> bool:
    return isinstance(value, int) and value >= 0


def _tokenizer_json(path: Path) -> Any:
    """Imported here: the other kinds need no `tokenizers`."""
    import tokenizers

    try:
        return tokenizers.Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises no other class
        raise BundleError(f"{path} is no tokenizer.json: {error}") from error
