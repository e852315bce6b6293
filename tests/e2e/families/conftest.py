"""Small stock checkpoints as Transformers saves them: random weights, tokenizers trained here.

Every model has several layers, sizes that differ between encoder and decoder, and weights sharp
enough that its answers depend on the source.
"""

from __future__ import annotations

import functools
import io
import json
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import (
    M2M100Config,
    M2M100ForConditionalGeneration,
    M2M100Tokenizer,
    MarianConfig,
    MarianMTModel,
    MBart50Tokenizer,
    MBartConfig,
    MBartForConditionalGeneration,
    MT5Config,
    MT5ForConditionalGeneration,
    NllbTokenizer,
    T5Config,
    T5ForConditionalGeneration,
    T5Tokenizer,
)

from lingraft.training.stock.export import StockExport, export_stock
from lingraft.v1 import bundle_pb2 as pb

torch.set_num_threads(1)  # models this small lose by more

# Written for these tests.
TEXTS = (
    "The children wait for the boat.",
    "Bread and salt, please!",
    "We sang under the old tree until 10 o'clock.",
    "Ìyá mi fẹ́ lọ sí ọjà ní àárọ̀.",
    "Le vent souffle sur la colline, et personne ne dort.",
    "Ветер дует с моря, а лодка ждёт.",
    "風が海から吹いています。船は待っています。",
    "الريح تهب من البحر والقارب ينتظر.",
    "hat kids play, boats float; kettles sing — quietly?",
)
PIECES = 110


