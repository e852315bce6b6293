"""An encoder that reads longer texts than it was trained with."""

from __future__ import annotations

import numpy as np
import onnxruntime as ort
import torch
from torch import Tensor

from lingraft.training.export import to_arrays
from lingraft.training.export.classifier import classifier_graph
from lingraft.training.models.classifier import SequenceClassifier, logits
from lingraft.training.models.marian import new_model, weights_of
from lingraft.training.models.positions import lengthened
from lingraft.training.recipe.settings import Shape

SHAPE = Shape(d_model=16, ffn=16, heads=2, encoder_layers=1, decoder_layers=1, max_positions=20)
PIECES, PAD = 40, 39


def _states(model: torch.nn.Module, row: list[int]) -> Tensor:
    with torch.inference_mode():
        states: Tensor = model.eval()(input_ids=torch.tensor([row])).last_hidden_state
    return states


def test_a_lengthened_encoder_reads_short_texts_as_before_and_long_ones_whole() -> None:
    """No weight is added, so its checkpoints and its parent's are of one kind."""
    plain, model = (new_model(SHAPE, PIECES, seed=1) for _ in range(2))
    weights = weights_of(model)
    longer = lengthened(model, 50)
    assert weights_of(longer).keys() == weights.keys()
    assert longer.config.max_position_embeddings == 50
    short = list(range(1, 19))
    torch.testing.assert_close(
        _states(longer.model.encoder, short), _states(plain.model.encoder, short)
    )
    assert _states(longer.model.encoder, short * 2).shape == (1, 36, 16)
    assert not longer.model.encoder.embed_positions.weight.requires_grad
    assert lengthened(longer, 30).config.max_position_embeddings == 50


def test_a_lengthened_classifier_is_exported_with_all_of_its_positions() -> None:
    """The graph says of a long text what the model says."""
    model = lengthened(new_model(SHAPE, PIECES, seed=2), 50)
    classifier = SequenceClassifier(model.model.encoder, 3, PAD, dropout=0.0)
    state = to_arrays(classifier.encoder.state_dict())
    head = to_arrays(classifier.head.state_dict())
    graph = classifier_graph(classifier.encoder.config, state, head["weight"], head["bias"])
    session = ort.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    row = [1 + place % 37 for place in range(48)]
    feeds = {"input_ids": np.array([row]), "lengths": np.array([len(row)])}
    (told,) = session.run(["logits"], feeds)
    np.testing.assert_allclose(told, logits(classifier, [row]), atol=1e-4)
