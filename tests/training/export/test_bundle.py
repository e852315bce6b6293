"""A bundle is written whole or not at all, and a faulty manifest is refused with every fault."""

from __future__ import annotations

import hashlib
import stat
from pathlib import Path

import pytest
from google.protobuf import json_format

from lingraft.training.errors import ExportError
from lingraft.training.export import model_card, write_bundle
from lingraft.v1 import bundle_pb2 as pb
from lingraft.v1.common_pb2 import (
    PAIR_STATUS_TRANSFER,
    VERDICT_PASS,
    VERDICT_REFUSE,
    CalibrationInfo,
    LabelThreshold,
    Metric,
    TransferReport,
)

FILES = {"encoder.onnx": b"e", "step.onnx": b"s", "source.spm": b"p"}


def _metric(value: float = 20.0) -> Metric:
    return Metric(name="chrF++", value=value, ci_low=1, ci_high=2, test_set="t", size=9)


def _manifest() -> pb.Bundle:
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


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_complete_bundle_holds_its_files_and_their_fingerprints(tmp_path: Path) -> None:
    """bundle.json lists every other file with size and SHA-256 and reads back as the manifest."""
    folder = tmp_path / "models" / "en-yo"
    (tmp_path / "pieces").write_bytes(b"p")
    written = write_bundle(folder, _manifest(), FILES | {"source.spm": tmp_path / "pieces"})
    contents = _contents(folder)
    read = json_format.Parse(contents.pop("bundle.json"), pb.Bundle())
    assert read == written
    assert contents == FILES
    for file in read.files:
        assert file.size_bytes == len(FILES[file.path])
        assert file.sha256 == hashlib.sha256(FILES[file.path]).hexdigest()


def test_the_same_inputs_give_the_same_bytes(tmp_path: Path) -> None:
    """Neither order of files nor place changes what is written."""
    write_bundle(tmp_path / "a", _manifest(), FILES)
    write_bundle(tmp_path / "b", _manifest(), dict(reversed(FILES.items())))
    assert _contents(tmp_path / "a") == _contents(tmp_path / "b")


def test_others_may_read_a_bundle(tmp_path: Path) -> None:
    """The folder is as open as any new folder, so that a server of another user can read it."""
    write_bundle(tmp_path / "a", _manifest(), FILES)
    (tmp_path / "plain").mkdir()
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("a", "plain")]
    assert modes[0] == modes[1]


def test_an_empty_manifest_is_refused_with_every_gap_at_once(tmp_path: Path) -> None:
    """One error names all that bundle.proto requires and nobody gave, and nothing is written."""
    with pytest.raises(ExportError) as error:
        write_bundle(tmp_path / "a", pb.Bundle(task=pb.TASK_TRANSLATION), {})
    message = str(error.value)
    required = """format_version name version family pairs language_tags files graphs tokenizer.kind
        tokenizer.source_model tokenizer.target_model special_ids normalization.unicode_form
        limits.max_source_tokens limits.max_target_tokens dimensions.decoder_layers dimensions.heads
        dimensions.head_size dimensions.vocabulary_size data_sources licence"""
    assert [name for name in required.split() if f"- {name} " not in message] == []
    assert list(tmp_path.iterdir()) == []


def test_a_classifier_needs_labels_and_a_graph(tmp_path: Path) -> None:
    """Its gaps are those of its own task."""
    manifest = pb.Bundle(task=pb.TASK_CLASSIFICATION, graphs=[pb.GraphSet()])
    with pytest.raises(ExportError) as error:
        write_bundle(tmp_path / "a", manifest, {})
    message = str(error.value)
    for fault in ("labels is missing", "graphs[0].classifier", "graphs[0].precision"):
        assert fault in message
    assert "pairs" not in message
    assert "dimensions" not in message


def test_contradictions_inside_a_manifest_are_named(tmp_path: Path) -> None:
    """References, verdicts, intervals and paths that do not fit are all told together."""
    manifest = _manifest()
    manifest.name = "Not A Name"
    pair = manifest.pairs[0]
    pair.target_language = "haw"
    pair.metrics[0].ClearField("ci_high")
    pair.transfer.verdict = VERDICT_REFUSE
    manifest.pairs.add(source_language="en", target_language="yo", status=PAIR_STATUS_TRANSFER)
    manifest.graphs.add(precision=pb.PRECISION_INT8, encoder="gone.onnx", identical_share=1.5)
    manifest.special_ids.pad = 1
    manifest.normalization.mappings.add(language="yo", source="ab")
    manifest.parent = "root"
    manifest.calibration.add(language="yo", calibrated=True)
    manifest.data_sources.add(name="web")
    files: dict[str, bytes | Path] = {**FILES, "../out": b"x", "lost.json": tmp_path / "lost.json"}
    with pytest.raises(ExportError) as error:
        write_bundle(tmp_path / "a", manifest, files)
    for fault in (
        "'../out' is not a path inside the bundle",
        "lost.json cannot be read",
        "name 'Not A Name'",
        "pairs[0].transfer.negative_transfer is False",
        "pairs[0].transfer.accepted_negative_reason is missing",
        "pairs[0].metrics[0].ci_high is missing",
        "pairs[1].transfer is missing",
        "language_tags has none for target language haw",
        "graphs[1].encoder names 'gone.onnx'",
        "graphs[1].decoder_step is missing",
        "graphs[1].quality_loss is missing",
        "graphs[1].identical_share 1.5",
        "two of eos, unk and pad are equal",
        "normalization.mappings[0].source 'ab'",
        "calibration[0].size is missing",
        "parent_sha256 is missing",
        "data_sources[1].licence is missing",
    ):
        assert fault in str(error.value)


