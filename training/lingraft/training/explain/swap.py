"""Other weights in a model for a while: put in, measured, taken out again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from lingraft.training.errors import DataError, ParentError
from lingraft.training.models.classifier import ClassificationLoss, SequenceClassifier
from lingraft.training.models.marian import (
    TranslationLoss,
    new_model,
    shape_of,
    weights_of,
)
from lingraft.training.models.tensors import IGNORED
from lingraft.training.run.arms import log_likelihood
from lingraft.training.run.loop import Batch

Weights = Mapping[str, Tensor]
Loss = Callable[[], float]  # of the model as it stands
Fresh = Callable[[int], Weights]  # random weights of the same model, from a seed

_NAMED = 3  # weights that a message names


@contextmanager
def kept(module: nn.Module) -> Iterator[None]:
    """Inside, `module` is in eval mode and may be given any weights; afterwards it is as before.

    Weights come back to the last bit and each submodule has its own mode again, after an error too.
    """
    weights = {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        module.load_state_dict(weights)
        for part, training in modes:
            part.training = training


def put(module: nn.Module, weights: Weights) -> None:
    """Copy some weights into `module`, the rest stays; tied weights follow."""
    module.load_state_dict(dict(weights), strict=False)


def some(weights: Weights, names: Iterable[str]) -> dict[str, Tensor]:
    """The weights of these names."""
    return {name: weights[name] for name in names}


def between(start: Weights, end: Weights, at: float) -> dict[str, Tensor]:
    """The point `at` (0 to 1) of the straight line; its ends are the very weights given."""
    if at in (0.0, 1.0):
        return dict(end if at else start)
    return {name: (1 - at) * start[name] + at * tensor for name, tensor in end.items()}


def require_same_shape(child: Weights, parent: Weights) -> None:
    """Raise `ParentError`, naming weights, unless both have the same names and shapes."""
    strange = sorted(child.keys() ^ parent.keys())
    strange += [
        name for name in child.keys() & parent.keys() if _shapes_differ(child, parent, name)
    ]
    if strange:
        names = ", ".join(strange[:_NAMED]) + (", ..." if len(strange) > _NAMED else "")
        raise ParentError(
            f"parent and child differ in {len(strange)} weights ({names}) and cannot be compared: "
            "give the parent as the child's training began with it, after its vocabulary was fitted"
        )


def _shapes_differ(child: Weights, parent: Weights, name: str) -> bool:
    return child[name].shape != parent[name].shape


def targets(batch: Batch) -> int:
    """Targets of a batch: pieces of a translation, or texts with a label."""
    return int((batch["labels"] != IGNORED).sum())


def dev_loss(module: nn.Module, batches: Sequence[Batch]) -> Loss:
    """Teacher-forced loss of `module` as it stands, in nats per target, without smoothing.

    Args:
        module: `TranslationLoss` or `ClassificationLoss`.
        batches: as `models.tensors.all_batches` makes them.

    Raises:
        DataError: there is no target to predict.
    """
    if not sum(map(targets, batches)):
        raise DataError("the explanation has no dev sentence to measure on: give it some")
    return lambda: -log_likelihood(module, batches, targets)


def fresh_weights(module: TranslationLoss | ClassificationLoss) -> Fresh:
    """Random weights of the same shape, by the initialiser that new models are made with.

    The random numbers of the process go on as if nothing had been drawn.
    """

    def make(seed: int) -> Weights:
        with torch.random.fork_rng(devices=[]):
            return weights_of(_new_like(module, seed))

    return make


def _new_like(module: TranslationLoss | ClassificationLoss, seed: int) -> nn.Module:
    if isinstance(module, TranslationLoss):
        model = module.model
        return TranslationLoss(new_model(shape_of(model), model.config.vocab_size, seed), 0.0)
    old = module.model
    shape = shape_of(old.encoder).model_copy(update={"decoder_layers": 1})  # made, and dropped
    encoder = new_model(shape, old.encoder.config.vocab_size, seed).model.encoder
    return ClassificationLoss(SequenceClassifier(encoder, old.head.out_features, old.pad, 0.0), 0.0)
