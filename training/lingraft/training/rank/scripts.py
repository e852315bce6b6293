"""Scripts of text, and whether a parent knows those of the child.

Python's unicodedata has no script property. The name of a letter begins with its script ("ARABIC
LETTER BEH"), which is all that is needed here; marks and modifier letters belong to every script.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping

from lingraft.training.recipe.languages import ISO_639_3
from lingraft.training.vocabulary.codec import Codec

_LETTERS = ("Lu", "Ll", "Lt", "Lo")
_LATIN = frozenset({"LATIN"})
# The script that a language is written in where that is not Latin alone (CLDR, likely subtags).
_BY_SCRIPT = {
    "ARABIC": "ar ckb fa ks ps sd ug ur arb pes pbt snd urd uig",
    "ARMENIAN": "hy hye",
    "BENGALI": "as bn asm ben",
    "CJK": "zh yue zho cmn",
    "CYRILLIC": "be bg kk ky mk mn ru sr tg tt uk bel bul kaz kir mkd rus srp tgk ukr",
    "DEVANAGARI": "bho hi mai mr ne sa hin mar nep san",
    "ETHIOPIC": "am ti amh tir",
    "GEORGIAN": "ka kat",
    "GREEK": "el ell",
    "GUJARATI": "gu guj",
    "GURMUKHI": "pa pan",
    "HANGUL": "ko kor",
    "HEBREW": "he yi heb yid",
    "KANNADA": "kn kan",
    "KHMER": "km khm",
    "LAO": "lo lao",
    "MALAYALAM": "ml mal",
    "MYANMAR": "my mya",
    "ORIYA": "or ory",
    "SINHALA": "si sin",
    "TAMIL": "ta tam",
    "TELUGU": "te tel",
    "THAI": "th tha",
    "TIBETAN": "bo dz bod dzo",
}
_SCRIPTS: Mapping[str, frozenset[str]] = {
    **dict.fromkeys([*ISO_639_3, *ISO_639_3.values()], _LATIN),
    **{code: frozenset({script}) for script, codes in _BY_SCRIPT.items() for code in codes.split()},
    **dict.fromkeys(["ja", "jpn"], frozenset({"CJK", "HIRAGANA", "KATAKANA"})),
}


def script_of(letter: str) -> str | None:
    """The script of one character as Unicode's names call it; None for all but letters."""
    if unicodedata.category(letter) not in _LETTERS:
        return None
    name = unicodedata.name(letter, "").removeprefix("FULLWIDTH ").removeprefix("HALFWIDTH ")
    return name.split(" ")[0] or None


def scripts_of(texts: Iterable[str]) -> dict[str, float]:
    """Share of the letters of `texts` in each script, the greatest first; {} without letters."""
    letters: Counter[str] = Counter()
    for text in texts:
        letters.update(text)
    counts: Counter[str] = Counter()
    for letter, count in letters.items():
        if script := script_of(letter):
            counts[script] += count
    total = counts.total()
    return {script: count / total for script, count in counts.most_common()}


def known_scripts(languages: Iterable[str], codec: Codec) -> set[str]:
    """Scripts of a parent's `languages`; of its vocabulary's pieces where any is unknown or none
    is stated."""
    stated = [_SCRIPTS.get(language) for language in languages]
    if stated and all(stated):
        return {script for scripts in stated if scripts for script in scripts}
    pieces = (codec.spm.id_to_piece(index) for index in range(codec.pad))
    # A tag's letters, >>urd<<, say nothing of the text.
    shares = scripts_of(piece for piece in pieces if not piece.startswith(("<", ">>")))
    return set(shares)


def script_match(child: Mapping[str, float], known: set[str]) -> float:
    """Share of the child's letters in scripts that the parent knows, 0 to 1."""
    return sum(share for script, share in child.items() if script in known)