def test_a_bundle_stays_as_it_was_when_its_successor_is_faulty(tmp_path: Path) -> None:
    """A complete bundle is replaced only by a complete one, then entirely."""
    folder = tmp_path / "a"
    write_bundle(folder, _manifest(), FILES | {"old.json": b"{}"})
    before = _contents(folder)
    with pytest.raises(ExportError):
        write_bundle(folder, pb.Bundle(), FILES)
    assert _contents(folder) == before
    write_bundle(folder, _manifest(), FILES)
    assert set(_contents(folder)) == {"bundle.json", *FILES}
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    """A folder with files but no bundle.json, or a file, is refused, not overwritten."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "diary.txt").write_text("dear diary")
    for name, reason in (("home", r"no bundle\.json"), ("home/diary.txt", "is a file")):
        with pytest.raises(ExportError, match=reason):
            write_bundle(tmp_path / name, _manifest(), FILES)
    assert (tmp_path / "home" / "diary.txt").read_text() == "dear diary"


def test_the_card_says_what_the_manifest_says() -> None:
    """Direction, status, figures with interval, data, licences and limits stand in the card."""
    card = model_card(_manifest())
    for text in (
        "`en-yo` version 1",
        "Licence: CC0-1.0",
        "### en to yo",
        "Status: grafted",
        "chrF++ 20.00 (95% interval 1.00 to 2.00; t, n=9)",
        "PASS",
        "Gain over the better of control and parent: chrF++ -1.50",
        "Parent: root (en, fr)",
        "Not calibrated",
        "| own | CC0-1.0 | 5 |",
        "At most 8 pieces in a translation",
    ):
        assert text in card
    assert "in spite" not in card


def test_the_card_owns_up_to_an_accepted_refusal() -> None:
    """Why a refused graft was exported stands beside its verdict."""
    manifest = _manifest()
    report = manifest.pairs[0].transfer
    report.verdict, report.negative_transfer = VERDICT_REFUSE, True
    report.accepted_negative_reason = "for a study of failure"
    card = model_card(manifest)
    assert "REFUSE" in card
    assert "in spite of it, because: for a study of failure" in card


def test_the_card_tells_calibrated_languages_from_others() -> None:
    """A calibration is shown with its evidence, and a language without any is named as such."""
    manifest = pb.Bundle(
        name="spam",
        task=pb.TASK_CLASSIFICATION,
        labels=["ham", "spam"],
        languages=["en"],
        calibration=[
            CalibrationInfo(
                language="en", method="temperature", size=80, ece=0.02, calibrated=True
            ),
            CalibrationInfo(language="yo"),
        ],
    )
    card = model_card(manifest)
    assert "- en: temperature, n=80, expected calibration error 0.020" in card
    assert "- yo: not calibrated" in card
    assert "Labels: ham, spam" in card
    assert "## Thresholds" not in card
    assert "Quality: not measured" in card


def test_the_card_tells_what_calibration_changed_and_what_thresholds_cost() -> None:
    """Before and after, what chance alone makes, and the thresholds that could not be set."""
    manifest = pb.Bundle(
        name="spam",
        task=pb.TASK_CLASSIFICATION,
        labels=["ham", "spam"],
        calibration=[
            CalibrationInfo(
                language="en",
                method="vector",
                size=900,
                ece=0.02,
                ece_before=0.11,
                brier=0.1,
                brier_before=0.2,
                ece_by_chance=0.03,
                calibrated=True,
            )
        ],
        thresholds=[
            LabelThreshold(
                profile="fpr-0.01",
                label="spam",
                language="en",
                threshold=0.9,
                negatives=700,
                positives=200,
                false_positive_rate=0.01,
                recall=0.8,
                usable=True,
            ),
            LabelThreshold(profile="fpr-0.001", label="spam", language="en", reason="700 of many"),
        ],
    )
    card = model_card(manifest)
    assert "error 0.020 on held-out text, before 0.110; Brier score 0.100, before 0.200" in card
    assert "chance alone makes up to 0.030 of it" in card
    assert "- fpr-0.01, spam, en: from 0.9000 on; false alarms 1.00%" in card
    assert "caught 80.00% (95% interval 0.00% to 0.00%) of 200" in card
    assert "- fpr-0.001, spam, en: none (700 of many)" in card
    assert "decides unasked: none" in card


def test_the_card_says_what_acceptable_means() -> None:
    """The direction and the threshold of a translation's estimate."""
    info = CalibrationInfo(
        language="yo", source_language="en", method="logistic", size=300, calibrated=True
    )
    info.acceptable_chrf = 40
    manifest = _manifest()
    manifest.calibration.extend([info, CalibrationInfo(language="en", source_language="yo")])
    card = model_card(manifest)
    assert "P(acceptable): the chance that a sentence's chrF++ is above 40." in card
    assert "- en to yo: logistic, n=300" in card
    assert "- yo to en: not calibrated" in card


def test_evidence_that_contradicts_itself_is_refused(tmp_path: Path) -> None:
    """Parameters of another number, an unknown label, a default that is not there."""
    manifest = _manifest()
    manifest.calibration.add(
        language="yo", method="logistic", size=200, parameters=[1, 2], calibrated=True
    )
    manifest.thresholds.add(profile="p", label="eggs", language="en", target_rate=0.01)
    manifest.default_threshold_profile = "q"
    with pytest.raises(ExportError) as error:
        write_bundle(tmp_path / "a", manifest, FILES)
    for fault in (
        "calibration[0].parameters are 2, logistic needs 1",
        "calibration[0].acceptable_chrf is missing",
        "thresholds[0].label 'eggs' is not among the labels",
        "thresholds[0].reason is missing",
        "default_threshold_profile 'q' has no thresholds",
    ):
        assert fault in str(error.value)
