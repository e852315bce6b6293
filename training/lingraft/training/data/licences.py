"""Which licence follows when text under several is trained on: the strictest named one."""

from __future__ import annotations

import re
from collections.abc import Iterable

# From the freest to the strictest kind; of the fragments found in a name, the strictest decides.
_KINDS = (
    ("public domain", "cc0"),
    ("mit", "apache", "bsd", "unicode", "psf"),
    ("cc-by-2", "cc-by-3", "cc-by-4", "cc by 4", "cc by 3", "cc by 2"),
    ("cc-by-sa", "cc by-sa", "cc by sa"),
    ("gpl", "lgpl", "agpl"),
    ("not stated",),
    ("-nc", " nc"),
)


def strictest(licences: Iterable[str]) -> str:
    """The strictest of `licences`; one of an unknown kind counts as strict as "not stated"."""
    return max(licences, key=_rank)


def _rank(licence: str) -> int:
    name = licence.lower()
    for rank, fragments in reversed(list(enumerate(_KINDS))):
        if any(re.search(rf"\b{re.escape(fragment)}", name) for fragment in fragments):
            return rank
    return len(_KINDS) - 2
