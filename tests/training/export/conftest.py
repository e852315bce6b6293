"""Tiny Marian models with random weights, their graphs, and a tokenizer that fits them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import MarianConfig, MarianMTModel

from lingraft.training.export import TranslationGraphs, to_arrays
from lingraft.training.export.graph import serialise
from lingraft.training.export.marian import decoder_step_graph, encoder_graph
from lingraft.training.export.parity import special_ids
from lingraft.training.export.quantize import quantise
from lingraft.training.export.runtime import GreedyDecoder
from lingraft.training.vocabulary.codec import train_spm
from lingraft.v1 import bundle_pb2 as pb
from lingraft.v1.common_pb2 import PAIR_STATUS_TRANSFER, VERDICT_PASS, Metric, TransferReport

PIECES = 300  # of the tokenizer; the models have one more, the padding

MakeModel = Callable[..., Any]
MakeGraphs = Callable[..., TranslationGraphs]
MakeDecoder = Callable[..., GreedyDecoder]
MakeRows = Callable[[int], list[list[int]]]


@pytest.fixture(scope="session")
def make_model() -> MakeModel:
    """A Marian model of 2+1 layers; keywords are settings of `MarianConfig`."""

    def make(**settings: Any) -> Any:
        torch.manual_seed(7)
        defaults: dict[str, Any] = {
            "vocab_size": PIECES + 1,
            "d_model": 16,
            "encoder_layers": 2,
            "decoder_layers": 1,
            "encoder_attention_heads": 2,
            "decoder_attention_heads": 2,
            "encoder_ffn_dim": 32,
            "decoder_ffn_dim": 24,
            "activation_function": "swish",
            "max_position_embeddings": 64,
            "init_std": 0.4,
            "scale_embedding": True,
            "pad_token_id": PIECES,
            "decoder_start_token_id": PIECES,
            "eos_token_id": 0,
            "forced_eos_token_id": None,
        }
        model = MarianMTModel(MarianConfig(**defaults | settings)).eval()
        model.final_logits_bias[0, 0] = 4.0  # so that answers end at different lengths
        return model

    return make


@pytest.fixture(scope="session")
def model(make_model: MakeModel) -> Any:
    """The plain tiny model; tests leave it as it is."""
    return make_model()


@pytest.fixture(scope="session")
def make_graphs() -> MakeGraphs:
    """The graphs of a model, quantised when `int8` is true."""

    def make(model: Any, *, int8: bool = False) -> TranslationGraphs:
        state = to_arrays(model.state_dict())
        built = encoder_graph(model.config, state), decoder_step_graph(model.config, state)
        encoder, step = (quantise(graph) if int8 else graph for graph in built)
        return TranslationGraphs(serialise(encoder), serialise(step))

    return make


@pytest.fixture(scope="session")
def make_decoder(make_graphs: MakeGraphs) -> MakeDecoder:
    """A greedy decoder over a model's graphs."""

    def make(model: Any, *, int8: bool = False) -> GreedyDecoder:
        graphs = make_graphs(model, int8=int8)
        return GreedyDecoder(graphs.encoder, graphs.decoder_step, special_ids(model.config))

    return make


@pytest.fixture(scope="session")
def make_rows() -> MakeRows:
    """Sources of many lengths, from one piece and eos to forty."""

    def make(count: int) -> list[list[int]]:
        random = np.random.RandomState(3)
        lengths = random.randint(1, 40, count)
        return [[*random.randint(2, PIECES, length).tolist(), 0] for length in lengths]

    return make


@pytest.fixture(scope="session")
def spm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SentencePiece model of `PIECES` pieces with tags for English and Yoruba."""
    path = tmp_path_factory.mktemp("spm") / "source.spm"
    sentences: Sequence[str] = (
        "A lamp burns in the window of the tall house.",
        "Bring water, the kettle is empty again.",
        "Ilé gíga náà ní fèrèsé méjì.",
        "Omi ti tán nínú ìkòkò.",
    )
    train_spm(sentences, PIECES + 1, ("en", "yo"), path)
    return path


def _metric(value: float = 20.0) -> Metric:
    return Metric(name="chrF++", value=value, ci_low=1, ci_high=2, test_set="t", size=9)


@pytest.fixture
def manifest() -> pb.Bundle:
    """A complete one, of a graft from English to Yoruba."""
    transfer = TransferReport(
        parent_model="root",
        parent_languages=["en", "fr"],
        target_examples=100,
        scratch=_metric(10.0),
        transfer=_metric(30.0),
        gain=_metric(-1.5),
        verdict=VERDICT_PASS,
    )
    pair = pb.BundlePair(
        source_language="en",
        target_language="yo",
        status=PAIR_STATUS_TRANSFER,
        metrics=[_metric()],
        transfer=transfer,
    )
    graphs = pb.GraphSet(
        precision=pb.PRECISION_FP32, encoder="encoder.onnx", decoder_step="step.onnx"
    )
    return pb.Bundle(
        format_version=1,
        name="en-yo",
        version="1",
        task=pb.TASK_TRANSLATION,
        family="marian",
        pairs=[pair],
        graphs=[graphs],
        tokenizer=pb.Tokenizer(
            kind=pb.TOKENIZER_KIND_SENTENCEPIECE,
            source_model="source.spm",
            target_model="source.spm",
        ),
        special_ids=pb.SpecialIds(eos=0, unk=1, pad=9, decoder_start=9),
        language_tags=[pb.LanguageTag(language="yo", piece=">>yor<<", id=2)],
        normalization=pb.Normalization(unicode_form="NFC"),
        limits=pb.Limits(max_source_tokens=8, max_target_tokens=8),
        dimensions=pb.Dimensions(decoder_layers=1, heads=2, head_size=8, vocabulary_size=10),
        data_sources=[pb.DataSource(name="own", licence="CC0-1.0", examples=5)],
        licence="CC0-1.0",
    )
