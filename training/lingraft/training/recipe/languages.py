"""Languages by their two names: BCP-47 towards people, ISO 639-3 inside the target tag."""

from __future__ import annotations

import re

from lingraft.training.errors import RecipeError

ISO_639_3 = {
    "de": "deu",
    "ee": "ewe",
    "en": "eng",
    "es": "spa",
    "fr": "fra",
    "ha": "hau",
    "haw": "haw",
    "hi": "hin",
    "id": "ind",
    "ig": "ibo",
    "jv": "jav",
    "mi": "mri",
    "pt": "por",
    "sd": "snd",
    "so": "som",
    "su": "sun",
    "sw": "swa",
    "ur": "urd",
    "wo": "wol",
    "yo": "yor",
    "zu": "zul",
}

_TAG = re.compile(r">>[^<>\s]+<<")


def is_tag(piece: str) -> bool:
    """Whether a piece asks for a language, whichever."""
    return _TAG.fullmatch(piece) is not None


def tag(language: str) -> str:
    """The piece that asks for `language` (BCP-47), in the opus-mt convention: `>>yor<<`.

    Raises:
        RecipeError: neither a known BCP-47 code nor a three-letter ISO 639-3 code.
    """
    code = ISO_639_3.get(language) or (language if len(language) == 3 else None)
    if code is None or not (code.isascii() and code.isalpha() and code.islower()):
        raise RecipeError(
            f"language {language!r} is unknown: use BCP-47 ({', '.join(sorted(ISO_639_3))}) or a "
            "three-letter ISO 639-3 code"
        )
    return f">>{code}<<"
