"""A recipe with a wide part: what it is good for, and that every arm has it and all tell of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from lingraft.training.classify import ClassifierGraft, classify
from lingraft.training.experiment.classification import model_of
from lingraft.training.gate.significance import GRAFT
from lingraft.training.manifesting.classification import export_classifier_graft
from lingraft.training.planning.dry_run import plan
from lingraft.training.report.classification import classification_report
from lingraft.training.report.markdown import as_markdown
from lingraft.training.report.page import as_html

RANDOM = "random-parent"


def _f1(graft: ClassifierGraft) -> float:
    return graft.test.comparisons[0].scores[GRAFT].mean


def test_counted_pieces_learn_what_an_encoder_that_stands_still_cannot(
    toy: Any, tmp_path: Path
) -> None:
    """One verb decides: twelve steps are enough for a table, and too few for a head alone."""
    still = {"method": "frozen", "frozen": ["encoder.*"]}
    fast = {"learning_rate": 0.3}
    wide = classify(toy.recipe("wide", adaptation=still, wide=fast), tmp_path / "wide")
    head = classify(toy.recipe("wide", adaptation=still, wide=None), tmp_path / "head")
    assert _f1(wide) > _f1(head) + 20
    assert _f1(wide) > 90


def test_the_control_counts_as_the_graft_does(toy: Any, tmp_path: Path) -> None:
    """So that the gain is the parent's; report, page and card say what is counted."""
    graft = classify(toy.recipe("wide"), tmp_path)
    for arm in (GRAFT, RANDOM):
        wide = model_of(graft.arms[arm].best).wide
        assert wide is not None
        assert wide.table.shape == (1 << 16, 2)
        assert 0 < int(wide.table.abs().sum(dim=1).count_nonzero()) < 2000
    report = classification_report(graft, examples=False)
    assert report["wide"] == {
        "orders": 2,
        "buckets": 65536,
        "weights": 131072,
        "learning_rate": 0.1,
    }
    told = "table of n-grams of 1 to 2 pieces, 131,072 weights"
    assert told in as_markdown(report)
    assert told in re.sub("<[^>]+>", "", as_html(report))
    facts = export_classifier_graft(graft, tmp_path / "bundle", {}, "a toy may do harm")
    assert facts.family == "marian"
    card = (tmp_path / "bundle" / "README.md").read_text(encoding="utf-8")
    assert "- Wide part: hashed n-grams of 1 to 2 pieces, 65,536 rows of 2 logits" in card


def test_a_classifier_that_counts_has_a_plan(toy: Any, tmp_path: Path) -> None:
    """Its table is among the weights that train."""
    sizes = [
        plan(toy.recipe("wide", wide=wide), tmp_path).speeds[GRAFT].trainable
        for wide in (None, {"bits": 12})
    ]
    assert sizes[1] - sizes[0] == 2 * 4096
