"""What a page is made of: sections of exhibits, each of tables and figures with their meaning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from markupsafe import Markup

Text = str | Markup  # markup where figures are marked as data; all else is escaped on the page


@dataclass(frozen=True)
class Cell:
    """A cell of a table; `arm` gives it the colour and mark of that arm."""

    text: Text
    number: bool = False
    arm: str = ""
    language: str = ""  # of a sentence, for hyphens, voices and fonts
    strong: bool = False


@dataclass(frozen=True)
class Table:
    """A table; the first cell of a row is its head.

    `heading` stands above it, `caption` below.
    """

    kind: ClassVar[str] = "table"
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    caption: Text = ""
    heading: str = ""


@dataclass(frozen=True)
class Figure:
    """A picture; `caption` says in words what it shows."""

    kind: ClassVar[str] = "figure"
    svg: Markup
    caption: Text


@dataclass(frozen=True)
class Figures:
    """Small pictures side by side."""

    kind: ClassVar[str] = "figures"
    items: Sequence[Figure]


@dataclass(frozen=True)
class Facts:
    """Terms and what is known of them."""

    kind: ClassVar[str] = "facts"
    rows: Sequence[tuple[str, Text]]


@dataclass(frozen=True)
class Sentences:
    """One sentence in all its versions: what each is, its language, its text, its arm."""

    kind: ClassVar[str] = "sentences"
    head: Text
    rows: Sequence[tuple[str, str, str, str]]


Block = Table | Figure | Figures | Facts | Sentences


@dataclass(frozen=True)
class Exhibit:
    """Something measured, what it means, and what to do about it."""

    title: str
    blocks: Sequence[Block]
    means: Text
    do: Text


@dataclass(frozen=True)
class Section:
    """A question with its exhibits."""

    id: str
    title: str
    short: str  # for the list of contents
    exhibits: Sequence[Exhibit]


@dataclass(frozen=True)
class Missing:
    """What was not measured, and what it would have told."""

    title: str
    sentence: str
