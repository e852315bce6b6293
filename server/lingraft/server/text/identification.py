"""What language identification reads of a text: its beginning, as it is written."""

from __future__ import annotations

import unicodedata

from lingraft.server.bundle import Bundle
from lingraft.server.text.codec import check_size, framed
from lingraft.server.text.tokenizers import open_tokenizer


class IdentificationCodec:
    """The ids of one bundle of language identification. Safe to use from any thread.

    Nothing is taken out of a text and nothing is put into it, since no id of it can steer the
    model: a space is a piece even where it is also the end, and what looks like a tag stays. No
    letter mapping applies either: they belong to languages, and the language is what is asked for.

    Raises BundleError when the tokenizer cannot be read or has more pieces than the model.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._tokenizer = open_tokenizer(bundle.source_tokenizer, bundle.special.unk)
        check_size(bundle, self._tokenizer)
        self._special, self._composed = bundle.special, bundle.composed
        self._most = max(0, bundle.limits.max_source_tokens - len(framed((), bundle.special)))

    def ids(self, text: str) -> tuple[int, ...] | None:
        """NFC, where the bundle wants it, then at most `limits.max_source_tokens` ids, framed.

        None where what is read has no letter: it says nothing of its language.
        """
        composed = unicodedata.normalize("NFC", text) if self._composed else text
        pieces = self._tokenizer.encode(composed)[: self._most]
        if not any(letter.isalpha() for letter in self._tokenizer.decode(pieces)):
            return None
        return framed(pieces, self._special)
