"""The bundle: what training promises the server, read, checked and frozen."""

from lingraft.server.bundle.model import (
    Bundle,
    Decoding,
    Dimensions,
    Graphs,
    Limits,
    Pair,
    Precision,
    SpecialIds,
    TagPlacement,
    Task,
    TokenizerFiles,
    TokenizerKind,
)
from lingraft.server.bundle.reader import FORMAT_VERSION, MANIFEST, read_bundle

__all__ = [
    "FORMAT_VERSION",
    "MANIFEST",
    "Bundle",
    "Decoding",
    "Dimensions",
    "Graphs",
    "Limits",
    "Pair",
    "Precision",
    "SpecialIds",
    "TagPlacement",
    "Task",
    "TokenizerFiles",
    "TokenizerKind",
    "read_bundle",
]
