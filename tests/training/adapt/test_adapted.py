"""What trains at a step and at which rate; what is faulty is told with what there is."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from lingraft.training.adapt.adapted import adapt
from lingraft.training.adapt.names import depths, named_parameters
from lingraft.training.adapt.origin import Origin
from lingraft.training.errors import RecipeError
from lingraft.training.models.marian import TranslationLoss, weights_of
from lingraft.training.recipe.adaptation import Adaptation
from lingraft.training.run.loop import Batch

Make = Callable[..., TranslationLoss]

GRADUAL = Adaptation(method="gradual", unfreeze_every=3)


def test_depth_counts_layers_from_the_output_down(
    make_module: Make, make_classifier: Callable[[], nn.Module]
) -> None:
    """A head first, then decoder, encoder and at the bottom the embeddings, tied or not."""
    depth = depths(name for name, _ in named_parameters(make_module()))
    assert depth["model.decoder.layers.1.fc1.weight"] == 0
    assert depth["model.decoder.layers.0.encoder_attn.q_proj.bias"] == 1
    assert depth["model.encoder.layers.1.fc1.weight"] == 2
    assert depth["model.encoder.layers.0.fc1.weight"] == 3
    assert depth["model.shared.weight"] == 4
    depth = depths(name for name, _ in named_parameters(make_classifier()))
    named = ("head.bias", "encoder.layers.1.fc2.bias", "encoder.embed_tokens.weight")
    assert [depth[name] for name in named] == [0, 1, 3]


def test_a_layers_rate_falls_with_its_depth(make_module: Make) -> None:
    """By the same factor from layer to layer, whatever the method."""
    adapted = adapt(make_module(), Adaptation(layer_decay=0.5))
    assert adapted.scales == [1.0, 0.5, 0.25, 0.125, 0.0625]
    names = [[name for name, _ in group["params"]] for group in adapted.groups()]
    assert all(name.startswith("model.decoder.layers.1.") for name in names[0])
    assert names[4] == ["model.shared.weight"]


def test_without_decay_there_is_one_group_of_everything(make_module: Make) -> None:
    """In the model's own order: nothing of a plain run has changed."""
    module = make_module()
    (group,) = adapt(module, Adaptation()).groups()
    trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
    assert [id(parameter) for _, parameter in group["params"]] == list(map(id, trained))


def test_gradual_opens_one_layer_more_at_the_right_step(make_module: Make) -> None:
    """From the top: one for the first three steps, two for the next, all in the end."""
    adapted = adapt(make_module(), GRADUAL)
    opened = [adapted.open_layers(step) for step in (1, 3, 4, 6, 7, 12, 13, 99)]
    assert opened == [1, 1, 2, 2, 3, 4, 5, 5]
    assert all(name.startswith("model.decoder.layers.1.") for name in adapted.trainable(3))
    assert "model.decoder.layers.0.fc1.weight" in adapted.trainable(4)
    assert "model.shared.weight" not in adapted.trainable(12)
    assert "model.shared.weight" in adapted.trainable(13)


@pytest.mark.parametrize("alone", [True, False])
def test_only_open_layers_have_gradients(make_module: Make, batch: Batch, alone: bool) -> None:
    """At any step in any order, alone or with other processes."""
    module = make_module()
    adapted = adapt(module, GRADUAL)
    for step in (7, 1, 13, 4):
        adapted.begin(step, alone=alone)
        module(batch)[0].backward()
        adapted.adjust(step)
        have = [name for name, p in named_parameters(module) if p.grad is not None]
        assert sorted(have) == sorted(adapted.trainable(step))
        module.zero_grad(set_to_none=True)


def test_gradual_leaves_out_what_is_frozen(make_module: Make) -> None:
    """A layer frozen whole costs no steps."""
    frozen = GRADUAL.model_copy(update={"frozen": ["model.decoder.layers.1.*"]})
    adapted = adapt(make_module(), frozen)
    assert all(name.startswith("model.decoder.layers.0.") for name in adapted.trainable(1))
    assert adapted.open_layers(99) == 4


