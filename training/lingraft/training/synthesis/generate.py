"""Many sentences translated by a model, kept on disk as they are made: it is hours of work.

FOLDER/SOURCE-TARGET-DIGEST.part.jsonl   blocks of a generation that is not finished, one a line
FOLDER/SOURCE-TARGET-DIGEST.jsonl        a finished one

The digest is over all that the text depends on: weights, vocabulary, decoding, languages, texts. So
another model or another text never finds this one's, and the same finds it at once.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import MarianMTModel

from lingraft.training.errors import SynthesisError
from lingraft.training.measure.evaluate import hypotheses
from lingraft.training.models.marian import digest_of, load_model
from lingraft.training.parents.find import find_parent
from lingraft.training.recipe.synthesis import GREEDY, Decoding
from lingraft.training.vocabulary.codec import Codec, shorten

_BLOCK = 256  # sentences: at most so many are made twice when a generation is killed
_SEED_STRIDE = 1_000_003  # a prime, so that (seed, block) pairs do not meet
_LINE_SECONDS = 30.0  # one line of progress this often

Ids = Sequence[Sequence[int]]
Decode = Callable[[MarianMTModel, Ids, Decoding, int], list[list[list[int]]]]
_Best = list[str]  # the translations of one text, best first


@dataclass(frozen=True)
class Translator:
    """A model that translates for training, resumably.

    folder: where its text is kept.
    decode: gives the best so many rows of target ids of each row of source ids.
    """

    model: MarianMTModel
    codec: Codec
    folder: Path
    decoding: Decoding = GREEDY
    block: int = _BLOCK
    decode: Decode = hypotheses

    def translate(self, texts: Sequence[str], source: str, target: str) -> list[str]:
        """The best translation of each text from language `source` into `target`."""
        return [best for (best,) in self.best(texts, source, target, 1)]

    def best(self, texts: Sequence[str], source: str, target: str, number: int) -> list[_Best]:
        """The best `number` translations of each text, best first; equal texts are made once.

        Raises:
            ParentError: the vocabulary has no tag for `target`.
            SynthesisError: they cannot be kept on disk.
        """
        room = self.model.config.max_position_embeddings
        ids = {t: shorten(self.codec.encode_source(t, source, target), room) for t in texts}
        # By length, so that a block has little padding; then by text, so that blocks stay the same.
        order = sorted(ids, key=lambda text: (len(ids[text]), text))
        blocks = [order[i : i + self.block] for i in range(0, len(order), self.block)]
        name = f"{source}-{target}"
        journal = _Journal(self.folder, f"{name}-{self._digest(name, order, number)}")
        made = journal.read()
        printed = time.monotonic()
        for index in range(len(made), len(blocks)):
            made.append(self._translated(index, [ids[text] for text in blocks[index]], number))
            journal.append(made[-1])
            if time.monotonic() - printed >= _LINE_SECONDS:
                printed = time.monotonic()
                done = f"{index + 1}/{len(blocks)} blocks of {self.block} sentences"
                print(f"translating {name}: {done}", file=sys.stderr, flush=True)
        journal.close()
        found = dict(zip(order, (best for block in made for best in block), strict=True))
        return [found[text] for text in texts]

    def _translated(self, index: int, rows: Ids, number: int) -> list[_Best]:
        # Every block draws numbers of its own, whatever was made before it.
        seed = self.decoding.seed * _SEED_STRIDE + index
        decoding = self.decoding.model_copy(update={"seed": seed})
        found = self.decode(self.model, rows, decoding, number)
        return [[self.codec.decode(ids) for ids in best] for best in found]

    def _digest(self, name: str, texts: Sequence[str], number: int) -> str:
        digest = hashlib.sha256(self.codec.spm.serialized_model_proto())
        settings = f"{self.decoding.model_dump_json()} {number} {self.block}"
        for part in (digest_of(self.model), settings, name, *texts):
            digest.update(f"{len(part)} {part}".encode())
        return digest.hexdigest()[:16]


def load_translator(
    location: str, languages: Iterable[str], folder: Path, decoding: Decoding
) -> Translator:
    """The model at a folder, starter or hub id with its own vocabulary, on the GPU if there is one.

    Raises:
        ParentError: it cannot be loaded, or has no tag for one of `languages`.
    """
    parent = find_parent(location)
    parent.require_tags(languages)
    model = load_model(parent.folder).to("cuda" if torch.cuda.is_available() else "cpu")
    return Translator(model, parent.codec, folder, decoding)


class _Journal:
    """Blocks on disk, one JSON line each. A line that a kill cut short is made again."""

    def __init__(self, folder: Path, name: str) -> None:
        self._whole = folder / f"{name}.jsonl"
        self._part = folder / f"{name}.part.jsonl"

    def read(self) -> list[list[_Best]]:
        """The blocks that were made; what a kill left of the next one is cut off."""
        path = self._whole if self._whole.is_file() else self._part
        if not path.is_file():
            return []
        raw = path.read_bytes()
        end = raw.rfind(b"\n") + 1
        if end < len(raw):
            os.truncate(path, end)
        return [json.loads(line) for line in raw[:end].splitlines()]

    def append(self, block: list[_Best]) -> None:
        """Keep one more block."""
        line = json.dumps(block, ensure_ascii=False) + "\n"
        try:
            self._part.parent.mkdir(parents=True, exist_ok=True)
            with self._part.open("ab") as file:
                file.write(line.encode())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise SynthesisError(
                f"{self._part}: made text cannot be kept: {error.strerror}; free space or give "
                "another --output. What was kept is not made again"
            ) from None

    def close(self) -> None:
        """The generation is finished."""
        if self._part.is_file():
            self._part.rename(self._whole)
