"""Sentence boundaries, found with care: a boundary too few costs little, one too many a sentence.

A line break always ends a sentence. Within a line a full stop, question or exclamation mark ends
one when white space and something that can begin a sentence follow, and when the mark does not
belong to an abbreviation, an initial or an ordinal number.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_LINE = re.compile(r"[^\n\r\v\f\x1c-\x1e\x85\u2028\u2029]+")
_CLOSERS = "\"'”’»›)\\]}"
_OPENERS = "\"'“‘«‹([{¿¡-–—„‚"
_MARKS = ".!?…؟۔।॥"
# Marks of scripts that write spaces, then those that do not need one. A run of marks is read once:
# no start inside it, no going back, or a line of marks alone would take quadratic time.
_END = re.compile(
    rf"(?<![{_MARKS}])([{_MARKS}]++)[{_CLOSERS}]*+(?=\s)|(?<![。！？])[。！？]++[{_CLOSERS}]*+"
)

# Written with a full stop and followed by more of the sentence. Lower case, without the last full
# stop. Words that are also ordinary ones ("me", "sun") are left out.
_ABBREVIATIONS = frozenset(
    word
    for line in (
        "dr mr mrs ms prof st sr jr rev hon capt lt sgt gov sen vs etc cf approx dept inc ltd corp",
        "ave blvd rd ft jan feb apr jun jul aug sep sept oct nov dec",  # English
        "mm mme mmes mlle mlles env apr réf tél janv févr avr juil déc",  # French
        "hr fr frl bzw usw evtl ggf inkl vgl zzgl geb gest jh hrsg mio mrd",  # German
        "sra srta dra ud uds vd vds lic ing pág págs núm admón avda",  # Spanish
    )
    for word in line.split()
)
# The same, but only before a number.
_NUMBERED = frozenset(("no", "nos", "nr", "fig", "figs", "ch", "sec", "art", "vol", "pp", "mar"))


def split_sentences(text: str) -> list[tuple[int, int]]:
    """Begin and end (code points, half open) of each sentence, without white space around it.

    What lies between two sentences, before the first and after the last is white space only.
    """
    spans = []
    for line in _LINE.finditer(text):
        for begin, end in _split_line(line.group()):
            trimmed = trim(text, line.start() + begin, line.start() + end)
            if trimmed[0] < trimmed[1]:
                spans.append(trimmed)
    return spans


def trim(text: str, begin: int, end: int) -> tuple[int, int]:
    """The span without white space at its ends; begin == end when nothing else is in it."""
    while begin < end and text[begin].isspace():
        begin += 1
    while end > begin and text[end - 1].isspace():
        end -= 1
    return begin, end


def _split_line(line: str) -> Iterator[tuple[int, int]]:
    begin = 0
    for mark in _END.finditer(line):
        if _is_boundary(line, mark):
            yield begin, mark.end()
            begin = mark.end()
    yield begin, len(line)


def _is_boundary(line: str, mark: re.Match[str]) -> bool:
    if mark.group(1) is None:
        return True  # a mark of a script that writes no spaces
    rest = line[mark.end() :].lstrip()
    if rest and not _can_begin(rest[0]):
        return False
    return mark.group(1) != "." or not _keeps_its_stop(line[: mark.start()], rest)


def _can_begin(letter: str) -> bool:
    """Upper case, a digit, an opening mark, or a letter of a script without case."""
    if letter.isalpha():
        return not letter.islower()
    return letter.isdigit() or letter in _OPENERS


def _keeps_its_stop(before: str, rest: str) -> bool:
    """Whether a full stop between `before` and `rest` belongs to the last word before it."""
    word = "" if before[-1:].isspace() else "".join(before.rsplit(maxsplit=1)[-1:])
    word = word.lstrip(_OPENERS).lower()
    if word in _ABBREVIATIONS or (word.isdigit() and len(word) <= 2):
        return True
    if word in _NUMBERED and rest[:1].isdigit():
        return True
    # Initials and their like: "J", "e.g", "U.S", "z.B".
    return all(len(part) == 1 and part.isalpha() for part in word.split("."))
