"""Makes the two models in every form that an engine needs, anew for each run."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from operator import eq
from pathlib import Path
from statistics import mean
from typing import Any

import torch

from benchmarks import layout
from benchmarks.cases import fixed_cases
from benchmarks.common import ROOT
from lingraft.training.export import TranslationDev, TranslationExport, export_translation
from lingraft.training.models.marian import load_model, new_model, save_model
from lingraft.training.recipe.languages import tag
from lingraft.training.recipe.settings import Shape
from lingraft.training.vocabulary.codec import SPM_FILE, load_codec
from lingraft.v1 import bundle_pb2 as pb
from lingraft.v1.common_pb2 import PAIR_STATUS_TRAINED

STARTER = ROOT / "models" / "parent-xs"
VOCABULARY = 32_000
# The sizes of opus-mt's models (Helsinki-NLP), with a round vocabulary.
_SHAPE = Shape(
    d_model=512,
    ffn=2048,
    heads=8,
    encoder_layers=6,
    decoder_layers=6,
    activation="swish",
    max_positions=512,
)
_LANGUAGES = ("en", "fr", "de", "es")
_MOST_PER_SOURCE_TOKEN = 3.0
_PRECISIONS = {"int8": pb.PRECISION_INT8, "fp32": pb.PRECISION_FP32}


def random_model(folder: Path, precision: str) -> Path:
    """An opus-mt-shaped model with random weights, the same ones every time. Returns `folder`."""
    model = new_model(_SHAPE, VOCABULARY, seed=0)
    _enliven(model)
    return _write(model, "random", folder, precision)


def starter_model(folder: Path, precision: str) -> Path:
    """The embedded starter. Returns `folder`."""
    return _write(load_model(STARTER), "starter", folder, precision)


class NumberTokenizer:
    """What CTranslate2's converter asks of a tokenizer; the last id is padding."""

    unk_token = layout.UNK_WORD
    eos_token = layout.EOS_WORD
    bos_token = None
    pad_token = layout.PAD_WORD

    def __init__(self, size: int) -> None:
        self._size = size

    def get_vocab(self) -> Mapping[str, int]:
        """Word to id."""
        last = self._size - 1
        return {**{layout.ct2_word(each): each for each in range(last)}, layout.PAD_WORD: last}


def _enliven(model: Any) -> None:
    """Makes random weights say something.

    A tied model as it is drawn repeats one token for ever, and any engine would be found correct.
    Here the layers outweigh the token's own embedding, and no direction is common to all tokens, so
    that every answer depends on its source, its position and all tokens before.
    """
    with torch.no_grad():
        for layer in model.model.decoder.layers:
            layer.fc1.weight.mul_(2.0)
            layer.fc2.weight.mul_(8.0)
            layer.fc2.weight.sub_(layer.fc2.weight.mean(dim=1, keepdim=True))
            layer.encoder_attn.v_proj.weight.mul_(2.0)
            layer.encoder_attn.out_proj.weight.mul_(2.0)


def _write(model: Any, name: str, folder: Path, precision: str) -> Path:
    model.eval()
    shutil.rmtree(folder, ignore_errors=True)
    save_model(model, layout.torch_folder(folder))
    _bundle(model, name, layout.bundle_folder(folder), precision)
    # Last: the converter writes into the weights that it is given.
    _convert(model, layout.ct2_folder(folder, precision), precision)
    return folder


def _convert(model: Any, folder: Path, precision: str) -> None:
    """By CTranslate2's own loader of Marian models; only the tokenizer is ours."""
    from ctranslate2.converters.converter import Converter
    from ctranslate2.converters.transformers import MarianMTLoader

    class _Loaded(Converter):  # type: ignore[misc]  # its package has no types
        def _load(self) -> Any:
            loader, tokenizer = MarianMTLoader(), NumberTokenizer(model.config.vocab_size)
            spec = loader.get_model_spec(model)
            loader.set_config(spec.config, model, tokenizer)
            loader.set_vocabulary(spec, loader.get_vocabulary(model, tokenizer))
            return spec

    quantization = "int8" if precision == "int8" else "float32"
    _Loaded().convert(str(folder), quantization=quantization, force=True)


def _bundle(model: Any, name: str, folder: Path, precision: str) -> None:
    """As every bundle is made, parity of fp32 with PyTorch included.

    The tokenizer is the starter's, also for random weights, which answer to ids alone.
    """
    export = TranslationExport(
        model=model,
        tokenizer={SPM_FILE: STARTER / SPM_FILE},
        facts=_facts(model.config, name),
        dev=_dev(model.config.vocab_size),
        precisions=(_PRECISIONS[precision],),
    )
    export_translation(export, folder)


def _dev(vocabulary: int) -> TranslationDev:
    """Random sources: parity is asserted on them, and nothing is concluded from the rest."""
    case = next(case for case in fixed_cases(vocabulary) if case.name == "greedy-b8")
    return TranslationDev(
        name="random ids",
        sources=[list(source) for source in case.sentences],
        references=[],
        decode=lambda ids: " ".join(map(str, ids)),
        score=lambda texts, references: 100 * mean(map(eq, texts, references)),
        measure="identical",
    )


def _facts(config: Any, name: str) -> pb.Bundle:
    facts = pb.Bundle(
        name=name,
        version="1",
        display_name=f"{name}, for benchmarks",
        pairs=_pairs(),
        language_tags=_tags(_LANGUAGES),
        data_sources=[pb.DataSource(name="none: a benchmark's bundle", licence="CC0-1.0")],
        licence="CC0-1.0",
    )
    facts.tokenizer.kind = pb.TOKENIZER_KIND_SENTENCEPIECE
    facts.tokenizer.source_model = facts.tokenizer.target_model = SPM_FILE
    facts.normalization.unicode_form = "NFC"
    special = facts.special_ids
    special.eos, special.unk, special.pad = config.eos_token_id, 1, config.pad_token_id
    special.decoder_start = config.decoder_start_token_id
    positions = config.max_position_embeddings
    facts.limits.max_source_tokens = facts.limits.max_target_tokens = positions
    facts.decoding.max_length_ratio = _MOST_PER_SOURCE_TOKEN
    return facts


def _pairs() -> list[pb.BundlePair]:
    others = [language for language in _LANGUAGES if language != "en"]
    return [
        pb.BundlePair(source_language="en", target_language=other, status=PAIR_STATUS_TRAINED)
        for other in others
    ]


def _tags(languages: Sequence[str]) -> list[pb.LanguageTag]:
    codec = load_codec(STARTER)
    return [
        pb.LanguageTag(language=language, piece=tag(language), id=codec.tag_id(language))
        for language in languages
    ]
