"""Texts that nobody trains on and somebody sends: one letter, emoji, links, mixed scripts, walls.

Drawn by a seed from words written for this project.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from itertools import cycle, islice

LONGEST = 5000  # characters of the longest texts

_TEXT = (
    "river stone bread window letter seven market friend under water the a of and our quietly old "
    "boat rain teacher carries night road green salt paper never laughs morning small"
)
_WORDS = _TEXT.split()
_SCRIPTS = (
    "вода хлеб ночь дорога письмо",
    "νερό ψωμί νύχτα δρόμος γράμμα",
    "ماء خبز ليل طريق رسالة",
    "水 面包 夜晚 道路 信",
    "पानी रोटी रात सड़क चिट्ठी",
    "ìwé ọ̀nà òjò ẹja alẹ́",
    "wai ʻai pō ala leka",
)
_LETTERS = "abczQXßéñøþžяЖΩλأيק水あ한अẹọ̀ʻ"
_EMOJI = ("😀", "👍🏽", "👩‍👩‍👧", "🇳🇬", "❤️", "🔥🔥🔥", "🙏", "🎉", "¯\\_(ツ)_/¯", "(╯°□°)╯", ":-)")
_SITES = ("https://example.org", "http://192.0.2.7:8080", "www.example.com", "ftp://example.net")
_PATHS = (
    "/a/b?x=1&y=%20",
    "/index.html#top",
    "/~anna/photo_17.jpg",
    "",
    "/w/index.php?title=Bread",
)
_CODE = (
    "for (int i = 0; i < n; i++) { sum += a[i]; }",
    "SELECT name FROM people WHERE age > 30;",
    '<p class="x">Bread &amp; <b>water</b></p>',
    'print(f"{name!r}: {count:>8,}")',
    "$ rm -rf build && make -j2 2>&1 | tail",
    '{"id": 17, "tags": ["a", "b"], "ok": null}',
)
_HIDDEN = ("\u200b", "\u200f", "\u00ad", "\ufeff", "\u0301\u0323\u0308", "\u2028", "\t")

Make = Callable[[random.Random], str]


def _sentence(rng: random.Random, least: int = 3, most: int = 12) -> str:
    words = rng.choices(_WORDS, k=rng.randint(least, most))
    return " ".join(words).capitalize() + rng.choice(".!?")


def _letter(rng: random.Random) -> str:
    return rng.choice(_LETTERS) * rng.choice((1, 1, 1, 2, 7))


def _emoji(rng: random.Random) -> str:
    shown = "".join(rng.choices(_EMOJI, k=rng.randint(1, 6)))
    return rng.choice((shown, f"{_sentence(rng)} {shown}", f"{shown} {rng.choice(_WORDS)}"))


def _link(rng: random.Random) -> str:
    link = rng.choice(_SITES) + rng.choice(_PATHS)
    return rng.choice((link, f"{_sentence(rng)} {link}", f"{link} {link}", "anna@example.org"))


def _mixed(rng: random.Random) -> str:
    words = [
        *rng.choices(_WORDS, k=4),
        *rng.choice(_SCRIPTS).split(),
        *rng.choice(_SCRIPTS).split(),
    ]
    rng.shuffle(words)
    return " ".join(words)


def _foreign(rng: random.Random) -> str:
    return " ".join(rng.choices(rng.choice(_SCRIPTS).split(), k=rng.randint(2, 9)))


def _digits(rng: random.Random) -> str:
    signs = "0123456789" * 3 + " .,:-/%€+()"
    return "".join(rng.choices(signs, k=rng.randint(1, 40))).strip() or "0"


def _signs(rng: random.Random) -> str:
    return "".join(rng.choices("!?.,;:*#@&%$_-=+~^<>|\\/\"'()[]{}…„“«»", k=rng.randint(1, 30)))


def _again(rng: random.Random) -> str:
    unit = " ".join(rng.choices(_WORDS, k=rng.randint(1, 3)))
    return " ".join([unit] * rng.randint(3, 40))


def _glued(rng: random.Random) -> str:
    return "".join(rng.choices(_WORDS, k=rng.randint(4, 30)))


def _shouted(rng: random.Random) -> str:
    return _sentence(rng).upper() * rng.randint(1, 2)


def _code(rng: random.Random) -> str:
    return rng.choice(_CODE)


def _hidden(rng: random.Random) -> str:
    return "".join(letter + rng.choice(("", "", *_HIDDEN)) for letter in _sentence(rng))


def _list(rng: random.Random) -> str:
    return "\n".join(f"{n}. {rng.choice(_WORDS)}" for n in range(1, rng.randint(3, 9)))


def _wall(rng: random.Random) -> str:
    kinds: tuple[Callable[[], str], ...] = (
        lambda: _sentence(rng) + " ",
        lambda: rng.choice(_WORDS) + " ",
        lambda: rng.choice(_LETTERS),
        lambda: rng.choice(_EMOJI),
        lambda: _digits(rng) + " ",
    )
    piece, text = rng.choice(kinds), ""
    while len(text) < LONGEST:
        text += piece()
    return text[:LONGEST]


KINDS: Mapping[str, Make] = {
    "one letter": _letter,
    "emoji": _emoji,
    "link": _link,
    "mixed scripts": _mixed,
    "another language": _foreign,
    "digits": _digits,
    "signs": _signs,
    "repeated": _again,
    "glued": _glued,
    "shouted": _shouted,
    "code": _code,
    "hidden signs": _hidden,
    "list": _list,
}
_WALLS = 0.03  # of all: each is as much work as a hundred others


def odd_texts(count: int, seed: int) -> list[tuple[str, str]]:
    """(kind, text) of `count` odd texts, one kind after another; the same for the same seed."""
    rng = random.Random(seed)
    walls = round(count * _WALLS)
    others = [(kind, KINDS[kind](rng)) for kind in islice(cycle(KINDS), count - walls)]
    return [*others, *(("5,000 characters", _wall(rng)) for _ in range(walls))]
