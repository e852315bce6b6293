"""How figures and findings are said. A difference that chance explains is never called a gain."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from lingraft.training.report.blocks import Cell, Text

MINUS = "\N{MINUS SIGN}"
DASH = Markup("–")  # where a figure is missing
ARMS = {
    "graft": "graft",
    "control": "from scratch",
    "scratch": "from scratch",
    "random-parent": "random parent",
    "shuffled-parent": "shuffled parent",
    "random-rows": "random rows",
    "tfidf": "TF-IDF",
    "parent": "parent alone",
}
LANGUAGES = {
    "de": "German",
    "ee": "Ewe",
    "en": "English",
    "es": "Spanish",
    "fr": "French",
    "ha": "Hausa",
    "haw": "Hawaiian",
    "hi": "Hindi",
    "id": "Indonesian",
    "ig": "Igbo",
    "jv": "Javanese",
    "mi": "Māori",
    "pt": "Portuguese",
    "sd": "Sindhi",
    "so": "Somali",
    "su": "Sundanese",
    "sw": "Swahili",
    "ur": "Urdu",
    "wo": "Wolof",
    "yo": "Yoruba",
    "zu": "Zulu",
}


def arm(name: str) -> str:
    """An arm's name for people."""
    return ARMS.get(name, name.replace("_", " "))


def language(code: str) -> str:
    """A language's English name, or its code."""
    return LANGUAGES.get(code, code)


def direction(code: str) -> str:
    """ "en-yo" as "English to Yoruba"; anything else as it is."""
    source, target = sides(code)
    return f"{language(source)} to {language(target)}" if target else language(code)


def test_sets(parts: Sequence[Mapping[str, Any]]) -> list[str]:
    """Test sets for people: the direction or language of each, and the set's own name where others
    have the same."""
    where = [direction(p.get("direction") or p.get("language") or "all text") for p in parts]
    return [
        f"{place}, {part['test_set']}" if where.count(place) > 1 and "test_set" in part else place
        for place, part in zip(where, parts, strict=True)
    ]


def sides(code: str) -> tuple[str, str]:
    """Source and target language of "en-yo"; empty where `code` is no direction."""
    source, _, target = code.partition("-")
    return (source, target) if target and "-" not in target else ("", "")


def digits(metric: str) -> int:
    """Decimals that a metric is printed with: scores of 0 to 100 with one, shares with three."""
    return 1 if metric in ("chrF++", "chrF", "BLEU", "spBLEU", "macro-F1") else 3


def number(value: float, decimals: int = 1, *, sign: bool = False, unit: str = "") -> Markup:
    """A figure, marked with its exact value so that page and twin can be compared."""
    shown = f"{value:+,.{decimals}f}" if sign else f"{value:,.{decimals}f}"
    return _data(value, shown.replace("-", MINUS) + unit)


def percent(share: float, decimals: int = 1) -> Markup:
    """A share of 0 to 1 in percent."""
    return _data(share, f"{100 * share:.{decimals}f}".replace("-", MINUS) + " %")


def p_value(p: float | None) -> Markup:
    """A p-value as papers print it."""
    if p is None:
        return DASH
    return _data(p, "< 0.001" if p < 0.001 else f"{p:.3f}")


def hours(seconds: float) -> Markup:
    """A time in the unit that suits it."""
    if abs(seconds) < 120:
        return _data(seconds, f"{seconds:.0f} s")
    if abs(seconds) < 7200:
        return _data(seconds, f"{seconds / 60:.0f} min")
    return _data(seconds, f"{seconds / 3600:.1f} h")


def _data(value: float, shown: str) -> Markup:
    return Markup('<data value="{}">{}</data>').format(repr(value), shown.replace(" ", "\u00a0"))


def join(*parts: Text) -> Markup:
    """Texts one after another; what is not markup is escaped."""
    return Markup("").join(parts)


def crosses_zero(gain: Mapping[str, Any]) -> bool:
    """Whether chance alone explains it."""
    return bool(gain["low"] <= 0 <= gain["high"])


def span(gain: Mapping[str, Any], decimals: int = 1) -> Markup:
    """ "+2.0 to +4.1" """
    low, high = (number(gain[end], decimals, sign=True) for end in ("low", "high"))
    return join(low, " to ", high)


def claim(gain: Mapping[str, Any], decimals: int = 1) -> Markup:
    """What may be claimed: a gain, a loss, or that no difference is shown."""
    if crosses_zero(gain):
        return join("no difference shown (95% interval ", span(gain, decimals), ")")
    kind = "gain" if gain["low"] > 0 else "loss"
    value = number(gain["value"], decimals, sign=True)
    return join(f"{kind} of ", value, " (95% interval ", span(gain, decimals), ")")


def claim_cell(gain: Mapping[str, Any] | None, decimals: int = 1) -> Cell:
    """A claim as a cell."""
    if not gain:
        return Cell(DASH, number=True)
    ends = join(Markup('<span class="span">['), span(gain, decimals), Markup("]</span>"))
    if crosses_zero(gain):
        return Cell(join("no difference shown ", ends), number=True)
    value = number(gain["value"], decimals, sign=True)
    return Cell(join(value, " ", ends), number=True, strong=True)


def reason(report: Mapping[str, Any]) -> str:
    """The gate's reason as a sentence; what it calls a gain is one only where it is shown."""
    text = str(report["reason"]).strip().rstrip(".")
    if "does not exclude zero" in text or crosses_zero(report.get("gain") or _SHOWN):
        text = re.sub(r"\bgain of\b", "difference of", text)
    return f"{text[:1].upper()}{text[1:]}."


_SHOWN = {"low": 1.0, "high": 1.0}


def cells(*parts: Text | Cell) -> list[Cell]:
    """A row: markup is taken for numbers."""
    return [
        part if isinstance(part, Cell) else Cell(part, number=isinstance(part, Markup))
        for part in parts
    ]


def optional(value: float | None, decimals: int = 1, *, sign: bool = False) -> Markup:
    """A figure, or a dash where it is missing."""
    return DASH if value is None else number(value, decimals, sign=sign)


def arm_cell(name: str) -> Cell:
    """An arm's name with its mark."""
    return Cell(arm(name), arm=name)


def exact(value: float) -> Markup:
    """A setting, as it was written."""
    return _data(value, f"{value:g}".replace("-", MINUS))


def times(count: int) -> Text:
    """How often."""
    return "once" if count == 1 else join(number(count, 0), " times")
