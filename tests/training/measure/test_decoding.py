"""Scores of finished translations are those that greedy decoding saw step by step."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from lingraft.training.measure.decoding import produced
from lingraft.training.measure.evaluate import greedy
from lingraft.training.models.marian import new_model
from lingraft.training.recipe.settings import Shape

_PIECES = 60
_SHARPENED = ("encoder_attn.q_proj", "v_proj", "out_proj", "fc")


@pytest.fixture(scope="module")
def model() -> Any:
    """A tiny model of random weights, sharp enough that its translations end at many lengths."""
    shape = Shape(
        d_model=16,
        ffn=32,
        heads=2,
        encoder_layers=1,
        decoder_layers=3,
        dropout=0.3,
        max_positions=40,
    )
    made = new_model(shape, _PIECES, seed=2)
    with torch.no_grad():
        made.final_logits_bias[:, 0] = 2.0
        for name, weight in made.model.decoder.named_parameters():
            if name.endswith("weight") and any(each in name for each in _SHARPENED):
                weight.mul_(2.5)
    return made.eval()


@pytest.fixture(scope="module")
def sources() -> list[list[int]]:
    """Sources of many lengths, end last."""
    random = np.random.default_rng(2)
    return [[*random.integers(2, _PIECES - 1, n).tolist(), 0] for n in (3, 9, 1, 14, 5, 7, 2, 11)]


def test_the_scores_are_those_of_greedy_decoding(model: Any, sources: list[list[int]]) -> None:
    """Step by step `generate` tells the same log-probabilities, the end's among them."""
    targets = greedy(model, sources)
    found = produced(model, sources, targets)
    assert len({len(target) for target in targets}) > 2
    assert any(target[-1] == 0 for target in targets)
    assert any(target[-1] != 0 for target in targets)
    for source, target, each in zip(sources, targets, found, strict=True):
        output = model.generate(
            input_ids=torch.tensor([source]),
            max_length=len(target) + 1,
            num_beams=1,
            do_sample=False,
            return_dict_in_generate=True,
            output_scores=True,
        )
        steps = torch.stack(output.scores)[:, 0].log_softmax(dim=1)
        expected = steps[torch.arange(len(target)), torch.tensor(target)]
        assert each.logprobs == pytest.approx(expected.tolist(), abs=1e-4)
        assert each.pieces == tuple(piece for piece in target if piece != 0)
        assert each.source_length == len(source)


def test_company_changes_nothing(model: Any, sources: list[list[int]]) -> None:
    """Alone or in a batch with longer ones; and the model is left in its mode."""
    targets = greedy(model, sources)
    together = produced(model, sources, targets)
    model.train()
    alone = [
        produced(model, [source], [target])[0]
        for source, target in zip(sources, targets, strict=True)
    ]
    assert model.training
    model.eval()
    for one, other in zip(together, alone, strict=True):
        assert one.logprobs == pytest.approx(other.logprobs, abs=1e-5)
        assert one.coverage == pytest.approx(other.coverage, abs=1e-5)


def test_coverage_is_of_the_layer_that_the_graphs_tell(
    model: Any, sources: list[list[int]]
) -> None:
    """The last but one, mean over heads; each source piece counts once at most."""
    target = [7, 8, 0]
    (found,) = produced(model, sources[:1], [target])
    with torch.no_grad():
        output = model(
            input_ids=torch.tensor(sources[:1]),
            decoder_input_ids=torch.tensor([[_PIECES - 1, 7]]),
            output_attentions=True,
        )
    attention = output.cross_attentions[1][0].mean(dim=0).sum(dim=0)
    assert found.coverage == pytest.approx(float(attention.clamp(max=1).mean()), abs=1e-5)
    other = output.cross_attentions[2][0].mean(dim=0).sum(dim=0)
    assert found.coverage != pytest.approx(float(other.clamp(max=1).mean()), abs=1e-4)
