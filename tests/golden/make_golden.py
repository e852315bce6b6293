"""Writes the golden bundles of format version 1: `python tests/golden/make_golden.py [FOLDER]`.

Tiny models that know a few sentences by heart: they translate nothing, but the same text must
always give the same nonsense, which stands in `expected.json`. A golden bundle is never made anew
once its format version was released: readers of later versions prove on it that they still read it.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import MarianConfig, MarianMTModel
from transformers.models.marian.modeling_marian import MarianEncoder, shift_tokens_right

from lingraft.training import export
from lingraft.training.export.parity import special_ids
from lingraft.training.export.runtime import GreedyDecoder, classify, pad_rows
from lingraft.training.export.translation import piece_limits
from lingraft.training.measure.metrics import chrf
from lingraft.training.recipe.languages import tag
from lingraft.training.vocabulary.codec import SPM_FILE, Codec, load_codec, train_spm
from lingraft.training.vocabulary.normalise import LETTER_MAPPINGS, UNICODE_FORM, normalise
from lingraft.v1 import bundle_pb2 as pb
from lingraft.v1.common_pb2 import (
    PAIR_STATUS_TRANSFER,
    PAIR_STATUS_ZERO_SHOT,
    VERDICT_PASS,
    Metric,
    TransferReport,
)

HERE = Path(__file__).parent
Cases = list[dict[str, Any]]
LANGUAGES = ("en", "haw", "yo")
_VOCABULARY = 420
_SEED = 2
_STEPS = 600
_CLEAR = 1e-3  # best and second piece are never nearer, so that rounding cannot swap them
_LABELS = ("ham", "spam")

# Written for this file; Hawaiian and Yoruba not reviewed by native speakers.
_TEXT: dict[str, list[str]] = json.loads((HERE / "sentences.json").read_text(encoding="utf-8"))

# Decomposed Yoruba, a typed ʻokina, a letter that is in no vocabulary, a lonely word, a long text.
_TRANSLATE = (
    ("en", "yo", "The children wait for the boat."),
    ("en", "yo", "Bread and salt, please!"),
    ("en", "haw", "We sang under the old tree until 10 o'clock."),
    ("en", "haw", "Tea"),
    ("yo", "en", "Ìyá mi fẹ́ lọ sí ọjà."),
    ("yo", "en", "I\u0300ya\u0301 mi fe\u0323\u0301 lo\u0323 si\u0301 o\u0323ja\u0300."),
    ("haw", "en", "Ua hele mākou i ke kahakai me ka 'ohana."),
    (
        "en",
        "yo",
        "My sister wrote 🌊 on the blue door, and nobody in the village knows why she did.",
    ),
)
_CLASSIFY = (
    ("en", "We meet at the bridge on Friday, bring your own cup."),
    ("en", "WIN a free boat today!!! Send 24 to 1010 now"),
    ("yo", "Ẹ káàárọ̀, mo ń bọ̀ ní ìrọ̀lẹ́."),
    ("haw", "Aloha"),
)


def main(folder: Path) -> None:
    """Write both golden bundles and `expected.json` to `folder`."""
    with tempfile.TemporaryDirectory() as work:
        spm = Path(work, SPM_FILE)
        sentences = [
            normalise(line, language) for language, lines in _TEXT.items() for line in lines
        ]
        train_spm(sentences, _VOCABULARY, LANGUAGES, spm)
        codec = load_codec(spm.parent)
        expected = {
            "v1-translation": write_translation(folder / "v1-translation", spm, codec),
            "v1-classification": write_classification(folder / "v1-classification", spm, codec),
        }
    content = json.dumps(expected, ensure_ascii=False, indent=1)
    (folder / "expected.json").write_text(content + "\n", encoding="utf-8")


def write_translation(folder: Path, spm: Path, codec: Codec) -> Cases:
    """A translation bundle; returns what its fp32 graphs must answer."""
    model = _small_model(codec)
    sources = [codec.encode_source(text, source, to) for source, to, text in _TRANSLATE]
    facts = _translation_facts(codec)
    dev = export.TranslationDev(
        name="golden texts",
        sources=sources,
        references=[text for _, _, text in _TRANSLATE],
        decode=codec.decode,
        score=lambda hypotheses, references: chrf(hypotheses, references).value,
    )
    written = export.export_translation(
        export.TranslationExport(model=model, tokenizer=spm, facts=facts, dev=dev), folder
    )
    graphs = [(folder / f"{name}.fp32.onnx").read_bytes() for name in ("encoder", "decoder_step")]
    decoder = GreedyDecoder(graphs[0], graphs[1], special_ids(model.config))
    answers = decoder.decode(sources, piece_limits(written, sources))
    if (margin := min(answer.margin for answer in answers)) < _CLEAR:
        sys.exit(f"two pieces are only {margin:.2g} apart; choose another seed")
    return [
        {
            "source_language": source,
            "target_language": target,
            "text": text,
            "source_ids": ids,
            "target_ids": answer.ids,
            "finished": answer.finished,
            "logprob": round(answer.logprob, 4),
            "translation": codec.decode(answer.ids),
        }
        for (source, target, text), ids, answer in zip(_TRANSLATE, sources, answers, strict=True)
    ]


def write_classification(folder: Path, spm: Path, codec: Codec) -> Cases:
    """A classification bundle; returns what its fp32 graph must answer."""
    model = _small_model(codec)
    encoder, random = model.model.encoder, np.random.RandomState(_SEED)
    weight = random.standard_normal((len(_LABELS), model.config.d_model)).astype(np.float32)
    bias = np.array([0.25, -0.25], np.float32)
    # A classifier's source has no language tag: pieces and eos.
    sources = [codec.encode_target(text, language) for language, text in _CLASSIFY]

    def reference(rows: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        return np.stack([_mean_state(encoder, row) @ weight.T + bias for row in rows])

    labels = reference(sources).argmax(1).tolist()
    parts = export.ClassifierExport(
        config=model.config,
        encoder_state=export.to_arrays(encoder.state_dict()),
        head_weight=weight,
        head_bias=bias,
        tokenizer=spm,
        facts=_classification_facts(),
        dev=export.ClassifierDev("golden texts", sources, labels, reference),
    )
    export.export_classifier(parts, folder)
    graph = (folder / "classifier.fp32.onnx").read_bytes()
    logits = classify(graph, sources, codec.pad).astype(np.float64)
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return [
        {
            "language": language,
            "text": text,
            "source_ids": ids,
            "label": _LABELS[int(row.argmax())],
            "probabilities": [round(float(share), 4) for share in row],
        }
        for (language, text), ids, row in zip(_CLASSIFY, sources, shares, strict=True)
    ]


def _mean_state(encoder: MarianEncoder, row: Sequence[int]) -> NDArray[np.float32]:
    with torch.inference_mode():
        states = encoder(input_ids=torch.tensor([list(row)])).last_hidden_state
    return np.asarray(states[0].mean(0), np.float32)


def _small_model(codec: Codec) -> MarianMTModel:
    """Two encoder layers, one decoder layer, 16 wide, taught to say the next sentence by heart."""
    torch.manual_seed(_SEED)
    config = MarianConfig(
        vocab_size=_VOCABULARY,
        d_model=16,
        encoder_layers=2,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        activation_function="swish",
        max_position_embeddings=64,
        init_std=0.25,
        dropout=0.0,
        scale_embedding=True,
        pad_token_id=codec.pad,
        decoder_start_token_id=codec.pad,
        forced_eos_token_id=None,
    )
    model = MarianMTModel(config)
    batch = _lesson(codec)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(_STEPS):
        optimizer.zero_grad()
        model(**batch).loss.backward()
        optimizer.step()
    return model.eval()


def _lesson(codec: Codec) -> dict[str, Any]:
    """Every sentence with the one after it, in the first other language, as its translation."""
    sources, targets = [], []
    for source, target in (("en", "yo"), ("yo", "en"), ("en", "haw"), ("haw", "en")):
        wanted = _TEXT[target]
        for i, sentence in enumerate(_TEXT[source]):
            sources.append(codec.encode_source(sentence, source, target))
            targets.append(codec.encode_target(wanted[(i + 1) % len(wanted)], target))
    ids, lengths = pad_rows(sources, codec.pad)
    labels, _ = pad_rows(targets, codec.pad)
    return {
        "input_ids": torch.from_numpy(ids),
        "attention_mask": torch.arange(ids.shape[1]) < torch.from_numpy(lengths)[:, None],
        "decoder_input_ids": shift_tokens_right(torch.from_numpy(labels), codec.pad, codec.pad),
        "labels": torch.from_numpy(np.where(labels == codec.pad, -100, labels)),
    }


def _facts(name: str) -> pb.Bundle:
    facts = pb.Bundle(
        name=name,
        version="1",
        display_name="Golden bundle, knows a few sentences by heart",
        licence="CC0-1.0",
    )
    facts.normalization.unicode_form = UNICODE_FORM
    for language in LANGUAGES:
        for source, target in LETTER_MAPPINGS.get(language, {}).items():
            facts.normalization.mappings.add(language=language, source=source, target=target)
    facts.limits.max_source_tokens = 64
    facts.data_sources.add(name="golden texts", licence="CC0-1.0", examples=36)
    return facts


def _translation_facts(codec: Codec) -> pb.Bundle:
    facts = _facts("golden-translation")
    facts.limits.max_target_tokens = 24
    facts.decoding.beam_size, facts.decoding.max_length_ratio = 1, 2.0
    facts.pairs.extend(_pairs())
    for language in LANGUAGES:
        facts.language_tags.add(language=language, piece=tag(language), id=codec.tag_id(language))
    return facts


def _classification_facts() -> pb.Bundle:
    facts = _facts("golden-classification")
    facts.labels.extend(_LABELS)
    facts.languages.extend(LANGUAGES)
    facts.metrics.add(name="accuracy", value=0.5, test_set="invented figure", size=4)
    return facts


def _pairs() -> list[pb.BundlePair]:
    invented = Metric(name="chrF++", value=40.0, test_set="invented figure", size=1)
    report = TransferReport(
        parent_model="golden-parent",
        parent_languages=["en"],
        target_examples=1,
        scratch=invented,
        transfer=invented,
        verdict=VERDICT_PASS,
    )
    grafted = [("en", "yo"), ("yo", "en"), ("haw", "en")]
    pairs = [
        pb.BundlePair(
            source_language=source,
            target_language=target,
            status=PAIR_STATUS_TRANSFER,
            metrics=[invented],
            transfer=report,
        )
        for source, target in grafted
    ]
    zero_shot = pb.BundlePair(
        source_language="en", target_language="haw", status=PAIR_STATUS_ZERO_SHOT
    )
    return [*pairs, zero_shot]


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