def test_patterns_that_match_nothing_are_told_with_all_there_is(make_module: Make) -> None:
    """All at once, and layers that differ in their number on one line."""
    patterns = ["model.encoder.*", "encoder.*", "shared"]
    with pytest.raises(RecipeError) as caught:
        adapt(make_module(), Adaptation(method="frozen", frozen=patterns))
    first, *there = str(caught.value).splitlines()
    assert first == 'frozen: nothing is called "encoder.*", "shared"; the model has'
    assert "  model.shared.weight" in there
    assert "  model.decoder.layers.{0-1}.encoder_attn.q_proj.bias" in there
    assert len(there) == len(set(there)) < 50


def test_something_must_be_left_to_train(make_module: Make) -> None:
    """Patterns that freeze everything are a fault."""
    with pytest.raises(RecipeError, match="nothing to train"):
        adapt(make_module(), Adaptation(method="frozen", frozen=["*"]))


@pytest.mark.parametrize(
    "adaptation",
    [
        Adaptation(method="frozen", frozen=["*.encoder.*"]),
        GRADUAL,
        Adaptation(method="lora"),
    ],
    ids=lambda adaptation: adaptation.method,
)
def test_a_plain_model_is_left_when_all_is_done(make_module: Make, adaptation: Adaptation) -> None:
    """Same names, same flags, same kind of layers as before."""
    module = make_module()
    before = [(name, p.requires_grad) for name, p in module.named_parameters()]
    kinds = [type(part) for part in module.modules()]
    adapted = adapt(module, adaptation)
    adapted.begin(1)
    adapted.merge()
    assert [(name, p.requires_grad) for name, p in module.named_parameters()] == before
    assert [type(part) for part in module.modules()] == kinds
    assert vars(module.model).keys() == vars(make_module().model).keys()


def _pulled(module: nn.Module, origin: Origin) -> dict[str, Tensor]:
    """Gradients of the pull alone: those of the loss are set to zero before it."""
    adapted = adapt(module, Adaptation(l2_sp=2.0, l2_new=0.5), origin)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(1.0)
            parameter.grad = torch.zeros_like(parameter)
    adapted.adjust(1)
    return {name: p.grad for name, p in named_parameters(module) if p.grad is not None}


def test_the_pull_is_toward_the_parent_or_zero(make_classifier: Callable[[], nn.Module]) -> None:
    """alpha (w - w_parent) where the parent has the weight, beta w where it has not: a head."""
    module = make_classifier()
    gradients = _pulled(module, Origin())
    head = dict(named_parameters(module))["head.weight"]
    assert torch.allclose(gradients.pop("head.weight"), 0.5 * head)
    assert torch.allclose(gradients.pop("head.bias"), torch.full((3,), 0.5))
    trained = [g for name, g in gradients.items() if "embed_positions" not in name]
    assert all(torch.allclose(g, torch.full_like(g, 2.0), atol=1e-5) for g in trained)


def test_a_classifier_is_pulled_to_a_translation_parent(
    make_module: Make, make_classifier: Callable[[], nn.Module]
) -> None:
    """Whose names have one more part, and whose embeddings are shared."""
    parent = weights_of(make_module().model)
    gradients = _pulled(make_classifier(), Origin(weights=parent))
    for name in ("encoder.embed_tokens.weight", "encoder.layers.1.fc2.weight"):
        assert torch.allclose(gradients[name], torch.full_like(gradients[name], 2.0), atol=1e-5)


def test_rows_that_the_parent_lacks_are_pulled_to_zero(make_module: Make) -> None:
    """More pieces after the parent's, or pieces in another order."""
    parent = make_module()
    origin = Origin(weights=weights_of(parent.model))
    child = make_module(15)
    with torch.no_grad():
        child.model.model.shared.weight[:11] = parent.model.model.shared.weight[:11]
    gradient = _pulled(child, origin)["model.shared.weight"]
    assert torch.allclose(gradient[:11], torch.full((11, 8), 2.0), atol=1e-5)
    assert torch.allclose(gradient[11:], 0.5 * child.model.model.shared.weight[11:])

    rows = [5, -1, *[-1] * 9, 11]
    child = make_module()
    with torch.no_grad():
        child.model.model.shared.weight[0] = parent.model.model.shared.weight[5]
    gradient = _pulled(child, Origin(weights=origin.weights, rows=rows))["model.shared.weight"]
    assert torch.allclose(gradient[0], torch.full((8,), 2.0), atol=1e-5)
    assert torch.allclose(gradient[1], 0.5 * child.model.model.shared.weight[1])
