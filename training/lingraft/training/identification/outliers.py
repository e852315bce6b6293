"""Texts in no language, to learn what a language is not (outlier exposure, Hendrycks et al. 2019).

Most are made from real text whose letters are exchanged, vowels for vowels and consonants for
consonants: they sound like a language and are none, as one that nobody taught.
"""

from __future__ import annotations

import random
import string
from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import pairwise

_VOWELS, _CONSONANTS = "aeiou", "bcdfghjklmnpqrstvwxyz"
_KEYBOARD = ("asdfghjkl", "qwertyuiop", string.ascii_lowercase, string.ascii_letters)
_PLAIN_SHARE = 0.97
_FOREIGN = "åøæłśźżšžčřůěğışőűțșăđþðžėąęį"  # letters of Latin alphabets that few languages have
_FOREIGN_SHARE, _FOREIGN_LETTERS = 0.3, 3
_CHAIN_TEXTS = 2000  # texts that the chain of letters is counted in
# The first letters of alphabets and syllabaries, Greek to Hangul. Known ones among them are few.
_SCRIPTS = (0x391, 0x410, 0x531, 0x5D0, 0x995, 0xE01, 0x10D0, 0x3041, 0x4E00, 0xAC00)
_WORDS = (
    *("def", "return", "import", "for", "while", "if", "else", "class", "self", "print", "int"),
    *("void", "const", "let", "var", "function", "null", "true", "false", "public", "static"),
    *("new", "try", "catch", "struct", "get", "set", "len", "size", "auto", "begin", "end"),
)
_SIGNS = (" ", " ", " = ", ".", ".", "_", "_", "(", "(", ", ", "[", "->", "::", " == ", "=", ": ")
_ENDS = ("", ")", "))", "();", ");", "]", ":", " {", "}")


class Outliers:
    """Texts in no language, one after the other.

    texts: real ones; those in plain Latin letters are what the made ones are made of.
    """

    def __init__(self, texts: Sequence[str], seed: int) -> None:
        self._random = random.Random(seed)
        self._texts = [text for text in texts if _is_plain(text)] or ["aeiou bcdfg"]
        self._chain = self._counted()
        self._kinds: tuple[tuple[int, Callable[[], str]], ...] = (
            (35, self._exchanged),
            (10, self._scrambled),
            (17, self._chained),
            (10, self._typed),
            (8, self._code),
            (8, self._digits),
            (12, self._strange),
        )

    def text(self) -> str:
        """The next one."""
        weights = [weight for weight, _ in self._kinds]
        ((_, make),) = self._random.choices(self._kinds, weights)
        return make()

    def _exchanged(self) -> str:
        table: dict[str, str | int | None] = {}
        for letters in (_VOWELS, _CONSONANTS):
            others = self._random.sample(letters, len(letters))
            table |= dict(zip(letters, others, strict=True))
        if self._random.random() < _FOREIGN_SHARE:
            replaced = self._random.sample(_VOWELS + "nszc", _FOREIGN_LETTERS)
            table |= {letter: self._random.choice(_FOREIGN) for letter in replaced}
        return self._real().lower().translate(str.maketrans(table))

    def _scrambled(self) -> str:
        words = self._real().split()
        return " ".join("".join(self._random.sample(word, len(word))) for word in words)

    def _chained(self) -> str:
        """A Markov chain of letters over all languages at once."""
        made = [" "]
        for _ in range(self._random.randint(20, 120)):
            made.append(self._random.choice(self._chain.get(made[-1], " ")))
        return "".join(made).strip()

    def _typed(self) -> str:
        return self._many(1, 10, lambda: self._string(self._random.choice(_KEYBOARD), 12))

    def _digits(self) -> str:
        return self._many(
            1, 12, lambda: str(self._random.randint(0, 10 ** self._random.randint(1, 8)))
        )

    def _code(self) -> str:
        """Words of a program and of real text, glued by signs rather than spaces."""
        words = [self._random.choice(_WORDS) for _ in range(4)] + self._real().split()[:6]
        self._random.shuffle(words)
        glued = [words[0]]
        for word in words[1:]:
            glued += [self._random.choice(_SIGNS), word]
        return "".join(glued) + self._random.choice(_ENDS)

    def _strange(self) -> str:
        first = self._random.choice(_SCRIPTS)
        letters = [chr(first + place) for place in range(24)]
        return self._many(1, 12, lambda: self._string(letters, 9))

    def _real(self) -> str:
        return self._random.choice(self._texts)

    def _string(self, letters: Sequence[str], most: int) -> str:
        return "".join(self._random.choices(letters, k=self._random.randint(1, most)))

    def _many(self, least: int, most: int, make: Callable[[], str]) -> str:
        return " ".join(make() for _ in range(self._random.randint(least, most)))

    def _counted(self) -> dict[str, list[str]]:
        some = self._random.sample(self._texts, min(_CHAIN_TEXTS, len(self._texts)))
        after: dict[str, list[str]] = defaultdict(list)
        for text in some:
            line = f" {text.lower()} "
            for first, second in pairwise(line):
                after[first].append(second)
        return dict(after)


def _is_plain(text: str) -> bool:
    """Whether nearly all letters are among those that are exchanged.

    With its own accents left in place, a made text would teach that who writes them writes nothing.
    """
    letters = [letter for letter in text.lower() if letter.isalpha()]
    return sum(map(str.isascii, letters)) >= _PLAIN_SHARE * max(len(letters), 1) > 0
