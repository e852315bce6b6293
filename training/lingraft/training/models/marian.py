"""The Marian model: made new, loaded, and saved the way Transformers reads it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import GenerationConfig, MarianConfig, MarianMTModel
from transformers.utils.logging import disable_progress_bar

from lingraft.training.errors import CheckpointError, ParentError
from lingraft.training.models.loss import tied_cross_entropy, tied_divergence
from lingraft.training.models.packed import decoder_states
from lingraft.training.recipe.recipes import Shape
from lingraft.training.vocabulary.codec import EOS

WEIGHTS_FILE = "model.safetensors"
# The padding piece must never be produced. Its embedding stays zero, as Marian's own models have it
# (CTranslate2 relies on that), so only the bias can forbid it; -1e4 survives fp16.
_PAD_BIAS = -1e4
# Twice as fast as `sdpa` on CPU at our head sizes (measured: 5.8k against 3.6k tokens/s).
_ATTENTION = "eager"
# Wang et al. 2022 ("DeepNet") give 0.52 for a 6-layer encoder and 0.41 for a 3-layer decoder.
_RESIDUAL_GAIN = 0.4

disable_progress_bar()  # of loading weights: it takes milliseconds


def new_model(shape: Shape, vocabulary_size: int, seed: int) -> MarianMTModel:
    """A model with random weights; the same seed gives the same weights."""
    torch.manual_seed(seed)
    pad = vocabulary_size - 1
    config = MarianConfig(
        vocab_size=vocabulary_size,
        decoder_vocab_size=vocabulary_size,
        d_model=shape.d_model,
        encoder_layers=shape.encoder_layers,
        decoder_layers=shape.decoder_layers,
        encoder_attention_heads=shape.heads,
        decoder_attention_heads=shape.heads,
        encoder_ffn_dim=shape.ffn,
        decoder_ffn_dim=shape.ffn,
        activation_function=shape.activation,
        dropout=shape.dropout,
        attention_dropout=shape.attention_dropout,
        activation_dropout=shape.attention_dropout,
        max_position_embeddings=shape.max_positions,
        init_std=shape.d_model**-0.5,
        scale_embedding=True,
        share_encoder_decoder_embeddings=True,
        tie_word_embeddings=True,
        pad_token_id=pad,
        eos_token_id=EOS,
        bos_token_id=None,
        decoder_start_token_id=pad,
        forced_eos_token_id=None,
        attn_implementation=_ATTENTION,
    )
    model = MarianMTModel(config)
    _init_shallow_residuals(model)
    return prepare(model)


def _init_shallow_residuals(model: MarianMTModel) -> None:
    """Xavier for all layers, shrunk where a layer writes into the residual stream (after DeepNorm).

    Marian normalises after the residual sum. At full size each attention then adds the mean of the
    sentence to every position, and six layers later all positions look alike: a spread around the
    mean of 0.17 of the norm at the start and 0.02 after 270 steps of our starter, which never
    learnt to look at its source. At this size the spread begins at 0.8 and, after a dip to 0.15, is
    back at 0.5 after 270 steps.
    """
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear) and module is not model.lm_head:
            writes = name.endswith(("v_proj", "out_proj", "fc1", "fc2"))
            nn.init.xavier_uniform_(module.weight, gain=_RESIDUAL_GAIN if writes else 1.0)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def prepare(model: MarianMTModel) -> MarianMTModel:
    """Padding conventions, frozen positions and generation defaults, for new and loaded models."""
    pad = model.config.pad_token_id
    # Sinusoids are computed, not learnt, and no checkpoint holds them; but Transformers 5.23 leaves
    # those of a loaded model trainable.
    for name, parameter in model.named_parameters():
        if "embed_positions" in name:
            parameter.requires_grad_(False)
    with torch.no_grad():
        model.get_input_embeddings().weight[pad].zero_()
        model.final_logits_bias[:, pad] = _PAD_BIAS
    model.generation_config = GenerationConfig(
        pad_token_id=pad,
        eos_token_id=model.config.eos_token_id,
        decoder_start_token_id=model.config.decoder_start_token_id,
        num_beams=1,
        max_length=model.config.max_position_embeddings,
    )
    return model


def load_model(location: str | Path, dropout: float | None = None) -> MarianMTModel:
    """A model from a local folder in fp32, with another dropout where one is given.

    Raises:
        ParentError: nothing loadable is there.
    """
    try:
        model = MarianMTModel.from_pretrained(
            str(location),
            dtype=torch.float32,
            attn_implementation=_ATTENTION,
            **({} if dropout is None else {"dropout": dropout}),
        )
    except (OSError, ValueError) as error:
        raise ParentError(f"{location}: no model can be loaded from it: {error}") from None
    return prepare(model)


def shape_of(model: MarianMTModel) -> Shape:
    """The shape of a loaded model, for a control of the same size."""
    config = model.config
    return Shape(
        d_model=config.d_model,
        ffn=config.encoder_ffn_dim,
        heads=config.encoder_attention_heads,
        encoder_layers=config.encoder_layers,
        decoder_layers=config.decoder_layers,
        activation=config.activation_function,
        dropout=config.dropout,
        attention_dropout=config.attention_dropout,
        max_positions=config.max_position_embeddings,
    )


def save_model(model: MarianMTModel, folder: Path, *, dtype: torch.dtype = torch.float32) -> None:
    """Config, generation defaults and weights, as `MarianMTModel.from_pretrained` reads them."""
    folder.mkdir(parents=True, exist_ok=True)
    model.config.dtype = dtype
    model.config.save_pretrained(folder)
    model.generation_config.save_pretrained(folder)
    save_file(weights_of(model, dtype), folder / WEIGHTS_FILE, metadata={"format": "pt"})


def weights_of(model: nn.Module, dtype: torch.dtype = torch.float32) -> dict[str, Tensor]:
    """Weights by name, tied ones once and recomputed ones not at all, on the CPU."""
    return {
        name: tensor.detach().to("cpu", dtype, copy=True).contiguous()
        for name, tensor in _own_weights(model).items()
    }


def load_weights(model: nn.Module, weights: dict[str, Tensor]) -> None:
    """Put the result of `weights_of` back; tied weights follow.

    Raises:
        CheckpointError: they are the weights of another kind of model.
    """
    if strange := sorted(weights.keys() ^ _own_weights(model).keys()):
        raise CheckpointError(f"the weights are of another model: {', '.join(strange[:3])}")
    model.load_state_dict(weights, strict=False)  # tied names are left out


def _own_weights(model: nn.Module) -> dict[str, Tensor]:
    """The state dict, tied weights under their first name, position tables left out."""
    seen: set[int] = set()
    own = {}
    for name, tensor in model.state_dict().items():
        if "embed_positions" not in name and tensor.data_ptr() not in seen:
            seen.add(tensor.data_ptr())
            own[name] = tensor
    return own


def read_weights(path: Path) -> dict[str, Tensor]:
    """Weights written by `save_model` or a checkpoint, in fp32."""
    return {name: tensor.float() for name, tensor in load_file(path).items()}


def average(snapshots: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """The mean of several sets of weights (Vaswani et al. 2017, section 6.1)."""
    total = {name: tensor.double() for name, tensor in snapshots[0].items()}
    for snapshot in snapshots[1:]:
        for name, tensor in snapshot.items():
            total[name] += tensor
    return {name: (tensor / len(snapshots)).float() for name, tensor in total.items()}


def fingerprint(folder: Path) -> str:
    """SHA-256 of a model folder's weights, lower-case hex."""
    with (folder / WEIGHTS_FILE).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_of(model: nn.Module) -> str:
    """SHA-256 of a model's weights as they stand, lower-case hex."""
    digest = hashlib.sha256()
    for name, tensor in weights_of(model).items():
        digest.update(name.encode() + tensor.numpy().tobytes())
    return digest.hexdigest()


