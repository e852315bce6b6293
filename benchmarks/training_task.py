"""What both sides of the comparison train on: shape, ids, held-out ids.

Pairs are spoken English and French of the data folder in the starter's pieces, or, without that
folder, made ids: a target is its source backwards in other pieces.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmarks.common import ROOT
from benchmarks.sentences import data_folder
from lingraft.training.data import corpora
from lingraft.training.data.batches import BatchPlan, Corpus, epoch_batches
from lingraft.training.recipe.settings import Pairs, Shape, Training
from lingraft.training.vocabulary.codec import EOS, Codec, load_codec

STARTER = ROOT / "models" / "parent-xs"
LONGEST = 80  # pieces of a side; longer pairs are left out, as the starter's recipe has it
_TRAIN, _HELD_OUT = "parallel/tatoeba/en-fr.train.tsv", "parallel/tatoeba/en-fr.dev.tsv"
_PAIRS, _HELD_OUT_PAIRS = 20_000, 250  # rows; each is two examples
_SHAPES = {
    "parent-xs": Shape(
        d_model=256, ffn=1024, heads=4, encoder_layers=6, decoder_layers=3, dropout=0.0
    ),
    "tiny": Shape(d_model=32, ffn=64, heads=2, encoder_layers=1, decoder_layers=1, dropout=0.0),
}

Ids = Sequence[int]


@dataclass(frozen=True)
class Task:
    """Shape, examples and settings that both sides share.

    pad: id of the padding piece, the last of the vocabulary.
    origin: where the text is from, for the file.
    """

    shape: Shape
    pad: int
    train: Corpus
    held_out: Corpus
    settings: Training
    origin: str

    @property
    def plan(self) -> BatchPlan:
        """How our loop cuts an epoch, with seed 0."""
        return BatchPlan(self.settings.batch_tokens, (1.0,), seed=0)

    @property
    def sentences(self) -> int:
        """Examples in one of our batches, mean of an epoch: what the peer has in one update."""
        return round(len(self.train) / len(epoch_batches(self.train, self.plan, epoch=0)))

    def steps(self, target_tokens: int, seed: int) -> int:
        """Steps of our loop until so many target pieces were seen, under that seed."""
        plan, seen, epoch, steps = replace(self.plan, seed=seed), 0, 0, 0
        while seen < target_tokens:
            for batch in epoch_batches(self.train, plan, epoch):
                seen += sum(len(self.train.target(int(i))) for i in batch)
                steps += 1
                if seen >= target_tokens:
                    break
            epoch += 1
        return steps


def make_task(wanted: Mapping[str, Any]) -> Task:
    """The task by name of its shape, batch, precision and threads; the same in every process.

    wanted: shape ("parent-xs" or "tiny"), made (ids rather than text, even where there is text),
    batch_tokens, warmup_steps, learning_rate, precision, threads.
    """
    names = ("batch_tokens", "warmup_steps", "learning_rate", "precision", "threads")
    settings = Training(max_steps=1, max_tokens=LONGEST, **{name: wanted[name] for name in names})
    shape = _SHAPES[wanted["shape"]]
    files = [data_folder() / name for name in (_TRAIN, _HELD_OUT)]
    if not wanted["made"] and all(path.is_file() for path in files):
        codec = load_codec(STARTER)
        train, held_out = (
            _read(codec, str(path), limit)
            for path, limit in zip(files, (_PAIRS, _HELD_OUT_PAIRS), strict=True)
        )
        origin = f"{_TRAIN}, both directions, in the pieces of models/parent-xs"
        return Task(shape, codec.pad, train, held_out, settings, origin)
    pad = 7999 if wanted["shape"] == "parent-xs" else 299
    train, held_out = _made(2000, pad, seed=1), _made(100, pad, seed=2)
    return Task(shape, pad, train, held_out, settings, "made ids: targets are sources backwards")


def _read(codec: Codec, path: str, limit: int) -> Corpus:
    pairs = Pairs(name=path, path=path, source="en", target="fr")
    (rows,) = corpora.read_pairs([pairs])
    some = [rows[i] for i in corpora.spread(len(rows), limit)]
    return corpora.training_corpus([pairs], [some], codec, LONGEST)[0]


def _made(count: int, pad: int, seed: int) -> Corpus:
    random = np.random.default_rng(seed)
    lengths = 2 + random.poisson(7, count)
    sources = [1 + (random.zipf(1.3, length) % (pad - 2)) for length in lengths]
    pairs = [([*row, EOS], [*(pad - 1 - row)[::-1], EOS]) for row in sources]
    return Corpus(pairs, [0] * count)
