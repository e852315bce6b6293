"""Parity is asserted against plain greedy search, and a difference is explained."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from transformers import GenerationConfig

from lingraft.training.errors import ParityError
from lingraft.training.export import check_translation_parity
from lingraft.training.export.parity import check_classifier_parity, torch_greedy


def test_exported_graphs_pass(model: Any, make_graphs: Any, make_rows: Any) -> None:
    """The share of identical sentences of an honest export is 1."""
    rows = make_rows(20)
    assert check_translation_parity(model, rows, make_graphs(model), [12] * len(rows)) == 1.0


def test_a_wrong_graph_is_refused_and_its_differences_shown(
    model: Any, make_model: Any, make_graphs: Any, make_rows: Any
) -> None:
    """Other weights are found out; sentence, piece and margin of the first are named."""
    other = make_model()
    with torch.no_grad():
        other.model.decoder.layers[0].fc1.weight.neg_()
    rows = make_rows(20)
    with pytest.raises(ParityError) as error:
        check_translation_parity(model, rows, make_graphs(other), [12] * len(rows))
    message = str(error.value)
    assert "of 20 sentences decode differently" in message
    assert "(0 of them by a numerical tie, 0 allowed)" in message
    assert 1 <= message.count("\n  - sentence ") <= 5
    assert "piece 0: PyTorch" in message


def _twins(make_model: Any, favoured: int) -> Any:
    """A model in which pieces 8 and 9 are the same, and `favoured` a hair above the other."""
    model = make_model()
    with torch.no_grad():
        model.model.shared.weight[9] = model.model.shared.weight[8]
        model.final_logits_bias[0, [8, 9]] = 6.0
        model.final_logits_bias[0, favoured] += 2e-6
    return model


def test_a_numerical_tie_is_told_from_a_fault(
    make_model: Any, make_graphs: Any, make_rows: Any
) -> None:
    """A swap of two equal pieces is an error that says tie, and passes where ties are allowed."""
    model, swapped = _twins(make_model, 8), make_graphs(_twins(make_model, 9))
    rows = make_rows(6)
    with pytest.raises(ParityError, match=r"a numerical tie: below 0\.0001"):
        check_translation_parity(model, rows, swapped, [1] * 6)
    assert check_translation_parity(model, rows, swapped, [1] * 6, ties_allowed=6) < 1


def test_the_reference_is_plain_greedy_search_whatever_the_model_brings(
    make_model: Any, make_rows: Any
) -> None:
    """Beams, penalties and a forced end in a hub model's settings do not reach the reference."""
    plain, rows = make_model(), make_rows(8)
    laden = make_model()
    settings = GenerationConfig(
        num_beams=3, forced_eos_token_id=0, repetition_penalty=3.0, max_length=5, pad_token_id=300
    )
    laden.generation_config = settings
    laden.train()
    assert torch_greedy(laden, rows, [9] * 8) == torch_greedy(plain, rows, [9] * 8)
    assert laden.training
    assert laden.generation_config is settings


def test_a_half_precision_model_is_compared_in_fp32(
    make_model: Any, make_graphs: Any, make_rows: Any
) -> None:
    """Weights kept in bfloat16 are exact in fp32, so graph and reference still agree."""
    model, rows = make_model().to(torch.bfloat16), make_rows(10)
    assert check_translation_parity(model, rows, make_graphs(model), [12] * 10) == 1.0
    assert next(model.parameters()).dtype == torch.bfloat16


def test_every_row_keeps_its_own_limit(model: Any, make_rows: Any) -> None:
    """The reference of a row never exceeds the row's limit and ends at its first eos."""
    rows, limits = make_rows(10), list(range(1, 11))
    for ids, limit in zip(torch_greedy(model, rows, limits), limits, strict=True):
        assert len(ids) <= limit
        assert 0 not in ids[:-1]


def test_classifier_logits_must_agree() -> None:
    """Another best label or a logit beyond rounding is shown; rounding passes."""
    expected = np.array([[1, 2], [3, 1]], np.float32)
    assert check_classifier_parity(expected, expected + np.float32(1e-5)) == 1.0
    with pytest.raises(ParityError, match=r"(?s)1 of 2 texts.*text 1: PyTorch \[3\.0, 1\.0\]"):
        check_classifier_parity(expected, np.array([[1, 2], [3, 1.5]], np.float32))