class TranslationLoss(nn.Module):
    """A model and its training loss as one module, so that Accelerate can wrap both.

    guide: teaches rows that a batch calls `guided`, in training, instead of their references
        (learning without forgetting: Li & Hoiem 2016); of the same pieces, no part of the module.
    """

    def __init__(
        self, model: MarianMTModel, smoothing: float, guide: MarianMTModel | None = None
    ) -> None:
        super().__init__()
        self.model = model
        self._smoothing = smoothing
        self._guide = [guide.eval().requires_grad_(False)] if guide is not None else []

    def forward(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Sums over the batch's targets, in nats: smoothed loss, plain negative log-likelihood.

        batch: source [B,S] and decoder_input [B,T] padded with the padding id, labels [B,T] padded
        with -100; perhaps guided [B], bool.
        """
        keep = batch["labels"] != -100
        hidden, labels = in_autocast_type(self._states(batch, keep)), batch["labels"][keep]
        if not (self.training and self._guide and "guided" in batch and batch["guided"].any()):
            return self._told(hidden, labels)
        rows = batch["guided"]
        guided = rows.unsqueeze(1).expand_as(keep)[keep]
        asked = {name: part[rows] for name, part in batch.items()}
        told = self._told(hidden[~guided], labels[~guided])
        shown = self._shown(hidden[guided], asked, labels[guided])
        return told[0] + shown[0], told[1] + shown[1]

    def _told(self, hidden: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Losses at positions whose references teach."""
        return tied_cross_entropy(
            hidden,
            self.model.get_input_embeddings().weight,
            labels,
            smoothing=self._smoothing,
            banned=self.model.config.pad_token_id,
        )

    def _shown(
        self, hidden: Tensor, batch: dict[str, Tensor], labels: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Losses at positions of a batch that the guide teaches."""
        guide = self._guide[0].to(hidden.device)
        with torch.no_grad():
            states = decoder_states(
                guide.model, batch["source"], batch["decoder_input"], batch["labels"] != -100
            )
        return tied_divergence(
            hidden,
            self.model.get_input_embeddings().weight,
            in_autocast_type(states),
            guide.get_input_embeddings().weight,
            labels,
            banned=self.model.config.pad_token_id,
        )

    def _states(self, batch: dict[str, Tensor], keep: Tensor) -> Tensor:
        """Last states at the targets, [N,D]; outside training by the model's own layers, which
        others may watch."""
        source, decoder_input = batch["source"], batch["decoder_input"]
        if self.training:
            return decoder_states(self.model.model, source, decoder_input, keep)
        hidden: Tensor = self.model.model(
            input_ids=source,
            attention_mask=(source != self.model.config.pad_token_id).long(),
            decoder_input_ids=decoder_input,
            use_cache=False,
        ).last_hidden_state
        return hidden[keep]


def in_autocast_type(hidden: Tensor) -> Tensor:
    """The last layer norm leaves fp32 even under autocast; the output layer wants bf16 there."""
    device = hidden.device.type
    if torch.is_autocast_enabled(device):
        return hidden.to(torch.get_autocast_dtype(device))
    return hidden


def freeze_padding_row(model: MarianMTModel) -> Any:
    """Keep the padding embedding at zero: the tied output layer would otherwise move it."""
    pad = model.config.pad_token_id

    def zero_row(gradient: Tensor) -> Tensor:
        gradient = gradient.clone()
        gradient[pad] = 0
        return gradient

    return model.get_input_embeddings().weight.register_hook(zero_row)
