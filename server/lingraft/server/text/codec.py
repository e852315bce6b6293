"""Text to ids and back: normalisation, language tags, prefixes, tokenizer."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from lingraft.server.bundle import Bundle, SpecialIds, TagPlacement
from lingraft.server.errors import BundleError
from lingraft.server.text.tokenizers import Tokenizer, open_tokenizer

# The beginning of what could be read as a language tag, `>>yor<<`.
_TAG_BEGIN = re.compile(r">>(?=[^<>\s]+<<)")


def neutralize_tags(text: str) -> str:
    """The text with every `>>xxx<<` opened by a space, so that no user can smuggle in a tag."""
    return _TAG_BEGIN.sub(">> ", text)


@dataclass(frozen=True)
class Encoded:
    """A source for the encoder, and the piece that its target must begin with, if any."""

    ids: tuple[int, ...]
    forced: int | None


class TextCodec:
    """The ids of one bundle. Safe to use from any thread.

    Raises BundleError when a tokenizer cannot be read or has more pieces than the model.
    """

    def __init__(self, bundle: Bundle) -> None:
        special = bundle.special
        self._source = open_tokenizer(bundle.source_tokenizer, special.unk)
        same = bundle.source_tokenizer == bundle.target_tokenizer
        self._target = (
            self._source if same else open_tokenizer(bundle.target_tokenizer, special.unk)
        )
        for tokenizer in (self._source, self._target):
            check_size(bundle, tokenizer)
        self._tables = {
            language: str.maketrans(dict(mapping)) for language, mapping in bundle.mappings.items()
        }
        self._composed = bundle.composed
        self._special = special
        self._placement, self._tags = bundle.tag_placement, dict(bundle.tags)
        meaning = {special.eos, special.pad, special.decoder_start, *bundle.tags.values()}
        self._reserved = meaning | set(self._source.reserved.values()) - {special.unk}
        self._silent = meaning | {special.unk}
        self._break_up = _breaker(self._source.reserved)
        self._prefixes = {
            (pair.source.lower(), pair.target.lower()): tuple(self._source.encode(pair.prefix))
            for pair in bundle.pairs
            if pair.prefix
        }

    def normalize(self, text: str, language: str) -> str:
        """NFC, then the letter mappings of `language` (BCP-47, any case), then harmless tags.

        NFC is left out where the bundle says so.
        """
        composed = unicodedata.normalize("NFC", text) if self._composed else text
        table = self._tables.get(language.lower())
        mapped = composed.translate(table) if table else composed
        return self._break_up(neutralize_tags(mapped))

    def pieces(self, text: str, language: str) -> list[int]:
        """Ids of the text alone, without tag, prefix and end; none has a meaning of its own."""
        ids = self._source.encode(self.normalize(text, language))
        return [each for each in ids if each not in self._reserved]

    def translation(self, pieces: Iterable[int], source: str, target: str) -> Encoded:
        """What a translation model is given for `pieces` of a pair of the bundle (BCP-47)."""
        front, forced = self._front(source, target)
        return Encoded((*front, *pieces, self._special.eos), forced)

    def target_pieces(self, text: str, language: str) -> list[int]:
        """Ids of a piece of target text, without tag and end; none has a meaning of its own."""
        ids = self._target.encode(self.normalize(text, language))
        return [each for each in ids if each not in self._reserved]

    def framing(self, source: str, target: str) -> int:
        """Ids around the pieces of every source of a pair: tag, prefix, end."""
        return len(self._front(source, target)[0]) + 1

    def classification_ids(self, pieces: Iterable[int]) -> tuple[int, ...]:
        """What a classifier reads: what stands first, if anything, then pieces, end."""
        return framed(pieces, self._special)

    def decode(self, ids: Iterable[int]) -> str:
        """Text of target ids; ids with a meaning of their own say nothing."""
        return self._target.decode(each for each in ids if each not in self._silent).strip()

    def _front(self, source: str, target: str) -> tuple[tuple[int, ...], int | None]:
        """What stands before the pieces of a source, and the forced first piece of the target."""
        source, target = source.lower(), target.lower()
        prefix = self._prefixes.get((source, target), ())
        if self._placement is TagPlacement.NONE:
            return prefix, None
        if self._placement is TagPlacement.SOURCE_AND_TARGET:
            return (self._tags[source], *prefix), self._tags[target]
        return (self._tags[target], *prefix), None


def _breaker(pieces: Iterable[str]) -> Callable[[str], str]:
    """A function that puts a space into every one of `pieces` that a text spells."""
    longest_first = sorted((piece for piece in pieces if len(piece) > 1), key=len, reverse=True)
    if not longest_first:
        return lambda text: text
    spelled = re.compile("|".join(map(re.escape, longest_first)))
    return lambda text: spelled.sub(lambda found: f"{found[0][0]} {found[0][1:]}", text)


def framed(pieces: Iterable[int], special: SpecialIds) -> tuple[int, ...]:
    """The pieces of a text to classify between what stands first, if anything, and the end."""
    start = () if special.text_start is None else (special.text_start,)
    return (*start, *pieces, special.eos)


def check_size(bundle: Bundle, tokenizer: Tokenizer) -> None:
    """Raises BundleError where the tokenizer has more pieces than the model."""
    size = bundle.dimensions.vocabulary_size
    if size and tokenizer.size > size:
        raise BundleError(
            f"the tokenizer of {bundle.folder} has {tokenizer.size} pieces, the model only {size}: "
            "they are not of one bundle"
        )
