"""What a recipe takes from the one that it builds on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """`below` with what `above` says instead: tables merged key by key, all else replaced."""
    both = {
        key: merged(below[key], value)
        for key, value in above.items()
        if isinstance(value, Mapping) and isinstance(below.get(key), Mapping)
    }
    return {**below, **above, **both}


def with_roots(value: Any, folder: Path, key: str = "") -> Any:
    """`value` with relative paths made whole: they start at their own recipe's `folder`, not at
    that of the recipe which builds on it. Variables and hub names stay."""
    if isinstance(value, Mapping):
        return {k: with_roots(v, folder, k) for k, v in value.items()}
    if isinstance(value, list):
        return [with_roots(each, folder, key) for each in value]
    if key == "path" and isinstance(value, str) and not value.startswith(("$", "hf:")):
        return str((folder / value).resolve())
    return value