def train_spm(path: Path, kind: str = "unigram", **settings: Any) -> None:
    """A SentencePiece model of the texts."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS * 3),
        model_writer=model,
        model_type=kind,
        vocab_size=PIECES,
        character_coverage=1.0,
        num_threads=1,
        minloglevel=2,
        **settings,
    )
    path.write_bytes(model.getvalue())


def _scored(path: Path) -> list[tuple[str, float]]:
    """Pieces and scores of a SentencePiece model."""
    spm = sentencepiece.SentencePieceProcessor(model_file=str(path))
    return [(spm.id_to_piece(i), spm.get_score(i)) for i in range(spm.get_piece_size())]


def _save(model: Any, folder: Path, layers: float = 1.5) -> None:
    """Sharpened, so that the best piece is clear and hangs on the source above all."""
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() > 1 and ("layer" in name or "block" in name):
                weight.mul_(3.0 if "encoder_attn" in name else layers)
    model.save_pretrained(folder)


def _sizes(vocabulary: int, **more: Any) -> dict[str, Any]:
    return {
        "vocab_size": vocabulary,
        "d_model": 32,
        "encoder_layers": 3,
        "decoder_layers": 2,
        "encoder_attention_heads": 4,
        "decoder_attention_heads": 2,
        "encoder_ffn_dim": 48,
        "decoder_ffn_dim": 40,
        "max_position_embeddings": 96,
        "init_std": 0.3,
        **more,
    }


def nllb(folder: Path) -> None:
    """An M2M100 model with the tokenizer of NLLB-200: byte pair encoding in tokenizer.json."""
    trained = Tokenizer(models.BPE(unk_token="<unk>"))
    trained.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    trainer = trainers.BpeTrainer(vocab_size=PIECES, special_tokens=special, show_progress=False)
    trained.train_from_iterator(TEXTS, trainer)
    model = json.loads(trained.to_str())["model"]
    merges = [tuple(merge) for merge in model["merges"]]
    tokenizer = NllbTokenizer(vocab=model["vocab"], merges=merges)
    tokenizer.save_pretrained(folder)
    sizes = _sizes(len(tokenizer) + 2, decoder_start_token_id=2)
    _save(M2M100ForConditionalGeneration(M2M100Config(**sizes)), folder)


def m2m100(folder: Path) -> None:
    """M2M100 with its own tokenizer: SentencePiece and a vocabulary in another order."""
    spm = folder / "sentencepiece.bpe.model"
    train_spm(spm, "bpe")
    pieces = [piece for piece, _ in _scored(spm)][3:]
    order = ["<s>", "<pad>", "</s>", "<unk>", *reversed(pieces)]
    vocabulary = {piece: number for number, piece in enumerate(order)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    M2M100Tokenizer(str(folder / "vocab.json"), str(spm)).save_pretrained(folder)
    sizes = _sizes(len(order) + 108, decoder_start_token_id=2)
    _save(M2M100ForConditionalGeneration(M2M100Config(**sizes)), folder)


def mbart50(folder: Path) -> None:
    """mBART-50 with a Unigram tokenizer.json."""
    spm = folder / "trained.spm"
    train_spm(spm)
    tokenizer = MBart50Tokenizer(vocab=[*_scored(spm)])
    tokenizer.save_pretrained(folder)
    spm.unlink()
    sizes = _sizes(len(tokenizer), decoder_start_token_id=2, scale_embedding=True)
    _save(MBartForConditionalGeneration(MBartConfig(**sizes)), folder)


def mbart50_pieces(folder: Path) -> None:
    """mBART-50 as it was published: a SentencePiece model and no tokenizer.json."""
    spm = folder / "sentencepiece.bpe.model"
    train_spm(spm)
    settings = {"tokenizer_class": "MBart50Tokenizer"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    sizes = _sizes(PIECES + 1 + 52 + 1, decoder_start_token_id=2)
    _save(MBartForConditionalGeneration(MBartConfig(**sizes)), folder)


_T5_SIZES = {
    "d_model": 32,
    "d_kv": 8,
    "num_heads": 3,
    "d_ff": 40,
    "num_layers": 3,
    "num_decoder_layers": 2,
    "relative_attention_num_buckets": 8,
    "relative_attention_max_distance": 20,
    "decoder_start_token_id": 0,
    "initializer_factor": 3.0,
}


def t5(folder: Path) -> None:
    """The first T5: ReLU, tied and scaled head, prefixes in its configuration."""
    spm = folder / "trained.spm"
    train_spm(spm, pad_id=0, eos_id=1, unk_id=2, bos_id=-1)
    extra = [(f"<extra_id_{i}>", 0.0) for i in range(99, -1, -1)]
    T5Tokenizer(vocab=[*_scored(spm), *extra]).save_pretrained(folder)
    spm.unlink()
    prefix = {"translation_en_to_fr": {"prefix": "translate English to French: "}}
    config = T5Config(vocab_size=PIECES + 104, task_specific_params=prefix, **_T5_SIZES)
    _save(T5ForConditionalGeneration(config), folder)


def mt5(folder: Path) -> None:
    """mT5 as it was published: gated, SentencePiece alone."""
    train_spm(folder / "spiece.model", pad_id=0, eos_id=1, unk_id=2, bos_id=-1)
    _save(MT5ForConditionalGeneration(MT5Config(vocab_size=PIECES + 12, **_T5_SIZES)), folder)


def marian(folder: Path) -> None:
    """opus-mt of one pair: two SentencePiece models and a vocabulary with ids of its own."""
    _marian(folder, [], "en", "de")


def marian_tagged(folder: Path) -> None:
    """opus-mt with several target languages."""
    _marian(folder, [">>fra<<", ">>zho_Hant<<", ">>yor<<"], "eng", "mul")


def _marian(folder: Path, tags: Sequence[str], source: str, target: str) -> None:
    pieces: list[str] = []
    for name, kind in (("source.spm", "unigram"), ("target.spm", "bpe")):
        train_spm(folder / name, kind)
        pieces += [piece for piece, _ in _scored(folder / name)[3:]]
    order = ["</s>", "<unk>", *reversed(list(dict.fromkeys(pieces))), *tags, "<pad>"]
    vocabulary = {piece: number for number, piece in enumerate(order)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    settings = {
        "tokenizer_class": "MarianTokenizer",
        "source_lang": source,
        "target_lang": target,
        "model_max_length": 512,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    pad = len(order) - 1
    ids = {"pad_token_id": pad, "eos_token_id": 0, "decoder_start_token_id": pad}
    like = {"scale_embedding": True, "activation_function": "swish"}
    config = MarianConfig(**_sizes(len(order), **like, **ids))
    model = MarianMTModel(config)
    model.final_logits_bias[0, 0] = 3.0
    _save(model, folder, layers=0.5)  # a random post-norm encoder makes all positions alike


MAKERS: dict[str, Callable[[Path], None]] = {
    maker.__name__: maker
    for maker in (nllb, m2m100, marian, marian_tagged, mbart50, mbart50_pieces, t5, mt5)
}
# () is all pairs that the tokenizer names.
PAIRS: dict[str, tuple[str, ...]] = {
    "nllb": ("en-yo", "yo-en", "en:zh-Hant"),
    "m2m100": ("en-yo", "fr-en"),
    "marian": (),
    "marian_tagged": (),
    "mbart50": ("en-fr", "de-en"),
    "mbart50_pieces": ("en-fr",),
    "t5": ("en-fr", "en-de"),
    "mt5": ("en-yo",),
}


@dataclass(frozen=True)
class Exported:
    """A checkpoint's folder, and the bundle that was made of it."""

    checkpoint: Path
    folder: Path
    bundle: pb.Bundle


Export = Callable[[str], Exported]


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The checkpoint of that name; made once."""

    @functools.cache
    def made(name: str) -> Path:
        folder = tmp_path_factory.mktemp(name)
        torch.manual_seed(5)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Marian's tokenizer recommends a package
            MAKERS[name](folder)
        return folder

    return made


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory, checkpoint: Callable[[str], Path]) -> Export:
    """The bundle of the checkpoint of that name; made once."""

    @functools.cache
    def made(name: str) -> Exported:
        folder = tmp_path_factory.mktemp("bundles") / name
        asked = StockExport(str(checkpoint(name)), folder, name=name, pairs=PAIRS[name])
        return Exported(checkpoint(name), folder, export_stock(asked))

    return made


@pytest.fixture(params=MAKERS)
def family(request: pytest.FixtureRequest, exported: Export) -> Exported:
    """Every checkpoint in turn, with its bundle."""
    return exported(request.param)
