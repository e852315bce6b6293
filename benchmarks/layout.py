"""Where a model's forms lie, and CTranslate2's words. Imports nothing heavy: workers use it.

A model's folder holds `torch/` (a Transformers checkpoint), `ct2-fp32/` or `ct2-int8/`, and
`bundle/`, which lingraft-server loads. The weights are the same in all.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.common import ROOT

EOS_WORD, UNK_WORD, PAD_WORD = "</s>", "<unk>", "<pad>"
_WORDS = {0: EOS_WORD, 1: UNK_WORD}
_IDS = {word: each for each, word in _WORDS.items()}


@contextmanager
def models_folder() -> Iterator[Path]:
    """A new folder for the models of one run, below build/; it goes when the run ends."""
    home = ROOT / "build" / "bench"
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="models-", dir=home) as folder:
        yield Path(folder)


def torch_folder(folder: Path) -> Path:
    """The Transformers checkpoint."""
    return folder / "torch"


def ct2_folder(folder: Path, precision: str) -> Path:
    """CTranslate2's model of a precision (fp32 or int8)."""
    return folder / f"ct2-{precision}"


def bundle_folder(folder: Path) -> Path:
    """The bundle, with fp32 and int8 graphs."""
    return folder / "bundle"


def ct2_word(each: int) -> str:
    """CTranslate2 takes words, not ids: the word of an id is its number."""
    return _WORDS.get(each) or f"w{each}"


def id_of(word: str) -> int:
    """The id of a word of `ct2_word`."""
    found = _IDS.get(word)
    return int(word[1:]) if found is None else found
