"""LoRA: adapters alone train, and merging them changes nothing but the form."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from transformers import MarianMTModel

from lingraft.training.adapt.adapted import Adapted, adapt
from lingraft.training.adapt.names import named_parameters
from lingraft.training.errors import RecipeError
from lingraft.training.models.marian import TranslationLoss, save_model, weights_of
from lingraft.training.recipe.adaptation import Adaptation, Lora
from lingraft.training.run.loop import Batch

Make = Callable[..., TranslationLoss]
LORA = Adaptation(method="lora", lora=Lora(rank=2, alpha=8, targets=["*_proj", "*.fc1"]))
EMBEDDINGS = Adaptation(method="lora", lora=Lora(rank=2, embeddings=True))


def _trained(module: nn.Module, adapted: Adapted, batch: Batch) -> None:
    """Some steps of Adam at a rate that moves things."""
    optimizer = torch.optim.Adam(adapted.groups(), lr=0.05)
    for step in range(1, 6):
        optimizer.zero_grad()
        adapted.begin(step)
        module(batch)[0].backward()
        adapted.adjust(step)
        optimizer.step()


def _logits(model: MarianMTModel, batch: Batch) -> Tensor:
    model.eval()
    with torch.no_grad():
        logits: Tensor = model(
            input_ids=batch["source"], decoder_input_ids=batch["decoder_input"]
        ).logits
    return logits


def test_only_adapters_train(make_module: Make, batch: Batch) -> None:
    """Every weight of the parent is what it was, to the last bit."""
    module = make_module()
    before = weights_of(module.model)
    adapted = adapt(module, LORA)
    _trained(module, adapted, batch)
    assert all(".lora_" in name for name in adapted.trainable(1))
    after = {name.replace(".base_layer", ""): w for name, w in weights_of(module.model).items()}
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    assert any(w.abs().max() > 0.01 for name, w in after.items() if ".lora_B." in name)


def test_merged_weights_are_parent_plus_scaled_product(make_module: Make, batch: Batch) -> None:
    """W + alpha / rank B A, before merging and after, and nothing else has moved."""
    module = make_module()
    before = weights_of(module)
    adapted = adapt(module, LORA)
    _trained(module, adapted, batch)
    parts = weights_of(module)
    told = adapted.weights()
    adapted.merge()
    after = weights_of(module)
    assert told.keys() == after.keys() == before.keys()
    for name, tensor in before.items():
        stem = name.removesuffix(".weight")
        product = torch.zeros_like(tensor)
        if f"{stem}.lora_A.default.weight" in parts:
            up, down = (parts[f"{stem}.lora_{x}.default.weight"] for x in "BA")
            product = 8 / 2 * up @ down
            assert product.abs().max() > 0.001
        assert torch.allclose(after[name], tensor + product, atol=1e-6)
        assert torch.equal(told[name], after[name])


@pytest.mark.parametrize("adaptation", [LORA, EMBEDDINGS], ids=["adapters", "embeddings"])
def test_a_merged_model_is_a_plain_marian_with_the_same_outputs(
    make_module: Make, batch: Batch, tmp_path: Path, adaptation: Adaptation
) -> None:
    """In memory, and after Transformers has read it from a folder; embeddings still tied."""
    module = make_module()
    start = _logits(module.model, batch)
    adapted = adapt(module, adaptation)
    _trained(module, adapted, batch)
    before = _logits(module.model, batch)
    assert (before - start)[..., :11].abs().max() > 0.01
    adapted.merge()
    save_model(module.model, tmp_path)
    loaded = MarianMTModel.from_pretrained(str(tmp_path), attn_implementation="eager")
    for model in (module.model, loaded):
        assert torch.allclose(_logits(model, batch), before, atol=1e-5)
        shared = model.model.shared.weight
        ties = (model.lm_head, model.model.encoder.embed_tokens, model.model.decoder.embed_tokens)
        assert all(tied.weight is shared for tied in ties)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "config.json",
        "generation_config.json",
        "model.safetensors",
    ]


def test_embeddings_train_as_one_table_where_asked(make_module: Make, batch: Batch) -> None:
    """Never a copy for one side only; the padding row stays zero."""
    module = make_module()
    before = module.model.model.shared.weight.detach().clone()
    adapted = adapt(module, EMBEDDINGS)
    assert "model.shared.weight" in adapted.trainable(1)
    _trained(module, adapted, batch)
    assert module.model.lm_head.weight is module.model.model.shared.weight
    assert (module.model.model.shared.weight - before).abs().max() > 0.01
    assert torch.count_nonzero(module.model.model.shared.weight[11]) == 0


def test_a_new_head_trains_with_the_adapters(make_classifier: Callable[[], nn.Module]) -> None:
    """It was drawn at random and has nothing to stay at."""
    names = adapt(make_classifier(), LORA).trainable(1)
    assert {"head.weight", "head.bias"} < set(names)
    assert all(".lora_" in name or name.startswith("head.") for name in names)


def test_the_tied_output_layer_is_no_target(make_module: Make) -> None:
    """An adapter on it would part it from the embeddings."""
    settings = Adaptation(method="lora", lora=Lora(targets=["lm_head", "*.q_proj"]))
    with pytest.raises(RecipeError, match=r'lora.targets: nothing is called "lm_head"; the model'):
        adapt(make_module(), settings)


def test_adapters_are_drawn_from_the_seed(make_module: Make) -> None:
    """The same again for a resumed run."""
    drawn = []
    for seed in (1, 1, 2):
        module = make_module()
        torch.rand(seed)
        adapt(module, LORA, seed=seed)
        drawn.append([p for name, p in named_parameters(module) if ".lora_A." in name])
    assert all(map(torch.equal, drawn[0], drawn[1]))
    assert not torch.equal(drawn[0][0], drawn[2][0])
