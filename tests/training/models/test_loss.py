"""The chunked loss is PyTorch's label-smoothed cross-entropy, in value and both gradients."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from lingraft.training.models.loss import tied_cross_entropy, tied_divergence

D = 8


def _case(positions: int, classes: int, banned: int) -> tuple[Tensor, Tensor, Tensor]:
    random = torch.Generator().manual_seed(positions * 31 + classes)
    hidden = torch.randn(positions, D, generator=random, dtype=torch.float64)
    weight = torch.randn(classes, D, generator=random, dtype=torch.float64)
    allowed = torch.tensor([c for c in range(classes) if c != banned])
    targets = allowed[torch.randint(len(allowed), (positions,), generator=random)]
    return hidden.requires_grad_(), weight.requires_grad_(), targets


def _reference(
    hidden: Tensor, weight: Tensor, targets: Tensor, smoothing: float, banned: int
) -> tuple[Tensor, Tensor]:
    """PyTorch's own on all classes but the banned one."""
    allowed = [c for c in range(len(weight)) if c != banned]
    logits = hidden @ weight[allowed].t()
    labels = targets - (targets > banned).long()
    smoothed = cross_entropy(logits, labels, label_smoothing=smoothing, reduction="sum")
    return smoothed, cross_entropy(logits, labels, reduction="sum")


@pytest.mark.parametrize("positions", [1, 511, 512, 513, 1100])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_it_is_pytorchs_on_every_side_of_a_chunk(positions: int, smoothing: float) -> None:
    """Chunks are of 512 positions: below, at and above one, and over two."""
    hidden, weight, targets = _case(positions, classes=11, banned=10)
    expected, expected_plain = _reference(hidden, weight, targets, smoothing, 10)
    expected_grads = torch.autograd.grad(expected, (hidden, weight))
    value, plain = tied_cross_entropy(hidden, weight, targets, smoothing=smoothing, banned=10)
    grads = torch.autograd.grad(value, (hidden, weight))
    torch.testing.assert_close(value.double(), expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(plain.double(), expected_plain, rtol=1e-5, atol=1e-5)
    for mine, theirs in zip(grads, expected_grads, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-4)


def test_the_banned_class_may_stand_anywhere() -> None:
    """It takes no probability and no share of the smoothing."""
    hidden, weight, targets = _case(9, classes=6, banned=2)
    value, _ = tied_cross_entropy(hidden, weight, targets, smoothing=0.2, banned=2)
    expected, _ = _reference(hidden, weight, targets, 0.2, 2)
    torch.testing.assert_close(value.double(), expected, rtol=1e-5, atol=1e-5)


def test_the_banned_row_gets_no_gradient() -> None:
    """Padding's embedding is not pushed by sentences it is not in."""
    hidden, weight, targets = _case(40, classes=7, banned=6)
    value, _ = tied_cross_entropy(hidden, weight, targets, smoothing=0.1, banned=6)
    (gradient,) = torch.autograd.grad(value, (weight,))
    assert torch.equal(gradient[6], torch.zeros(D, dtype=gradient.dtype))
    assert gradient[:6].abs().sum() > 0


def test_a_scaled_loss_has_scaled_gradients() -> None:
    """The loop divides by the number of targets after the sum."""
    hidden, weight, targets = _case(20, classes=5, banned=4)
    value, _ = tied_cross_entropy(hidden, weight, targets, smoothing=0.1, banned=4)
    whole = torch.autograd.grad(value, (hidden, weight), retain_graph=True)
    part = torch.autograd.grad(value / 20, (hidden, weight))
    for a, b in zip(whole, part, strict=True):
        torch.testing.assert_close(a / 20, b)


def test_the_plain_loss_carries_no_gradient() -> None:
    """It is for people to read."""
    hidden, weight, targets = _case(4, classes=5, banned=4)
    _, plain = tied_cross_entropy(hidden, weight, targets, smoothing=0.1, banned=4)
    assert not plain.requires_grad


def test_bf16_stays_near_fp32() -> None:
    """The matrix products are in the states' type; sums and gradients of the table are in fp32."""
    hidden, weight, targets = _case(600, classes=50, banned=49)
    with torch.no_grad():
        exact, _ = tied_cross_entropy(hidden, weight, targets, smoothing=0.1, banned=49)
        narrow = hidden.to(torch.bfloat16)
        rough, _ = tied_cross_entropy(narrow, weight.float(), targets, smoothing=0.1, banned=49)
    assert rough.dtype == torch.float32
    assert float(abs(rough - exact) / exact) < 0.01


@pytest.mark.parametrize("positions", [1, 512, 700])
def test_divergence_from_a_guide_is_pytorchs_with_soft_targets(positions: int) -> None:
    """Value and both gradients; the references count in the plain loss alone."""
    hidden, weight, targets = _case(positions, classes=11, banned=10)
    states, table, _ = _case(positions, classes=11, banned=10)
    states, table = (states.detach() * 0.7)[:, :5], (table.detach() + 0.3)[:, :5]  # narrower
    wanted = torch.softmax(states @ table[:10].t(), dim=1)
    expected = cross_entropy(hidden @ weight[:10].t(), wanted, reduction="sum")
    expected_grads = torch.autograd.grad(expected, (hidden, weight))
    value, plain = tied_divergence(hidden, weight, states, table, targets, banned=10)
    grads = torch.autograd.grad(value, (hidden, weight))
    torch.testing.assert_close(value.double(), expected, rtol=1e-5, atol=1e-5)
    for mine, theirs in zip(grads, expected_grads, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-4)
    _, alone = _reference(hidden, weight, targets, 0.0, 10)
    torch.testing.assert_close(plain.double(), alone, rtol=1e-5, atol=1e-5)


def test_who_agrees_with_the_guide_learns_nothing() -> None:
    """The parent's own function is a place of rest."""
    hidden, weight, targets = _case(30, classes=9, banned=8)
    value, _ = tied_divergence(hidden, weight, hidden, weight, targets, banned=8)
    for gradient in torch.autograd.grad(value, (hidden, weight)):
        torch.testing.assert_close(gradient, torch.zeros_like(gradient), rtol=0, atol=1e-5)
