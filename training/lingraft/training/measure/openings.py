"""Answers on held-out text: made once for the same weights and text, kept, every making counted.

A repeated command must not open a test set again, and the report says how often it was opened.

FOLDER/NAME.json       answers of NAME (graft, control, parent) and what they are answers of
FOLDER/openings.log    one line for every making
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

_LOG = "openings.log"
_A = TypeVar("_A", bound=list[int] | list[list[int]] | list[list[str]] | list[list[list[float]]])


def answers(folder: Path, name: str, of: Iterable[str], make: Callable[[], _A]) -> _A:
    """What `make` gives, or what it gave an earlier call for the same `of`.

    Args:
        folder: where the answers to one set of texts are kept.
        name: whose answers they are.
        of: everything that they depend on: weights, languages, texts.
        make: gives the answers; called only when none are kept.
    """
    digest = hashlib.sha256()
    for part in of:
        digest.update(f"{len(part)} {part}".encode())
    path = folder / f"{name}.json"
    if path.is_file():
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["of"] == digest.hexdigest():
            kept: _A = content["answers"]
            return kept
    made = make()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _LOG).open("a", encoding="utf-8") as log:
        log.write(f"{name}\n")
    content = {"of": digest.hexdigest(), "answers": made}
    fresh = path.with_suffix(".new")  # a kill in the middle leaves no half of a file
    fresh.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    fresh.rename(path)
    return made


def count(folder: Path, name: str) -> int:
    """How often the answers of `name` were made."""
    return (folder / _LOG).read_text(encoding="utf-8").split().count(name)
