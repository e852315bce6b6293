"""Adam's state from the parent's training: by name, row by row, or one clear error."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lingraft.training.adapt.adapted import adapt
from lingraft.training.adapt.moments import keep_moments
from lingraft.training.adapt.names import named_parameters
from lingraft.training.adapt.origin import Origin
from lingraft.training.errors import ParentError
from lingraft.training.models.marian import TranslationLoss
from lingraft.training.recipe.adaptation import Adaptation
from lingraft.training.run.loop import Batch

Make = Callable[..., TranslationLoss]
Moments = dict[str, dict[str, Tensor]]


def _optimizer(module: nn.Module, adaptation: Adaptation | None = None) -> torch.optim.Optimizer:
    return torch.optim.AdamW(adapt(module, adaptation or Adaptation()).groups(), lr=1e-2)


def _moments(module: nn.Module, optimizer: torch.optim.Optimizer) -> Moments:
    return {name: optimizer.state[p] for name, p in named_parameters(module) if p.requires_grad}


@pytest.fixture
def parent(make_module: Make, batch: Batch, tmp_path: Path) -> tuple[Moments, Path]:
    """The state of a parent trained for three steps, and the folder of its run."""
    module = make_module()
    optimizer = _optimizer(module)
    for _ in range(3):
        optimizer.zero_grad()
        module(batch)[0].backward()
        optimizer.step()
    (tmp_path / "model").mkdir()
    (tmp_path / "checkpoint").mkdir()
    torch.save(optimizer.state_dict(), tmp_path / "checkpoint" / "optimizer.pt")
    return _moments(module, optimizer), tmp_path


def _same(left: dict[str, Tensor], right: dict[str, Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[k], right[k]) for k in left)


@pytest.mark.parametrize("place", ["", "model", "checkpoint/optimizer.pt"])
def test_the_childs_state_is_what_the_parents_training_left(
    make_module: Make, parent: tuple[Moments, Path], place: str
) -> None:
    """From the run's folder, the model's in it, or the file; in whatever groups the child has."""
    moments, folder = parent
    module = make_module()
    optimizer = _optimizer(module, Adaptation(layer_decay=0.5))
    keep_moments(optimizer, Origin(state=folder / place))
    kept = _moments(module, optimizer)
    assert kept.keys() == moments.keys()
    assert all(_same(kept[name], moments[name]) for name in moments)
    assert float(kept["model.shared.weight"]["step"]) == 3


def test_new_pieces_start_at_zero(make_module: Make, parent: tuple[Moments, Path]) -> None:
    """Rows of the parent's pieces are kept; its padding row had none, nor has the child's."""
    moments, folder = parent
    module = make_module(15)
    optimizer = _optimizer(module)
    keep_moments(optimizer, Origin(state=folder))
    kept, theirs = (of["model.shared.weight"] for of in (_moments(module, optimizer), moments))
    for moment in ("exp_avg", "exp_avg_sq"):
        assert kept[moment].shape == (15, 8)
        assert torch.equal(kept[moment][:11], theirs[moment][:11])
        assert torch.count_nonzero(kept[moment][:11]) > 0
        assert torch.count_nonzero(kept[moment][11:]) == 0


def test_pieces_in_another_order_keep_their_own(
    make_module: Make, parent: tuple[Moments, Path]
) -> None:
    """Where the child's vocabulary replaces the parent's, rows follow the pieces."""
    moments, folder = parent
    module = make_module(5)
    optimizer = _optimizer(module)
    keep_moments(optimizer, Origin(state=folder, rows=[0, 7, -1, 5, 11]))
    kept = _moments(module, optimizer)["model.shared.weight"]["exp_avg"]
    theirs = moments["model.shared.weight"]["exp_avg"]
    assert torch.equal(kept[[0, 1, 3, 4]], theirs[[0, 7, 5, 11]])
    assert torch.count_nonzero(kept[2]) == 0


def test_a_classifier_keeps_the_encoders_state_and_its_head_is_new(
    make_classifier: Callable[[], nn.Module], parent: tuple[Moments, Path]
) -> None:
    """Names differ in a part, and the embeddings were shared."""
    moments, folder = parent
    module = make_classifier()
    optimizer = _optimizer(module)
    keep_moments(optimizer, Origin(state=folder))
    kept = _moments(module, optimizer)
    assert _same(kept["encoder.layers.1.fc1.weight"], moments["model.encoder.layers.1.fc1.weight"])
    assert _same(kept["encoder.embed_tokens.weight"], moments["model.shared.weight"])
    assert kept["head.weight"] == {}


def _nameless(path: Path) -> None:
    content: dict[str, Any] = torch.load(path, weights_only=True)
    for group in content["param_groups"]:
        del group["param_names"]
    torch.save(content, path)


def test_a_parent_without_a_usable_state_is_one_clear_error(
    make_module: Make, parent: tuple[Moments, Path]
) -> None:
    """Unknown, not there, without names, or of another model."""
    _, folder = parent
    file = folder / "checkpoint" / "optimizer.pt"

    def refused(origin: Origin, told: str) -> None:
        with pytest.raises(ParentError, match=re.escape(told)) as caught:
            keep_moments(_optimizer(make_module()), origin)
        assert 'set optimizer = "reset"' in str(caught.value)

    refused(Origin(), "needs the run that trained the parent")
    refused(Origin(state=folder / "nowhere"), "nowhere: optimizer = ")
    other = nn.ModuleDict({"strange": nn.Linear(3, 3)})
    torch.save(_optimizer(other).state_dict(), file)
    refused(Origin(state=folder), "belongs to other weights")
    _nameless(file)
    refused(Origin(state=folder), "was left by an older lingraft-train")
