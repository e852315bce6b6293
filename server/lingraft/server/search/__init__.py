"""Search: which pieces make the target of one sentence. Knows no engine and no other sentence."""

from lingraft.server.search.base import Found, Search
from lingraft.server.search.begin import begin
from lingraft.server.search.options import EarlyStopping, SearchOptions, SpecialIds

__all__ = ["EarlyStopping", "Found", "Search", "SearchOptions", "SpecialIds", "begin"]
