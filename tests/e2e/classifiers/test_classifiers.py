"""Stock classifiers, from a checkpoint's folder through the export to the server's engine."""

from __future__ import annotations

import math
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tokenizers
import torch
import transformers
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers

from lingraft.server.app.engines import classification_engine
from lingraft.server.bundle import Bundle, Precision, read_bundle
from lingraft.server.config import ServerConfig
from lingraft.server.text import TextCodec
from lingraft.training.cli import main
from lingraft.training.errors import DataError, ExportError, ParentError
from lingraft.training.stock.classifier import export_classifier_checkpoint, is_classifier
from lingraft.v1 import bundle_pb2 as pb

# Written for these tests.
TEXTS = (
    "The ferry leaves at noon.",
    "Buy now! You have won a prize, click here.",
    "Ọja ń lọ dáadáa ní òwúrọ̀.",
    "we met by the well",
    "a [SEP] b </s> c",
    "",
)
_CORPUS = [*TEXTS, "noon well ferry prize leaves met here", "ọja ní òwúrọ̀ click buy won"] * 3
_SIZES: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 70,
    "initializer_range": 0.4,
}
_LABELS = {0: "ham", 1: "spam", 2: "other"}
_FAMILIES = ("bert", "distilbert", "xlm-roberta", "roberta", "deberta-v2", "modernbert")


# The trainers of WordPiece and Unigram break ties by chance, and every run would try another model,
# now and then one whose int8 is unlucky. So their pieces are counted here.


def _wordpiece() -> Any:
    """BERT's kind: the words of the corpus, and letters for all others."""
    own = tokenizers.Tokenizer(models.WordPiece(unk_token="[UNK]"))
    own.normalizer = normalizers.BertNormalizer(lowercase=True)
    own.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    words = sorted(_words(own))
    letters = sorted({letter for word in words for letter in word})
    pieces = [*_special("[]"), *letters, *(f"##{letter}" for letter in letters), *words]
    places = {piece: place for place, piece in enumerate(dict.fromkeys(pieces))}
    own.model = models.WordPiece(places, unk_token="[UNK]")
    return own


def _unigram() -> Any:
    """The kind of XLM-R and DeBERTa-v3: words and letters by how often they occur."""
    own = tokenizers.Tokenizer(models.Unigram())
    own.normalizer = normalizers.NFKC()
    own.pre_tokenizer = pre_tokenizers.Metaspace()
    words = _words(own)
    letters = Counter(letter for word in words.elements() for letter in word)
    total = letters.total()
    scored = [(piece, math.log(n / total)) for piece, n in sorted((letters | words).items())]
    own.model = models.Unigram([*((each, 0.0) for each in _special("<>")), *scored], unk_id=3)
    return own


def _bytes() -> Any:
    """The kind of RoBERTa and ModernBERT, trained."""
    own = tokenizers.Tokenizer(models.BPE(unk_token="[UNK]"))
    own.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    own.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    own.train_from_iterator(
        _CORPUS,
        trainers.BpeTrainer(
            vocab_size=300, special_tokens=_special("[]"), initial_alphabet=alphabet
        ),
    )
    return own


def _words(own: Any) -> Counter[str]:
    """How often each word of the corpus occurs, as a tokenizer cuts it."""
    normal = [own.normalizer.normalize_str(text) for text in _CORPUS]
    return Counter(word for text in normal for word, _ in own.pre_tokenizer.pre_tokenize_str(text))


def _special(style: str) -> list[str]:
    """Start, padding, end, unknown: XLM-R's names or BERT's."""
    angled = ["<s>", "<pad>", "</s>", "<unk>"]
    return angled if style == "<>" else ["[CLS]", "[PAD]", "[SEP]", "[UNK]"]


def _tokenizer(kind: Callable[[], Any]) -> Any:
    own = kind()
    names = _special("<>" if kind is _unigram else "[]")
    own.add_special_tokens(names)
    own.post_processor = processors.TemplateProcessing(
        single=f"{names[0]} $A {names[2]}", special_tokens=[(names[0], 0), (names[2], 2)]
    )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=own,
        cls_token=names[0],
        pad_token=names[1],
        sep_token=names[2],
        unk_token=names[3],
        model_max_length=64,
    )


def _model(family: str, size: int) -> Any:
    sizes = {"vocab_size": size, "id2label": _LABELS, "pad_token_id": 1, **_SIZES}
    if family == "distilbert":
        own = {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 48}
        kept = ("vocab_size", "id2label", "pad_token_id", "max_position_embeddings")
        sizes = {name: sizes[name] for name in (*kept, "initializer_range")} | own
    if family == "deberta-v2":
        sizes |= {"relative_attention": True, "pos_att_type": "c2p|p2c", "position_buckets": 8}
    if family == "modernbert":
        ids = {"bos_token_id": 0, "cls_token_id": 0, "eos_token_id": 2, "sep_token_id": 2}
        sizes |= {**ids, "local_attention": 8}
    config = transformers.AutoConfig.for_model(family, **sizes)
    torch.manual_seed(11)
    return transformers.AutoModelForSequenceClassification.from_config(config).eval()


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Makes the folder of a family's stock checkpoint; the same folder for the same family."""
    kinds = {"bert": _wordpiece, "distilbert": _wordpiece, "roberta": _bytes, "modernbert": _bytes}
    made: dict[str, Path] = {}

    def make(family: str) -> Path:
        if family not in made:
            folder = tmp_path_factory.mktemp(family)
            tokenizer = _tokenizer(kinds.get(family, _unigram))
            tokenizer.save_pretrained(folder)
            _model(family, len(tokenizer)).save_pretrained(folder)
            made[family] = folder
        return made[family]

    return make


