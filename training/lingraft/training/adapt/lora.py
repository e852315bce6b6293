"""LoRA through peft: adapters put into a model and merged out of it again."""

from __future__ import annotations

import re
from typing import Any

import torch
from torch import Tensor, nn

from lingraft.training.adapt.names import is_embedding, matching
from lingraft.training.models.marian import weights_of
from lingraft.training.recipe.adaptation import Lora

_ADAPTER = "default"  # peft's name for the only one
_PARTS = re.compile(r"\.lora_[A-Za-z_]+\.")


class Adapters:
    """The adapters inside `model`, which stays the object it is.

    Embeddings are never adapters' targets nor peft's `modules_to_save`: both would put a copy in
    the place of the table that encoder, decoder and output layer share, and train it alone
    (peft #2898). Where embeddings train, they train as they are, tied.
    """

    def __init__(self, model: nn.Module, settings: Lora, seed: int) -> None:
        """Put adapters in, drawn from `seed`; all else is frozen but embeddings, where asked.

        Raises:
            RecipeError: a pattern matches no linear layer.
        """
        from peft import LoraConfig, LoraModel  # slow, and most runs have no adapters

        targets = matching("lora.targets", settings.targets, _linear_layers(model))
        config = LoraConfig(
            r=settings.rank,
            lora_alpha=settings.alpha,
            lora_dropout=settings.dropout,
            target_modules="|".join(re.escape(name) for name in sorted(targets)),
        )
        torch.manual_seed(seed)
        self._tuner: Any = LoraModel(model, config, _ADAPTER)
        for name, parameter in model.named_parameters():
            if settings.embeddings and is_embedding(name) and "embed_positions" not in name:
                parameter.requires_grad_(True)

    def weights(self, module: nn.Module, dtype: torch.dtype) -> dict[str, Tensor]:
        """Weights of `module` (which holds the model) as a merged model would have them."""
        weights = {
            name.replace(".base_layer.", "."): tensor
            for name, tensor in weights_of(module).items()
            if not _PARTS.search(name)
        }
        with torch.no_grad():
            for name, layer in module.named_modules():
                if hasattr(layer, "lora_A"):
                    weights[f"{name}.weight"] += layer.get_delta_weight(_ADAPTER).cpu()
        return {name: tensor.to(dtype) for name, tensor in weights.items()}

    def merge(self) -> None:
        """Add the adapters to their layers and take them out."""
        self._tuner.merge_and_unload()


def _linear_layers(model: nn.Module) -> list[str]:
    """Linear layers with a weight of their own: an output layer tied to the embeddings has none."""
    tied = {id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding)}
    return [
        name
        for name, layer in model.named_modules()
        if isinstance(layer, nn.Linear) and id(layer.weight) not in tied
    ]
