"""More positions for a Marian encoder than it was trained with."""

from __future__ import annotations

from transformers import MarianMTModel
from transformers.models.marian.modeling_marian import MarianSinusoidalPositionalEmbedding


def lengthened(model: MarianMTModel, positions: int) -> MarianMTModel:
    """The model, whose encoder now reads at least so many positions.

    Sinusoids are computed (Vaswani et al. 2017, section 3.5), so no weight is added or changed.
    What an encoder makes of positions that it never saw is for training to mend.
    """
    encoder = model.model.encoder
    if positions > encoder.config.max_position_embeddings:
        table = MarianSinusoidalPositionalEmbedding(positions, encoder.config.d_model)
        table.weight.data = table.create_weight().to(encoder.embed_positions.weight)
        table.weight.requires_grad_(False)
        encoder.embed_positions = table
        for config in (model.config, encoder.config):
            config.max_position_embeddings = positions
    return model
