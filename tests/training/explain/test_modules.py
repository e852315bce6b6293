"""Parts, distances, criticality: a planted change is found where it was planted, and measured."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

import pytest
import torch

from lingraft.training.errors import DataError, ParentError
from lingraft.training.explain.criticality import Criticality, criticality
from lingraft.training.explain.distance import distances
from lingraft.training.explain.parts import parts_of
from lingraft.training.explain.reuse import Probe, explain_reuse
from lingraft.training.explain.swap import dev_loss, fresh_weights, kept, put
from lingraft.training.models.classifier import ClassificationLoss
from lingraft.training.models.marian import (
    TranslationLoss,
    digest_of,
    new_model,
    weights_of,
)

from .conftest import PAD, SHAPE, Batches

Train = Callable[..., None]
FFN = "model.model.encoder.layers.1.fc2.weight"


def _plant(module: TranslationLoss, name: str = FFN) -> None:
    """Move one module, and nothing else, by 0.1 in every weight of one matrix.

    Up and down in turn: the layer norm would take a common shift out again.
    """
    with torch.no_grad():
        weight = module.get_parameter(name)
        signs = (torch.arange(weight.numel()) % 2 * 2 - 1).view_as(weight)
        signs[1::2] *= -1
        weight.add_(0.1 * signs)


def test_every_parameter_is_in_one_part(
    translator: TranslationLoss, classifier: ClassificationLoss
) -> None:
    """At both granularities, for translation and classification; positions are not learnt."""
    for module in (translator, classifier):
        for granularity in ("module", "layer"):
            parts = parts_of(module, granularity)
            names = [name for part in parts for name in part.weights]
            assert len(set(names)) == len(names)
            learnt = {name for name, _ in module.named_parameters() if "positions" not in name}
            assert set(names) == learnt
    assert [part.name for part in parts_of(translator)] == [
        "embeddings",
        "encoder.0.self_attention",
        "encoder.0.ffn",
        "encoder.1.self_attention",
        "encoder.1.ffn",
        "decoder.0.self_attention",
        "decoder.0.cross_attention",
        "decoder.0.ffn",
    ]
    layers = [part.name for part in parts_of(translator, "layer")]
    assert layers == ["embeddings", "encoder.0", "encoder.1", "decoder.0"]


def test_the_distance_of_a_planted_change_is_exact(translator: TranslationLoss) -> None:
    """0.1 in each of 16 x 16 weights is 1.6; nothing else moved."""
    parent = weights_of(translator)
    _plant(translator)
    parts = parts_of(translator)
    moved = distances(weights_of(translator), parent, parts)
    assert moved["encoder.1.ffn"].distance == pytest.approx(1.6, rel=1e-5)
    ffn = next(part for part in parts if part.name == "encoder.1.ffn")
    norm = math.sqrt(sum(float(parent[name].double().square().sum()) for name in ffn.weights))
    assert moved["encoder.1.ffn"].relative == pytest.approx(1.6 / norm, rel=1e-5)
    assert moved["encoder.1.ffn"].weights == 2 * 16 * 16 + 4 * 16
    assert {m.distance for name, m in moved.items() if name != "encoder.1.ffn"} == {0.0}


def test_rewinding_the_only_change_brings_back_the_parents_loss(
    translator: TranslationLoss, batches: Batches
) -> None:
    """To the last bit; rewinding any other module changes nothing."""
    parent, loss = weights_of(translator), dev_loss(translator, batches)
    before = loss()
    _plant(translator)
    now = loss()
    assert now != before
    found = criticality(translator, loss, parent, [parent], parts_of(translator))
    assert found["encoder.1.ffn"].rewound == before
    assert {c.rewound for name, c in found.items() if name != "encoder.1.ffn"} == {now}
    assert {c.child for c in found.values()} == {now}
    line = found["encoder.1.ffn"].line
    assert line[0] == (0.0, before)
    assert line[-1] == (1.0, now)
    assert [at for at, _ in line] == [0.0, 0.25, 0.5, 0.75, 1.0]


def test_random_weights_in_a_learnt_module_cost(
    translator: TranslationLoss, batches: Batches, trained: Train
) -> None:
    """A module that the parent had learnt already is worth much, and nearly all the parent's."""
    trained(translator, batches, 25)
    parent = weights_of(translator)
    trained(translator, batches, 2)
    fresh = fresh_weights(translator)
    found = criticality(
        translator,
        dev_loss(translator, batches),
        parent,
        [fresh(1), fresh(2)],
        parts_of(translator),
    )
    embeddings = found["embeddings"]
    assert embeddings.reinitialise_cost > 0.5
    assert len(set(embeddings.reinitialised)) == 2
    assert embeddings.from_parent is not None
    assert embeddings.from_parent > 0.8


