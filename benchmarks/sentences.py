"""Real sentences, where there are some: `LINGRAFT_DATA`, else ../shared/data, else the examples."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from pathlib import Path

from benchmarks.cases import SEED, Case
from benchmarks.common import ROOT
from lingraft.server.text import split_sentences
from lingraft.training.vocabulary.codec import load_codec

SENTENCES = 256
MOST = 128  # tokens of a target; hardly any comes near
_SHORTEST, _LONGEST = 3, 120  # ids of a source
_DATA_VARIABLE = "LINGRAFT_DATA"
# English sides of development files, spoken sentences and written ones; column, rows of header.
_FILES = (("parallel/tatoeba/en-fr.dev.tsv", 0, 0), ("parallel/bible/multi.dev.tsv", 1, 1))
_PHRASEBOOK = ("examples/hawaiian/train.tsv", 0, 0)


def natural_case(starter: Path, texts: Sequence[str], name: str = "natural") -> Case:
    """English sentences to French, greedily, all at once."""
    codec = load_codec(starter)
    sources = tuple(tuple(codec.encode_source(text, "en", "fr")) for text in texts)
    return Case(name, (sources,), beams=1, least=0, most=MOST)


def single_sentences(starter: Path, count: int = SENTENCES) -> tuple[list[str], str]:
    """Texts that the server takes for one sentence, of the lengths above; and their origin."""
    codec = load_codec(starter)
    texts, origin = natural_texts()

    def fits(text: str) -> bool:
        pieces = len(codec.encode_source(text, "en", "fr"))
        return _SHORTEST <= pieces <= _LONGEST and len(split_sentences(text)) == 1

    return [text for text in texts if fits(text)][:count], origin


def natural_texts() -> tuple[list[str], str]:
    """Distinct English sentences in an order that is random but fixed, and where they are from.

    Each file of the data folder gives as many as the others.
    """
    data = data_folder()
    files = [(data / name, column, header) for name, column, header in _FILES]
    if not all(path.is_file() for path, _, _ in files):
        files = [(ROOT / _PHRASEBOOK[0], *_PHRASEBOOK[1:])]
    shares = [_shuffled(*file) for file in files]
    count = min(map(len, shares))
    texts = [text for place in range(count) for text in (share[place] for share in shares)]
    return texts, " and ".join("/".join(path.parts[-3:]) for path, _, _ in files)


def data_folder() -> Path:
    """Where real text is looked for; it need not be there."""
    return Path(os.environ.get(_DATA_VARIABLE, ROOT.parent / "shared" / "data"))


def _shuffled(path: Path, column: int, header: int) -> list[str]:
    lines = path.read_text(encoding="utf-8").splitlines()[header:]
    rows = [line.split("\t") for line in lines]
    texts = sorted({row[column].strip() for row in rows if len(row) > column} - {""})
    random.Random(f"{SEED} {path.name}").shuffle(texts)
    return texts
