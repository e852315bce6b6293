"""Features and targets of LogME."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from lingraft.training.models.marian import load_model
from lingraft.training.parents.find import find_parent
from lingraft.training.rank.child import Child, Example
from lingraft.training.rank.encodings import encodings, evidence, targets_of
from lingraft.training.recipe.ranking import Ranking


def test_encodings_are_means_whatever_else_is_in_the_batch(pretrained: Path) -> None:
    """In the order of the rows; padding counts for nothing."""
    parent = find_parent(str(pretrained))
    model = load_model(pretrained)
    rows = [[5, 6, 7, 8, 0], [9, 0], [5, 6, 0]]
    together = encodings(model, parent.codec.pad, rows)
    with torch.no_grad():
        for row, encoding in zip(rows, together, strict=True):
            states = model.model.encoder(input_ids=torch.tensor([row])).last_hidden_state
            assert encoding == pytest.approx(states[0].mean(dim=0).numpy(), abs=1e-5)


def test_components_have_unit_variance_and_part_topics() -> None:
    """Two kinds of sentences: the first component tells them apart."""
    words = ("stone", "water", "bread", "eggs", "cup", "hat", "box", "door")
    about = [f"the farmer sells {w}" for w in words] + [f"minä näen {w[::-1]}" for w in words]
    targets = targets_of([Example("x", "en", text, "yo") for text in about], (), components=4)
    assert targets.shape == (16, 4)
    assert targets.mean(axis=0) == pytest.approx(np.zeros(4), abs=1e-9)
    assert targets.var(axis=0) == pytest.approx(np.ones(4))
    assert len(set(np.sign(targets[:8, 0]))) == len(set(np.sign(targets[8:, 0]))) == 1
    assert np.sign(targets[0, 0]) == -np.sign(targets[8, 0])


def test_labels_are_one_column_each() -> None:
    """As in the paper."""
    examples = [Example("x", "yo", label, "") for label in ("b", "a", "b")]
    assert targets_of(examples, ("a", "b"), 4).tolist() == [[0, 1], [1, 0], [0, 1]]


def test_a_tiny_child_has_no_evidence(child: Child, pretrained: Path) -> None:
    """Seven sentences say nothing; nor do sentences that are all the same."""
    parent = find_parent(str(pretrained))
    few = Child(child.recipe, child.rows, child.train[:7], child.dev)
    assert evidence(load_model(pretrained), parent.codec, few, Ranking()) == {}
    same = Child(child.recipe, child.rows, child.train[:1] * 20, child.dev)
    assert evidence(load_model(pretrained), parent.codec, same, Ranking()) == {}


def test_evidence_prefers_an_encoder_that_was_not_spoilt(child: Child, pretrained: Path) -> None:
    """Embeddings all alike leave nothing to tell sentences by."""
    parent = find_parent(str(pretrained))
    whole, spoilt = load_model(pretrained), load_model(pretrained)
    with torch.no_grad():
        table = spoilt.get_input_embeddings().weight
        table[:] = table.mean(dim=0)
    values = [evidence(m, parent.codec, child, Ranking()) for m in (whole, spoilt)]
    assert set(values[0]) == {"en-yo", "yo-en"}
    assert all(values[0][direction] > values[1][direction] + 0.1 for direction in values[0])