def test_of_a_part_that_is_worth_nothing_no_share_is_told() -> None:
    """Noise over noise would be a figure; the parent's share is told from 0.02 nats up."""
    worthless = Criticality(child=2.0, rewound=1.99, reinitialised=(2.01, 2.0), line=())
    assert worthless.from_parent is None
    half = Criticality(child=2.0, rewound=2.5, reinitialised=(2.9, 3.1), line=())
    assert half.from_parent == pytest.approx(0.5)


def test_fresh_weights_are_those_of_a_new_model(translator: TranslationLoss) -> None:
    """The same initialiser, by seed; and the random numbers of the process are not touched."""
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    fresh = fresh_weights(translator)(7)
    assert torch.equal(torch.rand(1), expected)
    other = weights_of(TranslationLoss(new_model(SHAPE, PAD + 1, seed=7), 0.0))
    assert fresh.keys() == other.keys()
    assert all(torch.equal(fresh[name], other[name]) for name in fresh)


def test_a_model_is_left_as_it_was_even_when_measuring_fails(
    translator: TranslationLoss,
) -> None:
    """Weights to the last bit, and the mode of each submodule by itself."""
    translator.train()
    translator.model.model.encoder.eval()  # frozen, say
    before = digest_of(translator)
    modes = [module.training for module in translator.modules()]

    def fails() -> float:
        if digest_of(translator) != before:
            raise MemoryError
        return 1.0

    fresh = fresh_weights(translator)(2)
    with pytest.raises(MemoryError):
        criticality(translator, fails, fresh, [fresh], parts_of(translator))
    assert digest_of(translator) == before
    assert [module.training for module in translator.modules()] == modes


def test_weights_put_in_for_a_while_are_taken_out_again(translator: TranslationLoss) -> None:
    """Tied weights follow both ways."""
    before = digest_of(translator)
    with kept(translator):
        put(translator, fresh_weights(translator)(2))
        inside = translator.model
        assert not inside.training
        assert inside.lm_head.weight is inside.get_input_embeddings().weight
        assert digest_of(translator) != before
    assert digest_of(translator) == before
    assert translator.model.training


def test_a_parent_of_another_shape_is_refused_with_the_mend(translator: TranslationLoss) -> None:
    """As when its vocabulary was not fitted to the child yet."""
    wider = weights_of(TranslationLoss(new_model(SHAPE, PAD + 5, seed=1), 0.0))
    with pytest.raises(ParentError, match=r"differ in 2 weights .*after its vocabulary was fitted"):
        distances(weights_of(translator), wider, parts_of(translator))


def test_without_dev_text_nothing_is_explained(translator: TranslationLoss) -> None:
    """One message, rather than a division by zero."""
    with pytest.raises(DataError, match="no dev sentence"):
        dev_loss(translator, [])


PROBE = Probe(line_points=3, barrier_points=3, seeds=(1,))


def test_all_readings_find_the_planted_module(
    translator: TranslationLoss, batches: Batches
) -> None:
    """Most moved, most costly to rewind; the losses are those of parent and child."""
    parent, loss = weights_of(translator), dev_loss(translator, batches)
    before = loss()
    _plant(translator)
    digest = digest_of(translator)
    reuse = explain_reuse(
        translator, parent, fresh_weights(translator), batches, pad=PAD, probe=PROBE
    )
    assert digest_of(translator) == digest
    assert (reuse.parent_loss, reuse.child_loss) == (before, loss())
    assert reuse.sentences == 40
    moved = {m.name for m in reuse.modules if m.moved.distance > 0}
    costly = {m.name for m in reuse.modules if m.criticality.rewind_cost != 0}
    assert moved == costly == {"encoder.1.ffn"}
    layers = dict(reuse.layers)
    assert list(layers) == ["encoder.0", "encoder.1", "decoder.0"]
    assert layers["encoder.0"] == pytest.approx(1, abs=1e-9)
    assert layers["encoder.1"] < 0.999
    content = json.loads(json.dumps(reuse.as_dict(), allow_nan=False))
    assert content["modules"][4]["module"] == "encoder.1.ffn"
    assert len(content["barrier"]["line"]) == 3


def test_a_classifier_is_explained_too(
    classifier: ClassificationLoss, labelled: Batches, trained: Train
) -> None:
    """Encoder layers and head alone; the head has no CKA, and JSON says null."""
    parent = weights_of(classifier)
    trained(classifier, labelled, 15)
    reuse = explain_reuse(
        classifier, parent, fresh_weights(classifier), labelled, pad=PAD, probe=PROBE
    )
    assert [name for name, _ in reuse.layers] == ["encoder.0", "encoder.1"]
    assert reuse.child_loss < reuse.parent_loss
    head = reuse.modules[-1].as_dict()
    assert (head["module"], head["cka"]) == ("head", None)
    assert head["rewind_cost"] > 0
