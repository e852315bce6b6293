"""Training without padding says what the model says, and learns the same from it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import MarianMTModel

from lingraft.training.data.batches import Corpus
from lingraft.training.models.marian import TranslationLoss, new_model
from lingraft.training.models.packed import decoder_states, encoder_states
from lingraft.training.models.tensors import IGNORED, collate
from lingraft.training.recipe.recipes import Shape

PAD = 29
SHAPE = Shape(
    d_model=16, ffn=24, heads=2, encoder_layers=2, decoder_layers=2, dropout=0.0, max_positions=40
)
# Lengths that differ on both sides and not alike: padding stands in either, in other rows.
PAIRS = [
    ([5, 9, 12, 0], [7, 3, 3, 8, 11, 2, 0]),
    ([6, 0], [4, 0]),
    ([6, 8, 7, 11, 14, 3, 17, 20, 4, 0], [9, 1, 0]),
]


def _batch() -> dict[str, Tensor]:
    return collate(Corpus(PAIRS, [0] * len(PAIRS)), torch.arange(len(PAIRS)).numpy(), PAD)


def _model(**changes: Any) -> MarianMTModel:
    return new_model(SHAPE.model_copy(update=changes), PAD + 1, seed=1)


def _loss(model: MarianMTModel, *, training: bool) -> tuple[float, float, dict[str, Tensor]]:
    """Both sums and the gradients, packed in training and by the model's own layers else."""
    module = TranslationLoss(model, smoothing=0.1).train(training)
    module.zero_grad()
    smoothed, plain = module(_batch())
    smoothed.backward()
    gradients = {
        name: parameter.grad.clone()
        for name, parameter in model.named_parameters()
        if parameter.grad is not None
    }
    return float(smoothed.detach()), float(plain), gradients


@pytest.mark.parametrize("activation", ["relu", "gelu", "swish"])
def test_loss_and_gradients_are_those_of_the_padded_model(activation: str) -> None:
    """Of every weight, up to the rounding of floats."""
    model = _model(activation=activation)
    packed, padded = (_loss(model, training=training) for training in (True, False))
    assert packed[:2] == pytest.approx(padded[:2], rel=1e-5)
    assert packed[2].keys() == padded[2].keys()
    for name, gradient in packed[2].items():
        torch.testing.assert_close(gradient, padded[2][name], rtol=1e-4, atol=1e-5)


def test_what_stands_at_padding_does_not_matter() -> None:
    """Neither in the decoder's input nor how much of it there is."""
    model, batch = _model(), _batch()
    real = batch["labels"] != IGNORED
    states = decoder_states(model.model, batch["source"], batch["decoder_input"], real)
    other = torch.where(real, batch["decoder_input"], 5)
    torch.testing.assert_close(decoder_states(model.model, batch["source"], other, real), states)
    wider = nn.functional.pad(batch["source"], (0, 3), value=PAD)
    again = decoder_states(model.model, wider, batch["decoder_input"], real)
    torch.testing.assert_close(again, states)


def test_states_come_row_after_row() -> None:
    """As a mask over the padded states would pick them."""
    model, source = _model(), _batch()["source"]
    known = source != PAD
    padded = model.model.encoder(input_ids=source, attention_mask=known.long()).last_hidden_state
    packed = encoder_states(model.model.encoder, source, known)
    torch.testing.assert_close(packed, padded[known], rtol=1e-5, atol=1e-5)


def test_each_dropout_works_in_training() -> None:
    """That of attention and of the feed-forward's inside as well as the usual one."""
    plain = _loss(_model(), training=True)[0]
    for name in ("dropout", "attention_dropout"):
        torch.manual_seed(3)
        model = _model(**{name: 0.3})
        assert abs(_loss(model, training=True)[0] - plain) > 1e-3
        assert _loss(model, training=False)[0] == pytest.approx(plain, rel=1e-5)


def test_adapters_in_place_of_linear_parts_are_used() -> None:
    """Linear parts are called as modules: whatever stands there has its say."""
    model = _model()
    before = _loss(model, training=True)[0]
    layer = model.model.decoder.layers[0]
    layer.encoder_attn.q_proj = nn.Sequential(layer.encoder_attn.q_proj, nn.Hardtanh(-0.1, 0.1))
    packed, padded = (_loss(model, training=training)[0] for training in (True, False))
    assert packed == pytest.approx(padded, rel=1e-5)
    assert packed != pytest.approx(before, rel=1e-6)


def test_outside_training_layers_may_be_watched() -> None:
    """Hooks of layers see what the model computes."""
    module, seen = TranslationLoss(_model(), smoothing=0.0).eval(), []
    layer = module.model.model.decoder.layers[1]
    layer.register_forward_hook(lambda _, __, output: seen.append(output.shape))
    module(_batch())
    assert seen == [(3, 7, 16)]


def test_packed_states_multiply_in_bf16_under_autocast() -> None:
    """Near those of fp32, and not equal to them."""
    module = TranslationLoss(_model(), smoothing=0.1).train()
    exact = float(module(_batch())[1])
    with torch.autocast("cpu", torch.bfloat16):
        rough = float(module(_batch())[1])
    assert rough == pytest.approx(exact, rel=2e-2)
    assert rough != exact


def test_ten_steps_end_at_the_weights_of_the_padded_model() -> None:
    """Up to rounding, and they have moved."""
    models = [_model(), _model()]
    for model, training in zip(models, (True, False), strict=True):
        module = TranslationLoss(model, smoothing=0.1).train(training)
        optimizer = torch.optim.SGD(module.parameters(), lr=1e-2)
        for _ in range(10):
            optimizer.zero_grad()
            module(_batch())[0].backward()
            optimizer.step()
    before = dict(_model().named_parameters())
    packed, padded = (dict(model.named_parameters()) for model in models)
    for name, weight in packed.items():
        torch.testing.assert_close(weight, padded[name], rtol=1e-4, atol=1e-5)
    assert not torch.allclose(packed["model.shared.weight"], before["model.shared.weight"])
