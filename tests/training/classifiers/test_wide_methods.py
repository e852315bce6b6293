"""A recipe with a wide part: what it is good for, and that every arm has it and all tell of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch

from lingraft.training.classify import ClassifierGraft, classify
from lingraft.training.errors import RecipeError
from lingraft.training.experiment.classification import model_of
from lingraft.training.gate.significance import GRAFT
from lingraft.training.manifesting.classification import export_classifier_graft
from lingraft.training.models.marian import weights_of
from lingraft.training.recipe.wide import Wide
from lingraft.training.report.classification import classification_report
from lingraft.training.report.markdown import as_markdown
from lingraft.training.report.page import as_html

RANDOM = "random-parent"


def _f1(graft: ClassifierGraft) -> float:
    return graft.test.comparisons[0].scores[GRAFT].mean


def test_counted_letters_learn_what_an_encoder_that_stands_still_cannot(
    toy: Any, tmp_path: Path
) -> None:
    """One verb decides: a table finds it, and twelve steps are too few for a head alone."""
    still = {"method": "frozen", "frozen": ["encoder.*"]}
    wide = classify(toy.recipe("wide", adaptation=still), tmp_path / "wide")
    head = classify(toy.recipe("wide", adaptation=still, wide=None), tmp_path / "head")
    assert _f1(wide) > _f1(head) + 20
    assert _f1(wide) > 90


def test_encoder_and_head_train_as_they_would_without_a_table(toy: Any, tmp_path: Path) -> None:
    """The table is fitted apart; only the weight of the head tells that there is one."""
    wide, head = (
        weights_of(classify(toy.recipe("wide", wide=each), tmp_path / name).model)
        for name, each in (("wide", {}), ("head", None))
    )
    assert wide.keys() - head.keys() == {"wide.table"}
    for name, weights in head.items():
        if not name.startswith("head."):
            assert torch.equal(wide[name], weights), name
    ratio = wide["head.weight"] / head["head.weight"]
    torch.testing.assert_close(ratio, ratio.mean().expand_as(ratio))


def test_the_control_counts_as_the_graft_does(toy: Any, tmp_path: Path) -> None:
    """So that the gain is the parent's; report, page and card say what is counted."""
    graft = classify(toy.recipe("wide"), tmp_path)
    assert graft.counted is not None
    for arm in (GRAFT, RANDOM):
        wide = model_of(graft.arms[arm].best).wide
        assert wide is not None
        assert wide.table.shape == (1 << 17, 2)
        assert 0 < int(wide.table.abs().sum(dim=1).count_nonzero()) < 2000
        fitted = torch.from_numpy(graft.counted.rows)
        ratio = wide.table[fitted != 0] / fitted[fitted != 0]
        torch.testing.assert_close(ratio, ratio.mean().expand_as(ratio))
    report = classification_report(graft, examples=False)
    told = report["wide"]
    assert (told["orders"], told["buckets"], told["weights"]) == (5, 131072, 262144)
    assert told["chosen"]["inverse_penalty"] in [each["inverse_penalty"] for each in told["grid"]]
    told = "table of n-grams of 1 to 5 letters, 262,144 weights"
    assert told in as_markdown(report)
    assert told in re.sub("<[^>]+>", "", as_html(report))
    facts = export_classifier_graft(graft, tmp_path / "bundle", {}, "a toy may do harm")
    assert facts.family == "marian"
    card = (tmp_path / "bundle" / "README.md").read_text(encoding="utf-8")
    assert (
        "- Wide part: hashed n-grams of 1 to 5 letters inside words, 131,072 rows of 2 logits"
        in card
    )


def test_a_table_that_counts_alone_is_served_without_an_encoder(toy: Any, tmp_path: Path) -> None:
    """The graph gives the model's logits, and the bundle is small; all tell of it."""
    alone = classify(
        toy.recipe("wide", wide=Wide(alone=True), controls={"arms": ["tfidf"]}), tmp_path / "alone"
    )
    assert not alone.model.head.weight.any()
    assert _f1(alone) > 90
    report = classification_report(alone, examples=False)
    assert "In place of the encoder stands a table" in as_markdown(report)
    export_classifier_graft(alone, tmp_path / "bundle", {}, "a toy may do harm")
    graph = onnx.load(tmp_path / "bundle" / "classifier.fp32.onnx")
    constants = {tensor.name for tensor in graph.graph.initializer}
    assert "ngrams.weight" in constants
    assert not [name for name in constants if "embed" in name or "layers" in name]
    card = (tmp_path / "bundle" / "README.md").read_text(encoding="utf-8")
    assert "which are all that counts: there is no encoder" in card


def test_a_table_that_counts_alone_is_not_compared_with_itself(toy: Any, tmp_path: Path) -> None:
    """Whatever the parent's weights are, nothing of them is in it."""
    with pytest.raises(RecipeError, match="random-parent is the graft over again"):
        classify(toy.recipe("wide", wide=Wide(alone=True)), tmp_path)
