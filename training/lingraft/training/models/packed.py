"""The Marian model on real positions alone: padding exists inside attention and nowhere else.

A batch of sentences of like length is still a fifth padding where both sides count, and
Transformers multiplies it by every weight. Here the positions of all sentences lie one after the
other, [N,D], for embeddings, projections, feed-forward and norms (as in ByteTransformer, Zhai et
al. 2023); attention alone spreads them to [B,H,L,D/H] and packs its result again. Values are those
of `MarianMTModel.model` up to rounding. Layers and attentions are not called as modules, so their
hooks do not see this; the linear parts are, so adapters in their place work.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Layout:
    """Where real positions lie in a padded batch.

    places: [N] int64, their indices in the flattened batch [B*L], in order.
    """

    rows: int
    length: int
    places: Tensor

    @classmethod
    def of(cls, real: Tensor) -> Layout:
        """real: [B,L], True where a position is no padding."""
        return cls(real.shape[0], real.shape[1], real.flatten().nonzero().squeeze(1))

    def spread(self, packed: Tensor, heads: int) -> Tensor:
        """[N,D] as [B,H,L,D/H], zero where there is padding."""
        full = packed.new_zeros(self.rows * self.length, packed.shape[1])
        full = full.index_copy(0, self.places, packed)
        return full.view(self.rows, self.length, heads, -1).transpose(1, 2)

    def pack(self, full: Tensor) -> Tensor:
        """[B,H,L,D/H] as [N,D]."""
        flat = full.transpose(1, 2).reshape(self.rows * self.length, -1)
        return flat.index_select(0, self.places)


def decoder_states(model: Any, source: Tensor, decoder_input: Tensor, real: Tensor) -> Tensor:
    """States of the last decoder layer at real target positions, [N,D], row after row.

    Args:
        model: a MarianModel (`MarianMTModel.model`), in training or evaluating mode.
        source: [B,S] ids, padded with the padding id.
        decoder_input: [B,T] ids; what stands at padding does not matter.
        real: [B,T], True where there is a target.
    """
    known = source != model.config.pad_token_id
    sources, targets = Layout.of(known), Layout.of(real)
    encoded = encoder_states(model.encoder, source, known)
    causal = torch.ones(targets.length, targets.length, dtype=torch.bool, device=source.device)
    before, in_source = _bias(causal.tril(), encoded), _bias(known[:, None, None], encoded)
    decoder = model.decoder
    hidden = _embed(decoder, decoder_input, targets)
    for layer in decoder.layers:
        attended = _attend(layer.self_attn, hidden, hidden, targets, targets, before)
        hidden = _add(layer, hidden, attended, layer.self_attn_layer_norm)
        attended = _attend(layer.encoder_attn, hidden, encoded, targets, sources, in_source)
        hidden = _add(layer, hidden, attended, layer.encoder_attn_layer_norm)
        hidden = _feed_forward(layer, hidden)
    return hidden


def encoder_states(encoder: Any, source: Tensor, known: Tensor) -> Tensor:
    """States of the last encoder layer at real positions, [N,D], row after row.

    Args:
        encoder: a MarianEncoder.
        source: [B,S] ids.
        known: [B,S], True where a position is no padding.
    """
    layout = Layout.of(known)
    hidden = _embed(encoder, source, layout)
    bias = _bias(known[:, None, None], hidden)
    for layer in encoder.layers:
        attended = _attend(layer.self_attn, hidden, hidden, layout, layout, bias)
        hidden = _add(layer, hidden, attended, layer.self_attn_layer_norm)
        hidden = _feed_forward(layer, hidden)
    return hidden


def _embed(stack: Any, ids: Tensor, layout: Layout) -> Tensor:
    pieces = stack.embed_tokens(ids.flatten()[layout.places]) * stack.embed_scale
    positions = stack.embed_positions.weight[layout.places % layout.length]
    return functional.dropout(pieces + positions, stack.dropout, stack.training)


def _bias(allowed: Tensor, like: Tensor) -> Tensor:
    """What is added to the scores of keys: nothing, or minus infinity."""
    return torch.zeros_like(allowed, dtype=like.dtype).masked_fill_(~allowed, float("-inf"))


def _attend(
    attention: Any, hidden: Tensor, keys: Tensor, asking: Layout, asked: Layout, bias: Tensor
) -> Tensor:
    """Multi-head attention of packed `hidden` over packed `keys`; bias: broadcast to [B,H,T,S]."""
    heads = attention.num_heads
    query = asking.spread(attention.q_proj(hidden) * attention.scaling, heads)
    key = asked.spread(attention.k_proj(keys), heads)
    value = asked.spread(attention.v_proj(keys), heads)
    weights = torch.softmax(query @ key.transpose(2, 3) + bias, dim=-1)
    weights = functional.dropout(weights, attention.dropout, attention.training)
    attended: Tensor = attention.out_proj(asking.pack(weights @ value))
    return attended


def _feed_forward(layer: Any, hidden: Tensor) -> Tensor:
    wide = layer.activation_fn(layer.fc1(hidden))
    wide = functional.dropout(wide, layer.activation_dropout, layer.training)
    return _add(layer, hidden, layer.fc2(wide), layer.final_layer_norm)


def _add(layer: Any, hidden: Tensor, change: Tensor, norm: Any) -> Tensor:
    added: Tensor = norm(hidden + functional.dropout(change, layer.dropout, layer.training))
    return added
