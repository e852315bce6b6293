"""Adam's moments of the parent's training, kept for the child's (by name, row by row)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lingraft.training.adapt.origin import Origin, name_in
from lingraft.training.errors import ParentError

OPTIMIZER_FILE = "optimizer.pt"
_MODEL_FOLDER = "model"  # what pretraining leaves beside its checkpoint
_MOMENTS = ("exp_avg", "exp_avg_sq")


def keep_moments(optimizer: torch.optim.Optimizer, origin: Origin) -> None:
    """Fill a new optimizer with the state that the parent's training left.

    Weights and rows of embeddings that the parent lacks start at zero.

    Raises:
        ParentError: the parent's training left no state, or one that belongs to other weights.
    """
    saved = _read(_find(origin.state))
    kept = 0
    for group in optimizer.param_groups:
        for name, parameter in zip(group["param_names"], group["params"], strict=True):
            known = name_in(saved, name)
            state = None if known is None else _mapped(name, parameter, saved[known], origin)
            if state is not None:
                optimizer.state[parameter] = state
                kept += 1
    if not kept:
        raise ParentError(
            f"{origin.state}: the optimizer's state belongs to other weights; set "
            'optimizer = "reset"'
        )


def _find(location: Path | None) -> Path:
    if location is None:
        raise ParentError(
            'optimizer = "keep" needs the run that trained the parent, and none is known; set '
            'optimizer = "reset"'
        )
    run = location.parent if location.name == _MODEL_FOLDER else location
    candidates = (location, location / OPTIMIZER_FILE, run / "checkpoint" / OPTIMIZER_FILE)
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    raise ParentError(
        f'{location}: optimizer = "keep" needs checkpoint/{OPTIMIZER_FILE}, which the parent\'s '
        'training leaves in its folder, and it is not there; set optimizer = "reset", or give the '
        "folder of the parent's run"
    )


def _read(path: Path) -> dict[str, dict[str, Any]]:
    """The state of each parameter, by the parent's name for it."""
    content = torch.load(path, weights_only=True, map_location="cpu")
    states: dict[str, dict[str, Any]] = {}
    for group in content["param_groups"]:
        if "param_names" not in group:
            raise ParentError(
                f"{path}: was left by an older lingraft-train, without the weights' names; set "
                'optimizer = "reset", or train the parent again'
            )
        for name, index in zip(group["param_names"], group["params"], strict=True):
            if index in content["state"]:
                states[name] = content["state"][index]
    return states


def _mapped(
    name: str, parameter: nn.Parameter, state: dict[str, Any], origin: Origin
) -> dict[str, Tensor] | None:
    """A parameter's state from the parent's; nothing where they have no row in common."""
    rows, theirs = origin.common_rows(name, parameter, state["exp_avg"])
    if not len(rows):
        return None
    mapped = {"step": state["step"].to(parameter.device, copy=True)}
    for moment in _MOMENTS:
        mapped[moment] = torch.zeros_like(parameter)
        mapped[moment][rows] = state[moment][theirs].to(parameter)
    return mapped
