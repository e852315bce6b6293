"""The search that options ask for."""

from __future__ import annotations

from lingraft.server.search.base import Search
from lingraft.server.search.beam import BeamSearch
from lingraft.server.search.options import SearchOptions, SpecialIds
from lingraft.server.search.single import SingleSearch, best, sampler


def begin(options: SearchOptions, special: SpecialIds, source_length: int) -> Search:
    """A new search. `source_length` is that of the source in positions: S of an alignment."""
    if options.beam_size > 1:
        return BeamSearch(options, special, source_length)
    choose = sampler(options) if options.temperature > 0 else best
    needed = options.top_k if options.temperature > 0 else 1
    return SingleSearch(options, special, source_length, choose, needed)
