"""Learning without forgetting: some rows are taught by a guide, the others by their references."""

from __future__ import annotations

import torch
from torch import Tensor
from transformers import MarianMTModel

from lingraft.training.data.batches import Corpus
from lingraft.training.models.marian import TranslationLoss, new_model, weights_of
from lingraft.training.models.tensors import collate
from lingraft.training.recipe.recipes import Shape

PAD = 29
SHAPE = Shape(
    d_model=16, ffn=24, heads=2, encoder_layers=1, decoder_layers=1, dropout=0.0, max_positions=40
)
PAIRS = [([5, 9, 12, 0], [7, 3, 3, 0]), ([6, 0], [4, 0]), ([6, 8, 7, 0], [9, 1, 4, 4, 0])]


def _batch(*rows: int) -> dict[str, Tensor]:
    chosen = [PAIRS[row] for row in rows]
    return collate(Corpus(chosen, [0] * len(rows)), torch.arange(len(rows)).numpy(), PAD)


def _model(seed: int) -> MarianMTModel:
    return new_model(SHAPE, PAD + 1, seed=seed)


def _gradients(loss: TranslationLoss, batch: dict[str, Tensor]) -> dict[str, Tensor]:
    loss.train().zero_grad()
    loss(batch)[0].backward()
    found = {n: p.grad.clone() for n, p in loss.model.named_parameters() if p.grad is not None}
    loss.zero_grad()
    return found


def _guided(*rows: bool) -> dict[str, Tensor]:
    return {**_batch(0, 1, 2), "guided": torch.tensor(rows)}


def test_rows_of_a_guide_that_agrees_teach_nothing() -> None:
    """What is left is what the other rows teach alone."""
    loss = TranslationLoss(_model(1), 0.1, guide=_model(1))
    mixed = _gradients(loss, _guided(True, False, True))
    alone = _gradients(loss, _batch(1))
    for name, gradient in mixed.items():
        torch.testing.assert_close(gradient, alone[name], rtol=1e-3, atol=1e-5)
    nothing = _gradients(loss, _guided(True, True, True))
    assert max(float(gradient.abs().max()) for gradient in nothing.values()) < 1e-5


def test_steps_on_guided_rows_lead_to_the_guide() -> None:
    """Away from the references, if need be; these are only told of."""
    model, guide = _model(1), _model(2)
    loss = TranslationLoss(model, 0.1, guide=guide)
    optimizer = torch.optim.Adam((p for p in model.parameters() if p.requires_grad), lr=1e-2)
    batch = _guided(True, True, True)
    told = []
    for _ in range(60):
        guided, plain = loss.train()(batch)
        told.append((float(guided.detach()), float(plain)))
        optimizer.zero_grad()
        guided.backward()
        optimizer.step()
    assert told[-1][0] < told[0][0] - 1
    references, _ = TranslationLoss(guide, 0.0).eval()(_batch(0, 1, 2))
    assert abs(told[-1][1] - float(references)) < abs(told[0][1] - float(references))


def test_a_guide_is_no_part_of_what_is_trained_saved_or_measured() -> None:
    """Nor do rows of a batch that measures have one."""
    model = _model(1)
    loss, plain = TranslationLoss(model, 0.1, guide=_model(2)), TranslationLoss(model, 0.1)
    assert weights_of(loss).keys() == weights_of(plain).keys()
    assert len(list(loss.parameters())) == len(list(plain.parameters()))
    batch = _guided(True, True, False)
    at_rest, moving = (
        [float(m.train(on)(batch)[0].detach()) for m in (loss, plain)] for on in (False, True)
    )
    assert at_rest[0] == at_rest[1]
    assert moving[0] != moving[1]
