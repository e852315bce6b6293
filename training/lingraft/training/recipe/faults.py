"""Faults of a recipe with their lines: pydantic knows what is wrong, the text knows where."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pydantic import ValidationError

Place = tuple[str | int, ...]  # ("train", 0, "path")

_HEADER = re.compile(r"^\s*(\[\[?)\s*([A-Za-z0-9_.-]+)\s*\]\]?")
_KEY = re.compile(r"^\s*([A-Za-z0-9_.-]+)\s*=\s*(.*)")
_ELEMENT = re.compile(r"^\s*\{")


def explain(path: Path, text: str, error: ValidationError) -> str:
    """One line for every fault of the recipe `text`, in the order of their lines."""
    faults = set()
    for fault in error.errors():
        where = tuple(part for part in fault["loc"] if isinstance(part, str | int))
        faults.add((line_of(text, where), f"{_name(where)}: {_message(fault)}"))
    lines = [f"  line {line}: {message}" for line, message in sorted(faults)]
    count = "one fault" if len(lines) == 1 else f"{len(lines)} faults"
    return "\n".join([f"{path}: {count}:", *lines])


def _name(where: Place) -> str:
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in where)
    return "".join(parts).removeprefix(".") or "recipe"


def _message(fault: Any) -> str:
    known = {"missing": "is missing", "extra_forbidden": "is not a setting of a recipe"}
    message = known.get(fault["type"])
    if message:
        return message
    if fault["type"] == "value_error":  # ours: it tells what was found where that helps
        return str(fault["msg"].removeprefix("Value error, "))
    return f"{fault['msg']} (found {fault['input']!r})"


def line_of(text: str, where: Place) -> int:
    """The line that sets `where`, or that of the nearest thing around it that the text names."""
    places = _places(text)
    for end in range(len(where), 0, -1):
        line = places.get(where[:end])
        if line:
            return line
    return 1


def _places(text: str) -> dict[Place, int]:
    """Line of every table, key and inline table in an array; tomllib does not tell."""
    places: dict[Place, int] = {}
    counts: dict[Place, int] = {}
    table: Place = ()
    array: Place = ()  # the key whose array of inline tables is open
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _HEADER.match(line):
            table, array = _enter(header, counts), ()
            places.setdefault(tuple(part for part in table if isinstance(part, str)), number)
            places[table] = number
        elif key := _KEY.match(line):
            array = (*table, *key.group(1).split("."))
            places[array] = number
        elif array and _ELEMENT.match(line):
            index = counts[array] = counts.get(array, -1) + 1
            places[(*array, index)] = number
    return places


def _enter(header: re.Match[str], counts: dict[Place, int]) -> Place:
    """The place that a table's header opens; one of an array of tables is numbered."""
    table: Place = tuple(header.group(2).split("."))
    if header.group(1) == "[":
        return table
    counts[table] = counts.get(table, -1) + 1
    return (*table, counts[table])
