"""What is done to text before SentencePiece sees it: NFC, then single letters by language.

The same table travels to the server in the bundle's manifest (`Normalization`), so training and
serving cannot disagree. SentencePiece itself runs with identity normalisation.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Literal

# The ʻokina is a letter (U+02BB); people type it six ways, and Hawaiian has no apostrophe else.
_HAWAIIAN = dict.fromkeys("'`´‘’ʼ", "ʻ")

# Sindhi writes its k as U+06AA and its final i as U+064A; Arabic and Persian keyboards give
# look-alikes. Tatweel and direction marks carry no sound.
_SINDHI = {"ك": "ڪ", "ی": "ي", "ـ": ""} | dict.fromkeys(
    (chr(c) for c in (0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))), ""
)

LETTER_MAPPINGS: Mapping[str, Mapping[str, str]] = {"haw": _HAWAIIAN, "sd": _SINDHI}
UNICODE_FORM: Literal["NFC"] = "NFC"

_TABLES = {language: str.maketrans(dict(m)) for language, m in LETTER_MAPPINGS.items()}


def normalise(text: str, language: str) -> str:
    """Text in NFC with the letter mappings of `language` (BCP-47) applied."""
    composed = unicodedata.normalize(UNICODE_FORM, text)
    table = _TABLES.get(language)
    return composed.translate(table) if table else composed
