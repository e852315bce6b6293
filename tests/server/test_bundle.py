"""A bundle that is not whole is refused, and one message says all that is wrong with it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lingraft.server.bundle import Bundle, Pair, Precision, Task, read_bundle
from lingraft.server.errors import BundleError

Edited = Callable[..., Path]
TRANSLATION = "v1-translation"


def _same(manifest: dict[str, Any]) -> None:
    """Changes nothing."""


def _refusal(folder: Path) -> str:
    with pytest.raises(BundleError) as caught:
        read_bundle(folder)
    return caught.value.message


def test_a_golden_translation_bundle_is_read_whole(translation_bundle: Bundle) -> None:
    """Task, pairs, tags, limits and graphs are those that the manifest states."""
    assert translation_bundle.task is Task.TRANSLATION
    assert Pair("en", "yo") in translation_bundle.pairs
    assert set(translation_bundle.tags) == {"en", "haw", "yo"}
    assert translation_bundle.limits.max_target_tokens == 24
    precisions = [graphs.precision for graphs in translation_bundle.graphs]
    assert precisions == [Precision.FP32, Precision.INT8]
    assert translation_bundle.mappings["haw"]["'"] == "ʻ"


def test_a_golden_classification_bundle_is_read_whole(classification_bundle: Bundle) -> None:
    """Labels come in the order of the logits."""
    assert classification_bundle.task is Task.CLASSIFICATION
    assert classification_bundle.labels == ("ham", "spam")
    assert all(graphs.classifier for graphs in classification_bundle.graphs)


def test_one_flipped_byte_is_found_and_named(edited: Edited) -> None:
    """A file of the right size with one wrong bit does not pass."""
    folder = edited(TRANSLATION, _same)
    graph = folder / "encoder.fp32.onnx"
    content = bytearray(graph.read_bytes())
    content[len(content) // 2] ^= 1
    graph.write_bytes(content)
    assert "encoder.fp32.onnx is damaged" in _refusal(folder)


def test_every_bad_file_is_named_at_once(edited: Edited) -> None:
    """Missing, cut and damaged files stand in one message."""
    folder = edited(TRANSLATION, _same)
    (folder / "decoder_step.int8.onnx").unlink()
    (folder / "source.spm").write_bytes(b"short")
    damaged = bytearray((folder / "README.md").read_bytes())
    damaged[0] ^= 1
    (folder / "README.md").write_bytes(damaged)
    message = _refusal(folder)
    assert "decoder_step.int8.onnx is not there" in message
    assert "source.spm has 5 bytes" in message
    assert "README.md is damaged" in message


def test_a_newer_format_is_refused_before_anything_else(edited: Edited) -> None:
    """The version is compared first, so the rest of a newer manifest may be anything."""

    def edit(manifest: dict[str, Any]) -> None:
        manifest.clear()
        manifest.update({"formatVersion": 2, "name": "later", "task": {"all": "new"}})

    message = _refusal(edited(TRANSLATION, edit))
    assert "bundle later" in message
    assert "has format 2, this server reads 1: upgrade lingraft" in message


def test_all_missing_fields_are_named_at_once(edited: Edited) -> None:
    """Three fields on three levels: one message."""

    def edit(manifest: dict[str, Any]) -> None:
        del manifest["licence"]
        del manifest["limits"]["maxTargetTokens"]
        del manifest["pairs"][0]["transfer"]

    message = _refusal(edited(TRANSLATION, edit))
    for path in ("licence", "limits.max_target_tokens", "pairs[0].transfer"):
        assert path in message


@pytest.mark.parametrize(
    ("edit", "path"),
    [
        (lambda manifest: manifest.pop("formatVersion"), "format_version"),
        (lambda manifest: manifest.pop("task"), "task"),
        (lambda manifest: manifest.pop("languageTags"), "language_tags"),
        (lambda manifest: manifest.pop("dimensions"), "dimensions"),
        (lambda manifest: manifest["graphs"][1].pop("qualityLoss"), "graphs[1].quality_loss"),
        (lambda manifest: manifest["graphs"][0].pop("encoder"), "graphs[0].encoder"),
        (lambda manifest: manifest["graphs"][0].pop("precision"), "graphs[0].precision"),
        (lambda manifest: manifest["files"][0].pop("sha256"), "files[0].sha256"),
        (lambda manifest: manifest["tokenizer"].pop("targetModel"), "tokenizer.target_model"),
        (lambda manifest: manifest.update(parent="p", parentSha256=""), "parent_sha256"),
        (
            lambda manifest: manifest["pairs"][0]["transfer"].update(verdict="VERDICT_REFUSE"),
            "pairs[0].transfer.accepted_negative_reason",
        ),
        (lambda manifest: manifest["dataSources"][0].pop("licence"), "data_sources[0].licence"),
    ],
)
def test_each_promise_of_the_manifest_is_checked(
    edited: Edited, edit: Callable[[dict[str, Any]], None], path: str
) -> None:
    """A field that bundle.proto requires is missed by its path."""
    assert f"missing: {path};" in _refusal(edited(TRANSLATION, edit)) + ";"


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda manifest: manifest.update(name="My Model"), "name 'My Model'"),
        (
            lambda manifest: manifest["normalization"].update(unicodeForm="NFKC"),
            "this server knows NFC",
        ),
        (
            lambda manifest: manifest["graphs"][0].update(encoder="other.onnx"),
            "other.onnx is used but not listed",
        ),
        (
            lambda manifest: manifest["pairs"][0].update(targetLanguage="sd"),
            "target language sd has no entry in language_tags",
        ),
        (lambda manifest: manifest["specialIds"].update(pad=9999), "id 9999 of pad is outside"),
        (
            lambda manifest: manifest["files"][0].update(path="../../secret"),
            "../../secret lies outside the bundle",
        ),
    ],
)
def test_fields_at_odds_with_one_another_are_refused(
    edited: Edited, edit: Callable[[dict[str, Any]], None], words: str
) -> None:
    """A manifest that contradicts itself, or reaches out of its folder, is not served."""
    assert words in _refusal(edited(TRANSLATION, edit))


def test_a_classifier_needs_labels_and_its_graph(edited: Edited) -> None:
    """What is required depends on the task."""

    def edit(manifest: dict[str, Any]) -> None:
        del manifest["labels"]
        del manifest["graphs"][0]["classifier"]

    message = _refusal(edited("v1-classification", edit))
    assert "missing: labels, graphs[0].classifier" in message


_LOGISTIC = {"language": "en", "method": "logistic", "features": ["a"], "calibrated": True}
_THRESHOLD = {"profile": "p", "label": "spam", "language": "en", "targetRate": 0.01}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"calibration": [{"method": "vector", "parameters": [1, 1, 0], "calibrated": True}]},
            "calibration[0] has 3 parameters, vector needs 4",
        ),
        (
            {"calibration": [{"method": "temperature", "parameters": [0], "calibrated": True}]},
            "calibration[0] has a temperature that is not above 0",
        ),
        (
            {"calibration": [{"method": "constant", "parameters": ["NaN"], "calibrated": True}]},
            "calibration[0] has a parameter that is not finite",
        ),
        (
            {"calibration": [{**_LOGISTIC, "parameters": [0, 1, 1, 0]}]},
            "calibration[0] has a deviation that is not above 0",
        ),
        (
            {"thresholds": [{**_THRESHOLD, "label": "eggs"}]},
            "thresholds name label 'eggs', which is not among labels",
        ),
        (
            {"thresholds": [_THRESHOLD, {**_THRESHOLD, "language": "EN"}]},
            "set 'p' has 2 thresholds of 'spam' in en",
        ),
        (
            {"thresholds": [_THRESHOLD], "defaultThresholdProfile": "q"},
            "default_threshold_profile 'q' has no thresholds",
        ),
        ({"thresholds": [{"label": "spam"}]}, "thresholds[0].profile"),
    ],
)
def test_evidence_that_cannot_be_computed_with_is_refused(
    edited: Edited, change: dict[str, Any], words: str
) -> None:
    """A wrong number of parameters would be a wrong probability, or a fault while serving."""
    assert words in _refusal(edited("v1-classification", lambda m: m.update(change)))


def test_a_calibration_of_a_later_method_is_passed_over(edited: Edited) -> None:
    """It counts as none."""
    info = {"language": "en", "method": "spline", "parameters": [1], "calibrated": True}
    folder = edited("v1-classification", lambda manifest: manifest.update(calibration=[info]))
    assert read_bundle(folder).name == "golden-classification"


def test_fields_of_a_later_writer_of_this_format_are_passed_over(edited: Edited) -> None:
    """Format 1 may grow: what this reader does not know does not stop it."""
    folder = edited(TRANSLATION, lambda manifest: manifest.update(laterField={"a": 1}))
    assert read_bundle(folder).name == "golden-translation"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\xff\xfe", "not UTF-8"),
        (b"{", "not JSON"),
        (b"[]", "not a JSON object"),
        (b'{"formatVersion": "one"}', "not a whole number"),
        (b'{"formatVersion": 1, "task": []}', "task"),
        (b'{"formatVersion": 1, "task": 7}', "task has no value 7"),
    ],
)
def test_a_manifest_that_is_no_manifest_is_refused(
    tmp_path: Path, content: bytes, words: str
) -> None:
    """Whatever stands in bundle.json, the answer is one sentence."""
    (tmp_path / "bundle.json").write_bytes(content)
    assert words in _refusal(tmp_path)


def test_a_folder_that_is_no_bundle_is_refused(tmp_path: Path) -> None:
    """No folder, and a folder without a manifest."""
    assert "is not a folder" in _refusal(tmp_path / "nowhere")
    assert "cannot read bundle.json" in _refusal(tmp_path)


def test_the_manifest_is_kept_letter_for_letter(translation_bundle: Bundle, golden: Path) -> None:
    """The API quotes evidence from the checked text itself."""
    text = (golden / TRANSLATION / "bundle.json").read_text(encoding="utf-8")
    assert json.loads(translation_bundle.manifest) == json.loads(text)
    assert translation_bundle.card.startswith("---") or "#" in translation_bundle.card
