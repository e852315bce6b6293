"""A graft end to end: with control, gate, report and bundle."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lingraft.training.experiment.texts import load_data
from lingraft.training.parents.find import find_parent

ARMS = ("graft", "scratch", "random-parent", "parent")


def _scores(direction: dict[str, Any]) -> dict[str, float]:
    return {arm["name"]: arm["scores"][0] for arm in direction["arms"]}


def _stamps(folder: Path, *patterns: str) -> dict[Path, int]:
    files = [path for pattern in patterns for path in folder.glob(pattern)]
    assert files
    return {path: path.stat().st_mtime_ns for path in files}


def test_a_related_tongue_passes(toy: Any) -> None:
    """The gain's interval lies above zero, on dev, which decides, and here on test too."""
    report = toy.report
    assert report["verdict"] == "PASS"
    assert report["gain"]["low"] > 0
    assert report["reason"].endswith("lies above zero")


def test_every_control_is_tuned_over_the_same_grid_with_the_same_budget(toy: Any) -> None:
    """An untuned baseline would manufacture the gain."""
    arms = toy.report["arms"]
    points = {arm: [(p["learning_rate"], p["dropout"]) for p in arms[arm]["grid"]] for arm in arms}
    assert points.keys() == {"graft", "scratch", "random-parent"}
    assert all(tried == [(3e-3, 0.0), (1e-2, 0.0)] for tried in points.values())
    for arm in arms.values():
        best = max(arm["grid"], key=lambda point: point["dev"])
        assert arm["chosen"]["learning_rate"] == best["learning_rate"]
        assert arm["steps"] == 60
        assert [step for step, _ in arm["dev_scores"]] == [30, 60]
        assert arm["target_tokens"] > 0
    states = [json.loads(path.read_text()) for path in toy.output.glob("*/trial-*/*/state.json")]
    assert [state["step"] for state in states] == [15] * 6


def test_the_report_holds_every_figure(toy: Any, parent_run: Path) -> None:
    """All arms on dev and test, both directions, two metrics with signatures, intervals."""
    report = toy.report
    assert report["parent"] == {
        "name": parent_run.name,
        "sha256": find_parent(str(parent_run / "model")).sha256,
        "languages": ["en", "fr"],
        "licence": "CC0-1.0",
    }
    for part, sentences in (("dev", 12), ("results", 16)):
        assert [d["direction"] for d in report[part]] == ["en-yo", "yo-en"]
        for direction in report[part]:
            assert direction["sentences"] == sentences
            scores = _scores(direction)
            assert scores.keys() == set(ARMS)
            assert all("BLEU" in arm["others"] for arm in direction["arms"])
            assert direction["signatures"].keys() == {"chrF++", "BLEU"}
            baseline = max(scores[arm] for arm in ARMS[1:])
            assert scores[direction["baseline"]] == baseline
            # Two directions in the table: the smaller p is doubled, and none is below its own.
            assert direction["p_holm"] >= direction["p"] > 0
            gain = direction["gain"]
            assert gain["value"] == pytest.approx(scores["graft"] - baseline, abs=0.02)
            assert gain["low"] <= gain["value"] <= gain["high"]
        assert min(d["p_holm"] for d in report[part]) == pytest.approx(
            2 * min(d["p"] for d in report[part]), abs=2e-4
        )
    assert [f["direction"] for f in report["forgetting"]] == ["en-fr", "fr-en"]
    assert len(report["examples"]) == 20
    shown = (toy.output / "report.md").read_text("utf-8")
    assert shown.startswith(f"# toy-graft: PASS\n\nT{report['reason'][1:]}. Decided on dev;")
    assert "opened once." in shown


def test_rows_that_stand_in_dev_or_test_are_not_trained_on(toy: Any) -> None:
    """In other case, spacing or punctuation, on either side; and none of dev stands in test."""
    recipe = toy.load()
    data = load_data(recipe)
    assert [len(rows) for rows in data.train] == [140]
    assert [len(rows) for rows in data.rehearsal] == [40]  # the shared row is in parent_test
    assert data.dropped == toy.report["rows_dropped_for_overlap"] == 4
    assert sum(len(t.sources) for t in (*data.select, *data.decide)) == 2 * (6 + 12)
    dev = {text for test in (*data.select, *data.decide) for text in test.sources}
    assert not dev & {text for test in data.test for text in test.sources}


