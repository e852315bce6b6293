"""Linear CKA: how alike the states of two models are, whatever their axes and their scale.

Kornblith et al. 2019, "Similarity of Neural Network Representations Revisited". The plain index is
biased upwards when there are few rows for each dimension (two random sets of 2,000 rows and 256
dimensions give 0.11); ours is debiased by the unbiased estimator of HSIC (Song et al. 2007; as in
Kornblith's own code), so independent states give about 0, a little below zero at times.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lingraft.training.data.corpora import spread
from lingraft.training.errors import DataError
from lingraft.training.explain.parts import Part, Side, Watch
from lingraft.training.explain.swap import kept
from lingraft.training.models.tensors import IGNORED
from lingraft.training.run.loop import Batch

States = NDArray[np.float64]  # [rows, dimensions]
Rows = Literal["tokens", "sentences"]

_LEAST = 4  # the debiased estimator divides by n-2; below 4 rows it says nothing


def linear_cka(left: States, right: States, *, debiased: bool = True) -> float:
    """Similarity of two sets of states of the same inputs: 1 the same, 0 unrelated.

    Unchanged when either side is rotated, scaled (not by 0) or moved. NaN where a side is constant.

    Args:
        left: [rows, dimensions]; row i of both sides is the same input.
        right: [rows, dimensions], of as many or another number of dimensions.
        debiased: by the unbiased estimator; plain otherwise.

    Raises:
        DataError: under 4 rows.
    """
    if len(left) < _LEAST:
        raise DataError(f"{len(left)} rows of states are too few to compare: give more dev text")
    x, y = _centred(left), _centred(right)
    dot: Callable[[States, States], float] = _debiased if debiased else _plain
    norm = dot(x, x) * dot(y, y)
    return float(dot(x, y) / np.sqrt(norm)) if norm > 0 else float("nan")


def _centred(states: States) -> States:
    states = np.asarray(states, dtype=np.float64)
    return np.asarray(states - states.mean(axis=0))


def _plain(x: States, y: States) -> float:
    return float(np.square(x.T @ y).sum())


def _debiased(x: States, y: States) -> float:
    """n (n-3) times the unbiased HSIC of two centred sides; the factor falls out of the ratio."""
    n = len(x)
    rows_x, rows_y = np.square(x).sum(axis=1), np.square(y).sum(axis=1)
    lone = n / (n - 2) * float(rows_x @ rows_y)
    return _plain(x, y) - lone + float(rows_x.sum() * rows_y.sum()) / ((n - 1) * (n - 2))


def states_of(
    module: nn.Module,
    parts: Sequence[Part],
    batches: Sequence[Batch],
    *,
    pad: int,
    limit: int = 2000,
    rows: Rows = "tokens",
) -> dict[str, States]:
    """States of each watched part, teacher-forced, by part name.

    Encoder parts are read at source positions, decoder parts at target positions, padding left out.
    Two models asked with the same batches answer about the same rows.

    Args:
        module: loss module; it is left as it was.
        pad: id of padding in `batches`.
        limit: most rows, spread evenly over the batches.
        rows: one for each token, or the mean of each sentence.
    """
    watches = {part.name: part.watch for part in parts if part.watch is not None}
    pooled = rows == "sentences"
    chosen = {side: _chosen(batches, side, pad, limit, pooled) for side in _sides(watches)}
    found: dict[str, list[Tensor]] = {name: [] for name in watches}
    device = next(module.parameters()).device
    with kept(module), torch.no_grad(), _watching(module, watches) as seen:
        for number, batch in enumerate(batches):
            batch = {name: tensor.to(device) for name, tensor in batch.items()}
            module(batch)
            for name, watch in watches.items():
                states = _rows(seen[name], _real(batch, watch.side, pad), pooled)
                found[name].append(states[chosen[watch.side][number].to(device)].double().cpu())
    return {name: torch.cat(pieces).numpy() for name, pieces in found.items()}


def similarities(left: dict[str, States], right: dict[str, States]) -> dict[str, float]:
    """Debiased linear CKA by part, of what `states_of` gave for two models."""
    return {name: linear_cka(states, right[name]) for name, states in left.items()}


def _sides(watches: dict[str, Watch]) -> set[Side]:
    return {watch.side for watch in watches.values()}


def _real(batch: Batch, side: Side, pad: int) -> Tensor:
    """Which positions hold a token, [B, positions]."""
    return batch["source"] != pad if side == "source" else batch["labels"] != IGNORED


def _rows(states: Tensor, real: Tensor, pooled: bool) -> Tensor:
    if not pooled:
        return states[real]
    mask = real.unsqueeze(2).to(states.dtype)
    return (states * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)


def _chosen(
    batches: Sequence[Batch], side: Side, pad: int, limit: int, pooled: bool
) -> list[Tensor]:
    """For each batch, the indices of the rows that are compared."""
    masks = [_real(batch, side, pad) for batch in batches]
    counts = [len(mask) if pooled else int(mask.sum()) for mask in masks]
    wanted = torch.tensor(spread(sum(counts), limit), dtype=torch.long)
    starts = np.cumsum([0, *counts])
    return [
        wanted[(wanted >= start) & (wanted < end)] - start
        for start, end in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True)
    ]


@contextmanager
def _watching(module: nn.Module, watches: dict[str, Watch]) -> Iterator[dict[str, Tensor]]:
    """What the watched places held in the newest forward pass, by name."""
    seen: dict[str, Tensor] = {}
    with ExitStack() as stack:
        for name, watch in watches.items():
            place = module.get_submodule(watch.path)
            if watch.entering:
                hook = place.register_forward_pre_hook(_entering(seen, name))
            else:
                hook = place.register_forward_hook(_leaving(seen, name))
            stack.callback(hook.remove)
        yield seen


def _entering(seen: dict[str, Tensor], name: str) -> Callable[[nn.Module, Any], None]:
    def keep(_: nn.Module, given: Any) -> None:
        seen[name] = given[0]

    return keep


def _leaving(seen: dict[str, Tensor], name: str) -> Callable[[nn.Module, Any, Any], None]:
    def keep(_: nn.Module, __: Any, output: Any) -> None:
        seen[name] = output[0] if isinstance(output, tuple) else output

    return keep
