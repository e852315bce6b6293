"""Parameter transfer through the journey: what trains, how far, and which arms it concerns."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from lingraft.training.errors import ParentError
from lingraft.training.experiment.stages import through_stages
from lingraft.training.experiment.texts import load_data
from lingraft.training.gate.significance import GRAFT
from lingraft.training.graft import Graft, graft
from lingraft.training.models.marian import load_model, weights_of
from lingraft.training.recipe.adaptation import Adaptation
from lingraft.training.report.translation import translation_report
from lingraft.training.vocabulary.codec import load_codec

Weights = dict[str, Tensor]


def _before(graft: Graft) -> Weights:
    return weights_of(load_model(graft.parent.folder))


def _unmoved(graft: Graft) -> set[str]:
    """Names of the weights that are the parent's, bit for bit."""
    before, after = _before(graft), weights_of(graft.model)
    assert before.keys() == after.keys()
    return {name for name in before if torch.equal(before[name], after[name])}


def _distance(graft: Graft, part: str = "") -> float:
    """How far the weights whose names begin with `part` are from the parent's, relatively."""
    before, after = _before(graft), weights_of(graft.model)
    names = [name for name in before if name.startswith(part) and before[name].is_floating_point()]
    moved = sum(float((after[n] - before[n]).square().sum()) for n in names)
    return float((moved / sum(float(before[n].square().sum()) for n in names)) ** 0.5)


def _last_stage(graft: Graft) -> dict[str, Any]:
    stage: dict[str, Any] = translation_report(graft, examples=False)["transfer"]["stages"][-1]
    return stage


def test_full_training_moves_every_layer(full: Graft) -> None:
    """All but what has no gradient: positions are fixed, and padding is nobody's row."""
    still = {name for name in _unmoved(full) if "embed_positions" not in name}
    assert not {name for name in still if ".layers." in name or "shared" in name}
    assert _last_stage(full)["optimiser"] == "reset"


def test_frozen_parts_are_the_parents_bit_for_bit(bench: Any, tmp_path: Path) -> None:
    """In the model that is served, under the names that the recipe gives; the report says which."""
    made = graft(bench.recipe("frozen"), tmp_path)
    encoder = {name for name in _before(made) if name.startswith("model.encoder.layers.")}
    assert encoder
    assert encoder <= _unmoved(made)
    assert not {name for name in _unmoved(made) if name.startswith("model.decoder.layers.")}
    assert _last_stage(made)["frozen"] == ["model.encoder.layers.*"]


def test_gradual_unfreezing_opens_from_the_top(bench: Any, tmp_path: Path) -> None:
    """After 12 steps with a new layer every 8: decoder and encoder have moved, embeddings not."""
    recipe = bench.recipe("gradual")
    adaptation = recipe.adaptation.model_copy(update={"unfreeze_every": 8})
    made = graft(recipe.model_copy(update={"adaptation": adaptation}), tmp_path)
    assert "model.shared.weight" in _unmoved(made)
    assert not {name for name in _unmoved(made) if ".layers." in name}
    decoder, encoder = (_distance(made, f"model.{side}.layers.") for side in ("decoder", "encoder"))
    assert 0 < encoder < decoder / 1.5
    assert _last_stage(made)["layer_decay"] == 0.8


def test_the_stronger_the_pull_the_nearer_the_parent(
    bench: Any, full: Graft, tmp_path: Path
) -> None:
    """L2-SP: none, the recipe's, and a hundred times as much."""
    recipe = bench.recipe("l2-sp")
    assert recipe.adaptation.l2_sp > 0
    strong = recipe.adaptation.model_copy(update={"l2_sp": 100 * recipe.adaptation.l2_sp})
    weak = graft(recipe, tmp_path / "weak")
    held = graft(recipe.model_copy(update={"adaptation": strong}), tmp_path / "strong")
    assert _distance(held) < _distance(weak) < _distance(full)
    assert _last_stage(weak)["l2_sp"] == recipe.adaptation.l2_sp


def test_interpolation_serves_weights_part_of_the_way_back(
    bench: Any, full: Graft, tmp_path: Path
) -> None:
    """So far as dev text of the parent's own direction asks for it."""
    recipe = bench.recipe("interpolate", rehearsal=[], parent_dev=[bench.source("dev", "fr")])
    half = recipe.interpolation.model_copy(update={"shares": (0.5,)})
    made = graft(recipe.model_copy(update={"interpolation": half}), tmp_path)
    assert [each.share for each in made.interpolated] == [0.5]
    assert _distance(made) == pytest.approx(_distance(full) / 2, rel=1e-3)


def test_rehearsal_that_the_parent_teaches_keeps_what_the_parent_does(
    bench: Any, tmp_path: Path
) -> None:
    """The next pieces that it expects in its own languages stay nearer to the parent's than
    references leave them, and the child still learns."""
    old = bench.source("test", "fr")
    kept = bench.recipe("without-forgetting", parent_test=[old])
    told = kept.model_copy(update={"rehearse": "references"})
    guided, plain = (graft(r, tmp_path / r.rehearse) for r in (kept, told))
    assert _divergence(guided, Path(old.path)) < _divergence(plain, Path(old.path))
    assert guided.test.comparisons[0].scores[GRAFT].mean > 10


