"""A bundle is written whole or not at all, and a faulty manifest is refused with every fault."""

from __future__ import annotations

import hashlib
import stat
from pathlib import Path

import pytest
from google.protobuf import json_format

from lingraft.training.errors import ExportError
from lingraft.training.export import write_bundle
from lingraft.v1 import bundle_pb2 as pb
from lingraft.v1.common_pb2 import (
    PAIR_STATUS_TRANSFER,
    VERDICT_REFUSE,
)

FILES = {"encoder.onnx": b"e", "step.onnx": b"s", "source.spm": b"p"}


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_complete_bundle_holds_its_files_and_their_fingerprints(
    tmp_path: Path, manifest: pb.Bundle
) -> None:
    """bundle.json lists every other file with size and SHA-256 and reads back as the manifest."""
    folder = tmp_path / "models" / "en-yo"
    (tmp_path / "pieces").write_bytes(b"p")
    written = write_bundle(folder, manifest, FILES | {"source.spm": tmp_path / "pieces"})
    contents = _contents(folder)
    read = json_format.Parse(contents.pop("bundle.json"), pb.Bundle())
    assert read == written
    assert contents == FILES
    for file in read.files:
        assert file.size_bytes == len(FILES[file.path])
        assert file.sha256 == hashlib.sha256(FILES[file.path]).hexdigest()


def test_the_same_inputs_give_the_same_bytes(tmp_path: Path, manifest: pb.Bundle) -> None:
    """Neither order of files nor place changes what is written."""
    write_bundle(tmp_path / "a", manifest, FILES)
    write_bundle(tmp_path / "b", manifest, dict(reversed(FILES.items())))
    assert _contents(tmp_path / "a") == _contents(tmp_path / "b")


def test_others_may_read_a_bundle(tmp_path: Path, manifest: pb.Bundle) -> None:
    """The folder is as open as any new folder, so that a server of another user can read it."""
    write_bundle(tmp_path / "a", manifest, FILES)
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


def test_contradictions_inside_a_manifest_are_named(tmp_path: Path, manifest: pb.Bundle) -> None:
    """References, verdicts, intervals and paths that do not fit are all told together."""
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


def test_a_bundle_stays_as_it_was_when_its_successor_is_faulty(
    tmp_path: Path, manifest: pb.Bundle
) -> None:
    """A complete bundle is replaced only by a complete one, then entirely."""
    folder = tmp_path / "a"
    write_bundle(folder, manifest, FILES | {"old.json": b"{}"})
    before = _contents(folder)
    with pytest.raises(ExportError):
        write_bundle(folder, pb.Bundle(), FILES)
    assert _contents(folder) == before
    write_bundle(folder, manifest, FILES)
    assert set(_contents(folder)) == {"bundle.json", *FILES}
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path, manifest: pb.Bundle) -> None:
    """A folder with files but no bundle.json, or a file, is refused, not overwritten."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "diary.txt").write_text("dear diary")
    for name, reason in (("home", r"no bundle\.json"), ("home/diary.txt", "is a file")):
        with pytest.raises(ExportError, match=reason):
            write_bundle(tmp_path / name, manifest, FILES)
    assert (tmp_path / "home" / "diary.txt").read_text() == "dear diary"


def test_evidence_that_contradicts_itself_is_refused(tmp_path: Path, manifest: pb.Bundle) -> None:
    """Parameters of another number, an unknown label, a default that is not there."""
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
