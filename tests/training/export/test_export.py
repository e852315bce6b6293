"""The whole way from a model to its bundle."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lingraft.training.errors import ExportError, ParityError
from lingraft.training.export import (
    ClassifierDev,
    ClassifierExport,
    TranslationDev,
    TranslationExport,
    export_classifier,
    export_translation,
    to_arrays,
)
from lingraft.training.export.runtime import classify
from lingraft.v1 import bundle_pb2 as pb
from lingraft.v1.common_pb2 import (
    PAIR_STATUS_TRANSFER,
    VERDICT_PASS,
    VERDICT_REFUSE,
    Metric,
    TransferReport,
)


def _facts() -> pb.Bundle:
    facts = pb.Bundle(name="tiny", version="1", licence="CC0-1.0")
    facts.normalization.unicode_form = "NFC"
    facts.limits.max_source_tokens = 64
    facts.data_sources.add(name="random", licence="CC0-1.0")
    return facts


def _translation_facts() -> pb.Bundle:
    facts = _facts()
    facts.limits.max_target_tokens = 20
    facts.decoding.max_length_ratio = 0.5
    figure = Metric(name="chrF++", value=9, test_set="dev", size=3)
    report = TransferReport(
        parent_model="root",
        target_examples=4,
        scratch=figure,
        transfer=figure,
        verdict=VERDICT_PASS,
    )
    facts.pairs.add(
        source_language="en", target_language="yo", status=PAIR_STATUS_TRANSFER, transfer=report
    )
    facts.language_tags.add(language="yo", piece=">>yor<<", id=3)
    return facts


def _share_of_eights(hypotheses: Sequence[str], references: Sequence[str]) -> float:
    text = "".join(hypotheses)
    return 100 * text.count("8") / max(len(text), 1)


@pytest.fixture
def translation(model: Any, spm: Path, make_rows: Any) -> TranslationExport:
    """A complete export of the tiny model."""
    rows = make_rows(12)
    dev = TranslationDev(
        name="dev",
        sources=rows,
        references=["8"] * len(rows),
        decode=lambda ids: " ".join(map(str, ids)),
        score=_share_of_eights,
    )
    return TranslationExport(
        model=model,
        tokenizer=spm,
        facts=_translation_facts(),
        dev=dev,
        extra_files={"report.json": b"{}"},
    )


def test_a_translation_bundle_is_complete_and_measured(
    translation: TranslationExport, tmp_path: Path
) -> None:
    """Graphs of both precisions, tokenizer, card, report; fp32 costs nothing, int8 is measured."""
    manifest = export_translation(translation, tmp_path / "tiny")
    expected = {"README.md", "report.json", "source.spm", "bundle.json"}
    for precision in ("fp32", "int8"):
        expected |= {f"encoder.{precision}.onnx", f"decoder_step.{precision}.onnx"}
    expected |= {"encoder.int8.native.onnx", "decoder_step.int8.native.onnx"}
    assert {path.name for path in (tmp_path / "tiny").iterdir()} == expected
    plain, int8 = manifest.graphs
    assert (plain.precision, int8.precision) == (pb.PRECISION_FP32, pb.PRECISION_INT8)
    assert (plain.identical_share, plain.quality_loss.value) == (1.0, 0.0)
    assert 0.5 < int8.identical_share <= 1
    assert (int8.quality_loss.test_set, int8.quality_loss.size) == ("dev", 12)
    sizes = manifest.dimensions
    assert (sizes.decoder_layers, sizes.heads, sizes.head_size) == (1, 2, 8)
    assert sizes.vocabulary_size == 301
    assert manifest.special_ids == pb.SpecialIds(eos=0, unk=1, pad=300, decoder_start=300)


def test_what_a_precision_costs_is_told_direction_by_direction(
    translation: TranslationExport, tmp_path: Path
) -> None:
    """Where the directions of the sentences are known; in manifest and card."""
    ways = [("en", "yo")] * 9 + [("yo", "en")] * 3
    told = dataclasses.replace(translation.dev, directions=ways)
    manifest = export_translation(dataclasses.replace(translation, dev=told), tmp_path / "tiny")
    plain, int8 = manifest.graphs
    assert [each.loss.value for each in plain.pair_losses] == [0.0, 0.0]
    found = {(p.source_language, p.target_language): p.loss for p in int8.pair_losses}
    assert {way: loss.size for way, loss in found.items()} == {("en", "yo"): 9, ("yo", "en"): 3}
    assert all((loss.name, loss.test_set) == ("chrF++", "dev") for loss in found.values())
    card = (tmp_path / "tiny" / "README.md").read_text(encoding="utf-8")
    shown = [f"{found[way].value:.2f} (n={size})" for way, size in ((ways[0], 9), (ways[-1], 3))]
    assert f"- int8, lost by direction: en to yo {shown[0]}, yo to en {shown[1]}" in card


def test_the_first_precision_is_the_default(translation: TranslationExport, tmp_path: Path) -> None:
    """Graph sets stand in the order asked for, and only those asked for."""
    asked = dataclasses.replace(translation, precisions=(pb.PRECISION_INT8,))
    manifest = export_translation(asked, tmp_path / "tiny")
    assert [graphs.precision for graphs in manifest.graphs] == [pb.PRECISION_INT8]
    assert not (tmp_path / "tiny" / "encoder.fp32.onnx").exists()


def test_every_precision_is_made_and_measured(
    translation: TranslationExport, tmp_path: Path
) -> None:
    """Each set of graphs says what it costs on dev text; half precision costs next to nothing."""
    wanted = (pb.PRECISION_INT4, pb.PRECISION_FP16, pb.PRECISION_INT8)
    asked = dataclasses.replace(translation, precisions=wanted)
    manifest = export_translation(asked, tmp_path / "tiny")
    int4, fp16, int8 = manifest.graphs
    assert (int4.precision, fp16.precision, int8.precision) == wanted
    assert fp16.identical_share > 0.9
    for graphs in manifest.graphs:
        assert (graphs.quality_loss.test_set, graphs.quality_loss.size) == ("dev", 12)
        assert (tmp_path / "tiny" / graphs.decoder_step).is_file()


def test_a_refused_graft_needs_a_reason(translation: TranslationExport, tmp_path: Path) -> None:
    """Export of negative transfer stops and says how to go on; the card then has the reason."""
    report = translation.facts.pairs[0].transfer
    report.verdict, report.negative_transfer = VERDICT_REFUSE, True
    report.gain.CopyFrom(
        Metric(name="chrF++", value=-2, ci_low=-3, ci_high=-1, test_set="test", size=9)
    )
    with pytest.raises(ExportError) as error:
        export_translation(translation, tmp_path / "tiny")
    assert "en-yo: gain -2.00 chrF++, 95% interval -3.00 to -1.00" in str(error.value)
    assert '--accept-negative "reason"' in str(error.value)
    report.accepted_negative_reason = "wanted as a bad example"
    export_translation(translation, tmp_path / "tiny")
    assert "wanted as a bad example" in (tmp_path / "tiny" / "README.md").read_text()


def test_facts_that_contradict_the_model_are_named_together(
    translation: TranslationExport, make_model: Any, tmp_path: Path
) -> None:
    """Tokenizer, special ids, tags and limits are checked against the model before any work."""
    facts = translation.facts
    facts.language_tags[0].id = 7
    facts.language_tags.add(language="sd", piece=">>snd<<", id=1)
    facts.limits.max_source_tokens = 65
    other = make_model(vocab_size=400, pad_token_id=399, eos_token_id=2)
    with pytest.raises(ExportError) as error:
        export_translation(dataclasses.replace(translation, model=other), tmp_path / "tiny")
    for fault in (
        "the tokenizer has 300 pieces, but the model 400",
        "eos is 0 in the tokenizer, 2 in the model",
        ">>yor<< is 3 in the tokenizer, 7 in the manifest",
        ">>snd<< is 1 in the tokenizer",
        "limits.max_source_tokens is above the model's 64 positions",
    ):
        assert fault in str(error.value)


def test_gaps_in_the_facts_are_named_before_the_long_work(
    translation: TranslationExport, tmp_path: Path
) -> None:
    """A name or licence that is missing is reported without decoding a single sentence."""

    def never(ids: Sequence[int]) -> str:
        raise AssertionError(ids)

    facts = pb.Bundle(name="tiny", limits=translation.facts.limits)
    incomplete = dataclasses.replace(
        translation, facts=facts, dev=dataclasses.replace(translation.dev, decode=never)
    )
    with pytest.raises(ExportError) as error:
        export_translation(incomplete, tmp_path / "tiny")
    for name in ("version", "pairs", "language_tags", "data_sources", "licence"):
        assert f"- {name} is missing" in str(error.value)


def test_parity_needs_dev_text(translation: TranslationExport, tmp_path: Path) -> None:
    """An export without dev sentences is refused: nothing would be proven."""
    empty = dataclasses.replace(translation.dev, sources=[], references=[])
    with pytest.raises(ExportError, match="'dev' is empty"):
        export_translation(dataclasses.replace(translation, dev=empty), tmp_path / "tiny")


@pytest.fixture
def classifier(model: Any, spm: Path, make_rows: Any) -> ClassifierExport:
    """A complete export of a tiny classifier with mean pooling."""
    encoder, random, rows = model.model.encoder, np.random.RandomState(5), make_rows(20)
    weight = random.standard_normal((3, 16)).astype(np.float32)
    bias = random.standard_normal(3).astype(np.float32)

    def reference(sources: Sequence[Sequence[int]]) -> Any:
        with torch.inference_mode():
            states = [encoder(input_ids=torch.tensor([row])).last_hidden_state for row in sources]
        return np.stack([state[0].mean(0).numpy() @ weight.T + bias for state in states])

    facts = _facts()
    facts.labels.extend(["ham", "spam", "scam"])
    return ClassifierExport(
        config=model.config,
        encoder_state=to_arrays(encoder.state_dict()),
        head_weight=weight,
        head_bias=bias,
        tokenizer=spm,
        facts=facts,
        dev=ClassifierDev("dev", rows, reference(rows).argmax(1).tolist(), reference),
    )


def test_a_classifier_bundle_is_complete_and_measured(
    classifier: ClassifierExport, tmp_path: Path
) -> None:
    """Its logits are the model's, padding or not, and the loss of int8 is in points of accuracy."""
    manifest = export_classifier(classifier, tmp_path / "spam")
    plain, int8 = manifest.graphs
    assert (plain.identical_share, plain.quality_loss.value) == (1.0, 0.0)
    assert int8.quality_loss.value == pytest.approx(1 - int8.identical_share)
    rows = classifier.dev.sources
    graph = (tmp_path / "spam" / "classifier.fp32.onnx").read_bytes()
    together = classify(graph, rows, 300, batch=len(rows))
    np.testing.assert_allclose(together, classifier.dev.reference(rows), atol=1e-4)


def test_a_classifier_with_other_weights_fails_parity(
    classifier: ClassifierExport, tmp_path: Path
) -> None:
    """A head that is not the model's is found out, and no bundle is written."""
    wrong = dataclasses.replace(classifier, head_weight=-classifier.head_weight)
    with pytest.raises(ParityError, match="other logits"):
        export_classifier(wrong, tmp_path / "spam")
    assert not (tmp_path / "spam").exists()


def test_labels_must_be_as_many_as_logits(classifier: ClassifierExport, tmp_path: Path) -> None:
    """A label too few is refused in one sentence."""
    classifier.facts.labels.pop()
    with pytest.raises(ExportError, match="2 labels for 3 logits"):
        export_classifier(classifier, tmp_path / "spam")