def test_the_bundle_tells_what_was_measured(toy: Any, parent_run: Path) -> None:
    """Both directions with their transfer report, all data with licences, the strictest one."""
    manifest = toy.manifest
    assert [p["sourceLanguage"] + p["targetLanguage"] for p in manifest["pairs"]] == [
        "enyo",
        "yoen",
    ]
    for pair, direction in zip(manifest["pairs"], toy.report["results"], strict=True):
        scores = {metric["name"]: round(metric["value"], 2) for metric in pair["metrics"]}
        graft = next(arm for arm in direction["arms"] if arm["name"] == "graft")
        assert scores == {"chrF++": graft["scores"][0], "BLEU": graft["others"]["BLEU"]}
        transfer = pair["transfer"]
        dev = next(d for d in toy.report["dev"] if d["direction"] == direction["direction"])
        passes = dev["p_holm"] < 0.05 and dev["gain"]["low"] > 0
        assert transfer["verdict"] == ("VERDICT_PASS" if passes else "VERDICT_HOLD")
        assert round(transfer["scratch"]["value"], 2) == max(
            _scores(direction)[arm] for arm in ("scratch", "random-parent")
        )
        assert round(transfer["zeroShot"]["value"], 2) == _scores(direction)["parent"]
        assert round(transfer["gain"]["ciLow"], 2) == direction["gain"]["low"]
        assert transfer["parentModel"] == parent_run.name
    assert manifest["licence"] == "CC-BY-SA-4.0"
    sizes = {source["name"]: int(source["examples"]) for source in manifest["dataSources"]}
    assert sizes == {"toy en-yo": 140, "toy en-fr": 40}


def test_the_card_tells_steps_of_every_arm_and_what_the_recipe_warns_of(toy: Any) -> None:
    """And that it is weak where its figures say so."""
    card = (toy.output / "bundle" / "README.md").read_text("utf-8")
    weak = card[card.index("## What it is bad at") : card.index("## Precisions")]
    assert "- verse\n" in weak
    trained = card[card.index("## Training") : card.index("## Limits")]
    for arm in ("graft", "scratch"):
        assert f"- {arm}: " in trained
    assert "steps" in trained


def test_the_parents_own_pairs_are_served_where_the_recipe_limits_their_loss(
    toy: Any, keeping: Any
) -> None:
    """As trained, not as transfer, with what the graft left of them; else they are not served."""
    kept = keeping
    assert kept.graft() == 0
    old = [(f["direction"], f["after"]) for f in kept.report["forgetting"]]
    assert old == [(f["direction"], f["after"]) for f in toy.report["forgetting"]]
    own = kept.manifest["pairs"][2:]
    assert [(p["sourceLanguage"], p["targetLanguage"]) for p in own] == [("en", "fr"), ("fr", "en")]
    for pair, (direction, after) in zip(own, old, strict=True):
        assert pair["status"] == "PAIR_STATUS_TRAINED"
        assert "transfer" not in pair
        chrf = pair["metrics"][0]
        assert chrf["testSet"] == f"toy old {direction}"
        assert round(chrf["value"], 2) == after
        assert chrf["ciLow"] <= chrf["value"] <= chrf["ciHigh"]
    tags = {each["language"] for each in kept.manifest["languageTags"]}
    assert tags == {"en", "fr", "yo"}
    (int8,) = kept.manifest["graphs"]
    assert int8["precision"] == "PRECISION_INT8"
    told = [(p["sourceLanguage"], p["targetLanguage"]) for p in int8["pairLosses"]]
    assert told == [("en", "yo"), ("yo", "en"), ("en", "fr"), ("fr", "en")]


def test_dev_of_the_parents_directions_chooses_nothing(keeping: Any, toy: Any) -> None:
    """It calibrates what is served, and what stands in test leaves it as it leaves all dev."""
    recipe = keeping.load()
    data = load_data(recipe)
    ways = [test.direction for test in data.served(recipe, lambda code: True)]
    assert ways == ["en-yo", "yo-en", "en-fr", "fr-en"]
    assert [test.direction for test in data.served(recipe, {"en", "yo"}.__contains__)] == ways[:2]
    assert [len(test.sources) for test in data.parent_dev] == [8, 8]  # of 9 rows
    assert [test.direction for test in data.select] == ways[:2]
    whole = toy.load()
    served = load_data(whole).served(whole, lambda code: True)
    assert [test.direction for test in served] == ways[:2]


def test_the_same_command_again_trains_nothing_and_opens_nothing(toy: Any) -> None:
    """The report is the same, and counts one opening of the test set."""
    before = _stamps(toy.output, "*/*/checkpoint/*", "*/*.json", "*/openings.log")
    report = toy.report
    assert report["test_openings"] == 1
    assert toy.graft() == 0
    assert toy.report == report
    after = _stamps(toy.output, "*/*/checkpoint/*", "*/*.json", "*/openings.log")
    assert {p: t for p, t in after.items() if p.parent.name != "bundle"} == {
        p: t for p, t in before.items() if p.parent.name != "bundle"
    }


def test_without_examples_no_test_sentence_is_published(
    toy: Any, english: tuple[str, ...], to_yoruba: Callable[[str], str]
) -> None:
    """Neither in the reports nor anywhere in the bundle."""
    assert toy.graft("--no-examples") == 0
    published = [toy.output / "report.json", toy.output / "report.md"]
    published += [path for path in (toy.output / "bundle").rglob("*") if path.is_file()]
    contents = b"".join(path.read_bytes() for path in published)
    for text in english[24:40]:
        assert text.encode() not in contents
        assert to_yoruba(text).encode() not in contents
    assert toy.graft() == 0
    assert english[24].encode() in (toy.output / "bundle" / "report.json").read_bytes()
