"""A vocabulary of the toy tongues, models without training, and a translator that never errs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from transformers import MarianMTModel

from lingraft.training.models.marian import new_model
from lingraft.training.recipe.recipes import Shape, Training
from lingraft.training.recipe.synthesis import Decoding
from lingraft.training.synthesis.generate import Translator
from lingraft.training.vocabulary.codec import SPM_FILE, Codec, load_codec, train_spm

SHAPE = Shape(
    d_model=16,
    ffn=16,
    heads=2,
    encoder_layers=1,
    decoder_layers=1,
    dropout=0.1,
    max_positions=48,
)
Ids = Sequence[Sequence[int]]
Translate = Callable[[str], str]


class Killed(BaseException):
    """Stands for kill -9 at a moment that a test chooses."""


class Decoder:
    """Writes what `translate` says of each text, keeps account of it, and dies when it is told."""

    def __init__(self, codec: Codec, translate: Translate, dies_at: int | None = None) -> None:
        self.codec, self.translate, self.dies_at = codec, translate, dies_at
        self.calls: list[list[str]] = []
        self.decodings: list[Decoding] = []

    def __call__(
        self, model: MarianMTModel, rows: Ids, decoding: Decoding, number: int
    ) -> list[list[list[int]]]:
        """One text for each row, whatever the model."""
        if self.dies_at == len(self.calls):
            raise Killed
        texts = [self.codec.decode(row[1:]) for row in rows]
        self.calls.append(texts)
        self.decodings.append(decoding)
        return [[self.codec.encode_target(self.translate(text), "fr")] for text in texts]


@pytest.fixture(scope="session")
def killed() -> type[Killed]:
    """What a decoder that dies raises."""
    return Killed


@pytest.fixture(scope="session")
def codec(
    tmp_path_factory: pytest.TempPathFactory,
    english: tuple[str, ...],
    to_french: Translate,
    to_yoruba: Translate,
) -> Codec:
    """A vocabulary of three languages."""
    folder = tmp_path_factory.mktemp("vocabulary")
    text = [f(t) for t in english for f in (str, to_french, to_yoruba)]
    train_spm(text, 345, ("en", "fr", "yo"), folder / SPM_FILE)
    return load_codec(folder)


@pytest.fixture
def make_model(codec: Codec) -> Callable[[int], MarianMTModel]:
    """Makes the untrained model of a seed; it writes no bytes, which would be no letters."""
    barred = [i for i in range(codec.pad) if codec.spm.is_byte(i)]

    def make(seed: int) -> MarianMTModel:
        model = new_model(SHAPE, codec.pad + 1, seed)
        model.final_logits_bias[0, barred] = -1e4
        return model

    return make


@pytest.fixture
def make_decoder(codec: Codec) -> Callable[..., Decoder]:
    """Makes a decoder that translates as it is told."""

    def make(translate: Translate, dies_at: int | None = None) -> Decoder:
        return Decoder(codec, translate, dies_at)

    return make


@pytest.fixture
def make_translator(
    tmp_path: Path, codec: Codec, make_model: Callable[[int], MarianMTModel]
) -> Callable[..., Translator]:
    """Makes a translator with the decoder given, in blocks of four."""

    def make(decode: Decoder, folder: str = "made", seed: int = 1) -> Translator:
        return Translator(make_model(seed), codec, tmp_path / folder, block=4, decode=decode)

    return make


@pytest.fixture(scope="session")
def settings() -> Training:
    """Of a run that takes a second."""
    return Training(
        learning_rate=1e-2,
        warmup_steps=5,
        max_steps=40,
        batch_tokens=400,
        max_tokens=40,
        evaluate_every=20,
        save_every=5,
        average_last=1,
        precision="fp32",
        threads=1,
    )
