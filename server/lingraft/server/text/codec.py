"""Text to ids and back: normalisation, tags, SentencePiece (Kudo and Richardson, EMNLP 2018)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import sentencepiece

from lingraft.server.bundle import Bundle
from lingraft.server.errors import BundleError

# The beginning of what could be read as a language tag, `>>yor<<`.
_TAG_BEGIN = re.compile(r">>(?=[^<>\s]+<<)")


def neutralize_tags(text: str) -> str:
    """The text with every `>>xxx<<` opened by a space, so that no user can smuggle in a tag."""
    return _TAG_BEGIN.sub(">> ", text)


class TextCodec:
    """The ids of one bundle. Safe to use from any thread.

    Raises BundleError when a SentencePiece model cannot be read or has more pieces than the model.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._source = _load(bundle, bundle.source_tokenizer)
        same = bundle.source_tokenizer == bundle.target_tokenizer
        self._target = self._source if same else _load(bundle, bundle.target_tokenizer)
        self._tables = {
            language: str.maketrans(dict(mapping)) for language, mapping in bundle.mappings.items()
        }
        special = bundle.special
        self._eos = special.eos
        self._tags = dict(bundle.tags)
        self._silent = {special.eos, special.unk, special.pad, special.decoder_start}
        self._silent.update(bundle.tags.values())

    def normalize(self, text: str, language: str) -> str:
        """NFC, then the letter mappings of `language` (BCP-47, any case), then harmless tags."""
        composed = unicodedata.normalize("NFC", text)
        table = self._tables.get(language.lower())
        return neutralize_tags(composed.translate(table) if table else composed)

    def pieces(self, text: str, language: str) -> list[int]:
        """Ids of the text alone, without tag and end."""
        ids: list[int] = self._source.encode(self.normalize(text, language))
        return ids

    def translation_ids(self, pieces: Iterable[int], target: str) -> tuple[int, ...]:
        """What the encoder of a translation model reads: target tag, pieces, end."""
        return (self._tags[target.lower()], *pieces, self._eos)

    def classification_ids(self, pieces: Iterable[int]) -> tuple[int, ...]:
        """What a classifier reads: pieces, end."""
        return (*pieces, self._eos)

    def decode(self, ids: Iterable[int]) -> str:
        """Text of target ids; ids with a meaning of their own say nothing."""
        spoken = [each for each in ids if each not in self._silent]
        text: str = self._target.decode(spoken)
        return text.strip()


def _load(bundle: Bundle, path: Path) -> Any:
    try:
        processor = sentencepiece.SentencePieceProcessor(model_file=str(path))
    except (RuntimeError, OSError) as error:
        raise BundleError(f"{path} is no SentencePiece model: {error}") from error
    size = bundle.dimensions.vocabulary_size
    if size and processor.get_piece_size() > size:
        raise BundleError(
            f"{path} has {processor.get_piece_size()} pieces, the model only {size}: they are not "
            "of one bundle"
        )
    return processor
