"""The model card says what the manifest says, and what no field of it holds."""

from __future__ import annotations

from lingraft.training.export import Notes, model_card
from lingraft.v1 import bundle_pb2 as pb
from lingraft.v1.common_pb2 import VERDICT_REFUSE, CalibrationInfo, LabelThreshold


def test_the_card_says_what_the_manifest_says(manifest: pb.Bundle) -> None:
    """Direction, status, figures with interval, data, licences and limits stand in the card."""
    card = model_card(manifest)
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


def test_the_card_owns_up_to_an_accepted_refusal(manifest: pb.Bundle) -> None:
    """Why a refused graft was exported stands beside its verdict."""
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


def test_the_card_says_what_acceptable_means(manifest: pb.Bundle) -> None:
    """The direction and the threshold of a translation's estimate."""
    info = CalibrationInfo(
        language="yo", source_language="en", method="logistic", size=300, calibrated=True
    )
    info.acceptable_chrf = 40
    manifest.calibration.extend([info, CalibrationInfo(language="en", source_language="yo")])
    card = model_card(manifest)
    assert "P(acceptable): the chance that a sentence's chrF++ is above 40." in card
    assert "- en to yo: logistic, n=300" in card
    assert "- yo to en: not calibrated" in card


def test_the_card_says_plainly_what_a_model_is_bad_at(manifest: pb.Bundle) -> None:
    """Directions under 30 chrF++ by themselves, and whatever its author warns of."""
    card = model_card(manifest, Notes(weaknesses=["poems"]))
    begin, end = card.index("## What it is bad at"), card.index("## Precisions")
    told = card[begin:end]
    assert "- chrF++ under 30 on the first test set: en to yo" in told
    assert "- poems" in told
    manifest.pairs[0].metrics[0].value = 55
    assert "## What it is bad at" not in model_card(manifest)


def test_the_card_tells_steps_and_hours(manifest: pb.Bundle) -> None:
    """Where somebody knows them."""
    card = model_card(manifest, Notes(training=["graft: 300 steps, 0.2 hours"]))
    assert "## Training\n\n- graft: 300 steps, 0.2 hours\n" in card
    assert "## Training" not in model_card(manifest)
