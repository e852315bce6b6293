"""Where the texts of a call are read: beside the event loop, unless they are few and short."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest

from lingraft.server.services.common import beside_the_loop


@pytest.mark.parametrize(
    ("texts", "at_once"),
    [(["The boat waits.", ""], True), (["a" * 2_000], False), (["a"] * 100, False)],
)
def test_only_few_and_short_texts_are_read_in_the_event_loop(
    texts: Sequence[str], at_once: bool
) -> None:
    """A long one, or a target prefix that is, or many of one letter would hold all calls up."""
    reader = asyncio.run(beside_the_loop(texts, threading.get_ident))
    assert (reader == threading.get_ident()) == at_once
