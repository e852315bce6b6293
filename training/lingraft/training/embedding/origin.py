"""Where a derived parent comes from: a file in its folder, for reports and for reuse."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lingraft.training.recipe.pieces import Method, Rows
from lingraft.training.vocabulary.preview import Preview

ORIGIN_FILE = "origin.json"


@dataclass(frozen=True)
class Origin:
    """What made a derived parent.

    parent, parent_sha256: name of the parent and SHA-256 of its weights.
    identity: SHA-256 over settings, text and parent.
    weights_sha256: of the derived weights.
    counts: rows by how they began (see `rows.Mixture.counts`).
    refused: pieces left out of an extension because they would cut the parent's text otherwise.
    seconds: how long it took to make.
    before: the parent's own origin as a dictionary, where it was derived itself.
    """

    parent: str
    parent_sha256: str
    identity: str
    weights_sha256: str
    method: Method
    rows: Rows
    counts: dict[str, int]
    refused: int
    preview: Preview
    seconds: float
    before: dict[str, Any] | None

    def write(self, folder: Path) -> None:
        """Write it into a model folder."""
        content = json.dumps(asdict(self), ensure_ascii=False, indent=1)
        (folder / ORIGIN_FILE).write_text(content + "\n", encoding="utf-8")


def origin_of(folder: Path) -> Origin | None:
    """The origin of a model folder; None when it was not derived from another."""
    content = origin_dict(folder)
    if content is None:
        return None
    return Origin(**{**content, "preview": Preview.of_dict(content["preview"])})


def origin_dict(folder: Path) -> dict[str, Any] | None:
    """The same as plain values."""
    path = folder / ORIGIN_FILE
    if not path.is_file():
        return None
    return dict(json.loads(path.read_text(encoding="utf-8")))
