"""A classifier with a wide part, from its PyTorch model through the export to the server."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from lingraft.server.app.engines import classification_engine, operators
from lingraft.server.bundle import Bundle, Precision, read_bundle
from lingraft.server.config import ServerConfig
from lingraft.server.engines import kernels
from lingraft.training.export import ClassifierDev, ClassifierExport, export_classifier, to_arrays
from lingraft.training.export.classifier import WidePart
from lingraft.training.export.hashing import HashedTable
from lingraft.training.models.classifier import SequenceClassifier, logits
from lingraft.training.models.marian import new_model
from lingraft.training.models.wide import WideTable
from lingraft.training.recipe.settings import Shape
from lingraft.training.vocabulary.codec import EOS, codec_of, trained_spm
from lingraft.training.vocabulary.ngrams import NGrams
from lingraft.training.vocabulary.spelling import spelling_of
from lingraft.training.vocabulary.words import WordNGrams
from lingraft.v1 import bundle_pb2 as pb

TEXTS = (
    "Bring water, the kettle is empty again.",
    "",
    "A lamp burns in the tall house, a lamp burns in the small house, and both are far away.",
    "a",
    "WIN a lamp! Win 100 lamps, win, win...",
    "पानी लाओ",  # spelt by bytes
    "Ọmọ náà ń kọrin",
    "lamp \N{PARTY POPPER}\N{PARTY POPPER} house",
    "kettle",
    "The tall kettle and the empty lamp",
    "again again again",
    "1 2 3",
)
SHAPE = Shape(d_model=16, ffn=32, heads=2, encoder_layers=2, decoder_layers=1, max_positions=64)
NGRAMS = NGrams(4, 16)
PRECISIONS = (pb.PRECISION_FP32, pb.PRECISION_INT8, pb.PRECISION_FP16)
CLASSES = ("ham", "spam", "scam")


CODEC = codec_of(trained_spm(TEXTS, 320, ("en",), at_most=True))
ROWS = [CODEC.encode_target(text, "en") for text in TEXTS]
# A text that is cut inside a letter, too.
ROWS.append([*ROWS[5][:-2], EOS])


@pytest.fixture(scope="module")
def model() -> SequenceClassifier:
    """Random weights, with a table as large as the encoder's say."""
    torch.manual_seed(5)
    encoder = new_model(SHAPE, CODEC.pad + 1, seed=1).model.encoder
    made = SequenceClassifier(encoder, len(CLASSES), CODEC.pad, 0.0).eval()
    torch.nn.init.normal_(made.head.weight, std=0.5)
    table = 0.5 * torch.randn(NGRAMS.buckets, len(CLASSES))
    made.count(WideTable(WordNGrams(NGRAMS, spelling_of(CODEC)), table, CODEC.pad), 1.0)
    return made


@pytest.fixture(scope="module")
def bundle(model: SequenceClassifier, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Its bundle in three precisions; the export asserts parity of fp32 on all rows."""
    folder = tmp_path_factory.mktemp("wide")
    (folder / "source.spm").write_bytes(CODEC.spm.serialized_model_proto())
    facts = pb.Bundle(name="wide", version="1", licence="CC0-1.0", labels=CLASSES)
    facts.normalization.unicode_form = "NFC"
    facts.limits.max_source_tokens = 64
    facts.data_sources.add(name="random", licence="CC0-1.0")
    assert model.wide is not None
    export = ClassifierExport(
        config=model.encoder.config,
        encoder_state=to_arrays(model.encoder.state_dict()),
        head_weight=model.head.weight.detach().numpy(),
        head_bias=model.head.bias.detach().numpy(),
        tokenizer=folder / "source.spm",
        facts=facts,
        dev=ClassifierDev("dev", ROWS, (), lambda ids: logits(model, ids)),
        wide=WidePart(
            HashedTable(NGRAMS, model.wide.table.detach().numpy()), model.wide.words.spelling
        ),
        precisions=PRECISIONS,
    )
    export_classifier(export, folder / "bundle")
    return read_bundle(folder / "bundle")


def _served(
    bundle: Bundle, precision: Precision, choice: Any, rows: Sequence[Sequence[int]]
) -> Any:
    config = ServerConfig(bundles=(bundle.folder,), threads=1, kernels=choice)
    graphs = next(each for each in bundle.graphs if each.precision is precision)
    engine = classification_engine(bundle, graphs, config)
    own = operators(engine) != "standard"
    twin = precision is Precision.INT8 and choice == "auto" and kernels.library() is not None
    assert own == twin
    return engine.logits(rows)


ENGINES = [
    (Precision.FP32, "standard"),
    (Precision.INT8, "standard"),
    (Precision.INT8, "auto"),
    (Precision.FP16, "standard"),
]


@pytest.mark.parametrize(("precision", "choice"), ENGINES)
def test_the_server_answers_as_the_model_does(
    model: SequenceClassifier, bundle: Bundle, precision: Precision, choice: str
) -> None:
    """In fp32 to rounding, in fewer bits nearly; on its own operators and on ONNX Runtime's."""
    expected = logits(model, ROWS)
    found = _served(bundle, precision, choice, ROWS)
    error = {Precision.FP32: 1e-4, Precision.FP16: 0.02, Precision.INT8: 0.1}[precision]
    np.testing.assert_allclose(found, expected, atol=error)


@pytest.mark.parametrize(("precision", "choice"), ENGINES)
def test_a_text_has_the_same_logits_beside_longer_ones(
    bundle: Bundle, precision: Precision, choice: str
) -> None:
    """Padding is in no n-gram, by any engine."""
    together = _served(bundle, precision, choice, ROWS)
    alone = np.concatenate([_served(bundle, precision, choice, [row]) for row in ROWS])
    tolerance = 0.01 if precision is Precision.FP16 else 1e-4
    np.testing.assert_allclose(together, alone, atol=tolerance)


def test_the_table_takes_a_byte_a_logit_and_a_scale_a_label(bundle: Bundle) -> None:
    """Once for both int8 graphs; the twin refers to it."""
    graph = onnx.load(bundle.folder / "classifier.int8.onnx")
    sizes = {tensor.name: len(tensor.raw_data) for tensor in graph.graph.initializer}
    assert sizes["ngrams.weight.int8"] == NGRAMS.buckets * len(CLASSES)
    assert sizes["ngrams.weight.scale"] == len(CLASSES) * 4
    assert "ngrams.weight" not in sizes
    twin = bundle.folder / "classifier.int8.native.onnx"
    assert twin.stat().st_size < sizes["ngrams.weight.int8"]


def test_the_card_tells_what_is_counted(bundle: Bundle) -> None:
    """One line; the manifest needs no field for it."""
    card = Path(bundle.folder, "README.md").read_text("utf-8")
    told = "- Wide part: hashed n-grams of 1 to 4 letters inside words, 65,536 rows of 3 logits, "
    assert told + "added to the encoder's; these count by the share of" in card