def _divergence(made: Graft, pairs: Path) -> float:
    """KL divergence of the child's next pieces from the parent's, in nats a piece, en to fr."""
    codec, parent = load_codec(made.parent.folder), load_model(made.parent.folder)
    found = []
    for line in pairs.read_text(encoding="utf-8").splitlines():
        english, french = line.split("\t")
        source = torch.tensor([codec.encode_source(english, "en", "fr")])
        labels = torch.tensor([codec.encode_target(french, "fr")])
        with torch.inference_mode():
            old, new = (
                model.eval()(input_ids=source, labels=labels).logits.double().log_softmax(-1)
                for model in (parent, made.model)
            )
        terms = torch.where(old.exp() > 0, old.exp() * (old - new), 0.0)  # padding has none
        found.append(terms.sum(-1).mean())
    return float(torch.stack(found).mean())


def test_lora_moves_its_targets_by_a_low_rank_and_is_merged(bench: Any, tmp_path: Path) -> None:
    """What is served is a plain model: no adapter is left, and all else is the parent's."""
    recipe = bench.recipe("lora")
    lora = recipe.adaptation.lora.model_copy(update={"rank": 4})
    adaptation = recipe.adaptation.model_copy(update={"lora": lora})
    made = graft(recipe.model_copy(update={"adaptation": adaptation}), tmp_path)
    before, after = _before(made), weights_of(made.model)
    still = _unmoved(made)
    norms = {name for name in before if "layer_norm" in name}
    assert norms
    assert norms <= still
    moved = {name for name in before if name.endswith("q_proj.weight")}
    assert moved
    for name in moved:
        change = (after[name] - before[name]).double()
        values = torch.linalg.svdvals(change)
        assert values[0] > 0
        assert values[4] < 1e-4 * values[0]
    assert "model.shared.weight" not in still  # the recipe trains embeddings: pieces are new


def test_adams_moments_are_kept_where_the_recipe_says_so(
    bench: Any, full: Graft, tmp_path: Path
) -> None:
    """The run says so, the report says so, and the weights are not those of a reset."""
    made = graft(bench.recipe("optimizer-kept"), tmp_path)
    assert made.arms["graft"].first.state.optimizer == "keep"
    assert made.arms["random-parent"].first.state.optimizer == "reset"
    assert _last_stage(made)["optimiser"] == "kept"
    assert _distance(made) != _distance(full)


def test_moments_of_a_parent_that_left_none_are_refused(bench: Any, tmp_path: Path) -> None:
    """In one sentence with its mend, before a step is trained."""
    bare = tmp_path / "bare"
    shutil.copytree(bench.parent, bare)
    with pytest.raises(ParentError) as caught:
        graft(bench.recipe("optimizer-kept", parent=str(bare)), tmp_path / "run")
    assert "\n" not in str(caught.value)
    assert 'optimizer = "keep" needs checkpoint/optimizer.pt' in str(caught.value)
    assert 'set optimizer = "reset"' in str(caught.value)
    assert not list(tmp_path.rglob("state.json"))


def test_an_adaptation_reaches_only_arms_that_start_from_a_parent(
    bench: Any, shuffled_parent: Path, tmp_path: Path
) -> None:
    """Random weights held still, or pulled to where they were drawn, would be no fair control."""
    arms = ("scratch", "random-parent", "shuffled-parent", "random-rows")
    recipe = bench.recipe("extend", arms=arms, shuffled=shuffled_parent)
    adaptation = Adaptation(method="frozen", frozen=["model.encoder.layers.*"])
    begun = bench.begun(recipe.model_copy(update={"adaptation": adaptation}), tmp_path)
    found = {start.name: start.adaptation for start in begun.starts}
    assert found == {
        "graft": adaptation,
        "shuffled-parent": adaptation,
        "random-rows": adaptation,
        "scratch": Adaptation(),
        "random-parent": Adaptation(),
    }
    assert {s.name for s in begun.starts if s.inherits} == {
        "graft",
        "shuffled-parent",
        "random-rows",
    }


def test_a_stages_adaptation_reaches_the_same_arms(bench: Any, tmp_path: Path) -> None:
    """The graft's encoder stands still in the stage; that of random weights is trained."""
    recipe = bench.recipe("denoise")
    frozen = Adaptation(method="frozen", frozen=["model.encoder.layers.*"])
    stage = recipe.stages[0].model_copy(update={"adaptation": frozen})
    recipe = recipe.model_copy(update={"stages": [stage]})
    data, name = load_data(recipe), "model.encoder.layers.0.fc1.weight"
    still = {}
    for start in bench.begun(recipe, tmp_path).starts:
        staged = through_stages(start, recipe, data, 1, tmp_path)
        assert staged.weights is not None
        began = weights_of(start.make(0.0, 1))
        still[start.name] = torch.equal(staged.weights[name], began[name])
    assert still == {"graft": True, "random-parent": False}
