"""Cross-entropy of tied output embeddings, without ever holding all the logits: with labels, which
may be smoothed, or with what another model makes of the same positions.

The output layer of a small model is most of its memory traffic: at 8,000 pieces the logits of one
batch of 4,000 tokens are 128 MB, and autograd would walk them about eight times. Here logits exist
for one chunk of positions at a time and the gradients are made in the same visit.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

_CHUNK = 512  # positions; 512 x 8,000 float32 logits are 16 MB and stay near the cache


class _ChunkedCrossEntropy(torch.autograd.Function):
    """Sum of label-smoothed cross-entropies; computes both gradients in the forward pass."""

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor, smoothing: float, banned: int
    ) -> tuple[Tensor, Tensor]:
        compute = hidden.dtype
        table = weight.to(compute)
        grad_hidden = torch.empty_like(hidden)
        grad_weight = torch.zeros_like(weight, dtype=torch.float32)
        smoothed = torch.zeros((), dtype=torch.float32, device=hidden.device)
        plain = torch.zeros_like(smoothed)
        classes = weight.shape[0] - 1  # the banned row is never a target, nor a share of smoothing
        for start in range(0, hidden.shape[0], _CHUNK):
            rows = slice(start, start + _CHUNK)
            states, labels = hidden[rows], targets[rows].unsqueeze(1)
            logprobs = _logprobs(states, table, banned)
            nll = -logprobs.gather(1, labels).sum()
            logprobs[:, banned] = 0.0
            plain += nll
            smoothed += (1 - smoothing) * nll - smoothing / classes * logprobs.sum()
            grad = logprobs.exp_()
            grad[:, banned] = smoothing / classes
            grad -= smoothing / classes
            grad.scatter_add_(1, labels, torch.full_like(labels, smoothing - 1, dtype=grad.dtype))
            grad = grad.to(compute)
            grad_hidden[rows] = grad @ table
            grad_weight += grad.t() @ states
        ctx.save_for_backward(grad_hidden, grad_weight.to(weight.dtype))
        return smoothed, plain

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        return *_scaled(ctx, grads[0]), None, None, None


class _ChunkedDivergence(torch.autograd.Function):
    """As `_ChunkedCrossEntropy`, towards the distributions of a guide."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        guide_hidden: Tensor,
        guide_weight: Tensor,
        targets: Tensor,
        banned: int,
    ) -> tuple[Tensor, Tensor]:
        compute = hidden.dtype
        table, guide_table = weight.to(compute), guide_weight.to(compute)
        grad_hidden = torch.empty_like(hidden)
        grad_weight = torch.zeros_like(weight, dtype=torch.float32)
        guided = torch.zeros((), dtype=torch.float32, device=hidden.device)
        plain = torch.zeros_like(guided)
        for start in range(0, hidden.shape[0], _CHUNK):
            rows = slice(start, start + _CHUNK)
            states = hidden[rows]
            wanted = _logprobs(guide_hidden[rows], guide_table, banned).exp_()
            logprobs = _logprobs(states, table, banned)
            plain -= logprobs.gather(1, targets[rows].unsqueeze(1)).sum()
            logprobs[:, banned] = 0.0
            guided -= (wanted * logprobs).sum()
            grad = logprobs.exp_()
            grad[:, banned] = 0.0
            grad = (grad - wanted).to(compute)
            grad_hidden[rows] = grad @ table
            grad_weight += grad.t() @ states
        ctx.save_for_backward(grad_hidden, grad_weight.to(weight.dtype))
        return guided, plain

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None, None, None]:
        return *_scaled(ctx, grads[0]), None, None, None, None


def _scaled(ctx: Any, scale: Tensor) -> tuple[Tensor, Tensor]:
    """The gradients that the forward pass has made, of states and table."""
    grad_hidden, grad_weight = ctx.saved_tensors
    return grad_hidden * scale.to(grad_hidden.dtype), grad_weight * scale


def _logprobs(states: Tensor, table: Tensor, banned: int) -> Tensor:
    logits = (states @ table.t()).float()
    logits[:, banned] = float("-inf")
    return torch.log_softmax(logits, dim=1)


def tied_divergence(
    hidden: Tensor,
    weight: Tensor,
    guide_hidden: Tensor,
    guide_weight: Tensor,
    targets: Tensor,
    *,
    banned: int,
) -> tuple[Tensor, Tensor]:
    """Loss of predicting what a guide predicts, through the (tied) output embeddings of both.

    The cross-entropy with soft targets of Hinton et al. 2015; it is least, and has no gradient,
    where both agree.

    Args:
        hidden: [positions, d_model] decoder states, padding already removed.
        weight: [vocabulary, d_model] output embedding.
        guide_hidden: [positions, d_guide] the guide's states at the same positions.
        guide_weight: [vocabulary, d_guide] the guide's output embedding.
        targets: [positions] int64 ids of the references.
        banned: id that can never be produced.

    Returns:
        (cross-entropy with the guide's probabilities, a sum in nats, which carries the gradient for
        `hidden` and `weight`; plain negative log-likelihood sum of the references).
    """
    guided, plain = _ChunkedDivergence.apply(  # type: ignore[no-untyped-call]
        hidden, weight, guide_hidden, guide_weight, targets, banned
    )
    return guided, plain.detach()


def tied_cross_entropy(
    hidden: Tensor, weight: Tensor, targets: Tensor, *, smoothing: float, banned: int
) -> tuple[Tensor, Tensor]:
    """Loss of predicting `targets` from decoder states through the (tied) output embedding.

    Args:
        hidden: [positions, d_model] decoder states, padding already removed.
        weight: [vocabulary, d_model] output embedding.
        targets: [positions] int64 ids, none of them `banned`.
        smoothing: mass spread evenly over all other allowed pieces (Szegedy et al. 2016).
        banned: id that can never be produced (the padding piece); it gets no probability.

    Returns:
        (smoothed sum in nats, which carries the gradient; plain negative log-likelihood sum).
    """
    smoothed, plain = _ChunkedCrossEntropy.apply(hidden, weight, targets, smoothing, banned)  # type: ignore[no-untyped-call]
    return smoothed, plain.detach()