def _facts() -> pb.Bundle:
    facts = pb.Bundle(name="stock", version="1", licence="CC0-1.0")
    facts.data_sources.add(name="random", licence="CC0-1.0")
    return facts


def _export(folder: Path, output: Path, dev: Path | None = None) -> Bundle:
    precisions = (pb.PRECISION_FP32, pb.PRECISION_INT8)
    export_classifier_checkpoint(folder, output, _facts(), precisions, dev)
    return read_bundle(output)


def _served(bundle: Bundle, precision: Precision, texts: tuple[str, ...]) -> Any:
    """Logits as the server computes them from text."""
    config = ServerConfig(bundles=(bundle.folder,), threads=1)
    graphs = next(each for each in bundle.graphs if each.precision is precision)
    engine, codec = classification_engine(bundle, graphs, config), TextCodec(bundle)
    return engine.logits([codec.classification_ids(codec.pieces(text, "")) for text in texts])


def _expected(folder: Path, texts: tuple[str, ...]) -> Any:
    """Logits as Transformers computes them from text."""
    tokenizer = transformers.PreTrainedTokenizerFast.from_pretrained(folder)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder).eval()
    given = tokenizer(list(texts), padding=True, return_tensors="pt", return_token_type_ids=False)
    with torch.inference_mode():
        return model(**given).logits.numpy()


@pytest.mark.parametrize("family", _FAMILIES)
def test_a_stock_classifier_is_served_as_transformers_computes_it(
    checkpoint: Callable[[str], Path], tmp_path: Path, family: str
) -> None:
    """Text in, logits out: the same in fp32, near in int8; labels, limits and losses are told."""
    folder = checkpoint(family)
    bundle = _export(folder, tmp_path / "bundle")
    plain = tuple(text for text in TEXTS if "[SEP]" not in text)
    expected = _expected(folder, plain)
    np.testing.assert_allclose(_served(bundle, Precision.FP32, plain), expected, atol=1e-3)
    near = _served(bundle, Precision.INT8, plain)
    assert np.abs(near - expected).max() < 0.15 * max(1.0, float(np.abs(expected).max()))
    assert bundle.labels == ("ham", "spam", "other")
    assert bundle.limits.max_source_tokens == 64
    assert is_classifier(folder)


def test_no_text_can_smuggle_in_an_end(checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    """Pieces with a meaning of their own stand at the two ends alone, whatever a text spells."""
    bundle = _export(checkpoint("bert"), tmp_path / "bundle")
    codec = TextCodec(bundle)
    ids = codec.classification_ids(codec.pieces("a [SEP] b [CLS] c [PAD]", ""))
    assert (ids[0], ids[-1]) == (0, 2)
    assert not {0, 1, 2} & set(ids[1:-1])


def test_dev_text_with_labels_measures_what_int8_costs(
    checkpoint: Callable[[str], Path], tmp_path: Path
) -> None:
    """Accuracy against the labels of the file, which stands in the manifest by its name."""
    dev = tmp_path / "dev.tsv"
    dev.write_text("buy now\tspam\nthe ferry\tham\n", encoding="utf-8")
    bundle = _export(checkpoint("bert"), tmp_path / "bundle", dev)
    assert '"testSet": "dev.tsv"' in bundle.manifest
    dev.write_text("buy now\tspam\nthe ferry\tboat\n", encoding="utf-8")
    with pytest.raises(DataError, match="labels boat are not of ham, spam, other"):
        _export(checkpoint("bert"), tmp_path / "bundle", dev)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ('"problem_type": "multi_label_classification"', "3 labels with problem_type"),
        ('"id2label": {"0": "score"}', "1 labels"),
    ],
)
def test_what_the_server_cannot_score_is_refused(
    checkpoint: Callable[[str], Path], tmp_path: Path, change: str, message: str
) -> None:
    """Regression and several labels at once would be served as something that they are not."""
    folder = tmp_path / "changed"
    shutil.copytree(checkpoint("bert"), folder)
    text = (folder / "config.json").read_text(encoding="utf-8")
    (folder / "config.json").write_text(text.replace("{", "{" + change + ",", 1), encoding="utf-8")
    if "id2label" in change:
        model = transformers.BertForSequenceClassification.from_pretrained(
            folder, num_labels=1, ignore_mismatched_sizes=True
        )
        model.save_pretrained(folder)
    with pytest.raises(ExportError, match=message):
        _export(folder, tmp_path / "bundle")


def test_a_folder_without_a_classifier_is_named(tmp_path: Path) -> None:
    """One sentence, no traceback."""
    with pytest.raises(ParentError, match="no classifier can be loaded"):
        _export(tmp_path, tmp_path / "bundle")


def test_the_command_tells_a_classifier_from_a_translator(
    checkpoint: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same `lingraft-train export`; options of translation are refused."""
    command = [
        "export",
        str(checkpoint("bert")),
        "-o",
        str(tmp_path / "bundle"),
        "--name",
        "sorter",
    ]
    assert main([*command, "--pairs", "en-yo"]) == 1
    assert "say nothing to it" in capsys.readouterr().err
    assert main(command) == 0
    assert "bert, 3 labels" in capsys.readouterr().out
    bundle = read_bundle(tmp_path / "bundle")
    assert (bundle.name, bundle.labels) == ("sorter", ("ham", "spam", "other"))
