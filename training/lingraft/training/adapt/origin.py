"""Where a model's weights come from: the parent's tensors and rows that belong to them."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from lingraft.training.adapt.names import is_embedding
from lingraft.training.models.marian import weights_of

# Never from a parent: a classifier's head is drawn when the model is built.
_NEW = ("head.",)


@dataclass(frozen=True)
class Origin:
    """The parent of a model that is about to train.

    weights: the parent's, by its own names and in its own shapes; unset: what the model holds when
        training begins, but for a classifier's head.
    rows: of each row of the model's embeddings, the row that the same piece has in the parent's,
        -1 for none; unset: where the sizes are the same, all rows are; where they differ, the same
        pieces come first and padding last.
    state: the parent's run, its model folder, or its `optimizer.pt`: where its Adam state is.
    """

    weights: Mapping[str, Tensor] | None = None
    rows: Sequence[int] | None = None
    state: Path | None = None

    def anchor(self, model: nn.Module) -> Mapping[str, Tensor]:
        """The parent's weights; copies of the model's own where none are given."""
        if self.weights is not None:
            return self.weights
        own = weights_of(model)
        return {name: tensor for name, tensor in own.items() if not name.startswith(_NEW)}

    def knows(self, name: str) -> bool:
        """Whether the parent has the weight that a model calls `name`."""
        if self.weights is not None:
            return name_in(self.weights, name) is not None
        return not name.startswith(_NEW)

    def common_rows(
        self, name: str, child: Tensor, parent: Tensor, *, as_built: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Rows of a child's tensor that the parent has, and where (none if shapes do not allow it).

        as_built: `parent` is the child's own tensor before training, row for row.
        """
        none = torch.empty(0, dtype=torch.long)
        if child.shape[1:] != parent.shape[1:]:
            return none, none
        if is_embedding(name) and self.rows is not None:
            rows = torch.tensor(self.rows, dtype=torch.long)
            known = (rows >= 0).nonzero().squeeze(1)
            return known, known if as_built else rows[known]
        if child.shape == parent.shape:
            return torch.arange(len(child)), torch.arange(len(child))
        if not is_embedding(name):
            return none, none
        same = torch.arange(min(len(child), len(parent)) - 1)  # the last row is padding
        return same, same


def name_in(have: Container[str], name: str) -> str | None:
    """What a parent calls the weight that a model calls `name`, if it has it.

    A classifier's "encoder..." is a translation model's "model.encoder...", and its embeddings are
    those that the translation model shares.
    """
    candidates = [name, f"model.{name}"]
    if name.endswith("embed_tokens.weight"):
        candidates += ["model.shared.weight", "shared.weight"]
    return next((candidate for candidate in candidates if candidate in have), None)
