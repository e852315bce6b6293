"""The shipped recipes of a classifier's methods, made small, and what each method does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from lingraft.training.classify import ClassifierGraft, classify
from lingraft.training.errors import RecipeError
from lingraft.training.experiment.classification import model_of
from lingraft.training.experiment.labels import load_labels
from lingraft.training.gate.significance import GRAFT
from lingraft.training.manifesting.classification import export_classifier_graft
from lingraft.training.models.marian import load_model, new_model, shape_of, weights_of
from lingraft.training.planning.dry_run import plan
from lingraft.training.recipe.synthesis import GREEDY
from lingraft.training.report.classification import classification_report
from lingraft.training.synthesis.generate import load_translator

Weights = dict[str, Tensor]
RANDOM = "random-parent"


def _encoder(graft: ClassifierGraft, arm: str = GRAFT) -> Weights:
    return weights_of(model_of(graft.arms[arm].best).encoder)


def _same(one: Weights, other: Weights) -> set[str]:
    assert one.keys() == other.keys()
    return {name for name in one if torch.equal(one[name], other[name])}


def _stamps(folder: Path) -> dict[Path, int]:
    return {p: p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file()}


def test_a_frozen_encoder_stays_the_parents_and_the_controls_does_not(
    toy: Any, tmp_path: Path
) -> None:
    """A control whose random encoder stood still would be no control."""
    graft = classify(toy.recipe("frozen-encoder"), tmp_path)
    assert _same(_encoder(graft), toy.encoder) == toy.encoder.keys()
    assert graft.model.head.bias.abs().max() > 0
    whole = load_model(toy.parent)
    random = weights_of(new_model(shape_of(whole), whole.config.vocab_size, 1).model.encoder)
    assert not _same(_encoder(graft, RANDOM), random)
    (stage,) = classification_report(graft, examples=False)["transfer"]["stages"]
    assert (stage["name"], stage["frozen"]) == ("training on labels", ["encoder.*"])


def test_gradual_unfreezing_opens_the_head_first(toy: Any, tmp_path: Path) -> None:
    """While only the head is open, the encoder is the parent's; then its layers move too."""
    few, enough = (
        classify(
            toy.recipe("frozen-encoder", adaptation={"method": "gradual", "unfreeze_every": every}),
            tmp_path / str(every),
        )
        for every in (12, 6)
    )
    assert _same(_encoder(few), toy.encoder) == toy.encoder.keys()
    moved = toy.encoder.keys() - _same(_encoder(enough), toy.encoder)
    assert moved
    assert all(name.startswith("layers.") for name in moved)


def test_lora_moves_the_adapted_layers_alone(toy: Any, tmp_path: Path) -> None:
    """And leaves a plain encoder behind: the adapters are merged."""
    graft = classify(toy.recipe("frozen-encoder", adaptation={"method": "lora"}), tmp_path)
    moved = toy.encoder.keys() - _same(_encoder(graft), toy.encoder)
    assert moved == {f"layers.0.self_attn.{part}_proj.weight" for part in ("q", "v")}


def test_l2_sp_pulls_toward_the_parent_from_after_the_stages_too(toy: Any, tmp_path: Path) -> None:
    """Not toward what masked-LM training left."""
    parent = toy.encoder

    def moved(strength: float) -> float:
        adaptation = {"method": "full", "l2_sp": strength}
        graft = classify(toy.recipe("masked-lm", adaptation=adaptation), tmp_path / str(strength))
        return sum(float((w - parent[n]).square().sum()) for n, w in _encoder(graft).items())

    free = moved(0.0)
    stage = tmp_path / "0.0" / GRAFT / "stages" / "seed-1" / "1-masked-lm" / "best.safetensors"
    masked = {n.removeprefix("encoder."): w for n, w in load_file(stage).items()}
    after = sum(float((masked[n] - w).square().sum()) for n, w in parent.items())
    assert moved(100.0) < min(after, free) / 2


def test_the_parents_moments_are_kept_where_asked(toy: Any, tmp_path: Path) -> None:
    """Of the encoder; the head has none. The report says so."""
    graft = classify(toy.recipe("frozen-encoder", adaptation={"optimizer": "keep"}), tmp_path)
    assert graft.arms[GRAFT].first.state.optimizer == "keep"
    assert graft.arms[RANDOM].first.state.optimizer != "keep"
    (stage,) = classification_report(graft, examples=False)["transfer"]["stages"]
    assert stage["optimiser"] == "kept"


def test_few_shots_are_as_many_of_each_label_as_asked(toy: Any, tmp_path: Path) -> None:
    """Beside all rows of the other languages; fewer are among more."""
    recipe = toy.recipe("few-shot")
    graft = classify(recipe, tmp_path)
    shots = [row for row in graft.data.train if row[2] == "yo"]
    assert sorted(row[1] for row in shots) == ["other"] * 16 + ["trade"] * 16
    assert sum(row[2] == "en" for row in graft.data.train) == 120
    fewer = [source.model_copy(update={"per_label": 4}) for source in recipe.train]
    drawn = load_labels(recipe.model_copy(update={"train": fewer})).train
    assert {row for row in drawn if row[2] == "yo"} < set(shots)


def test_masked_lm_comes_before_the_labels(toy: Any, tmp_path: Path) -> None:
    """It learns from text without labels, its encoder is what the labels are learnt on, and the
    bundle names the text."""
    frozen = {"method": "frozen", "frozen": ["encoder.*"]}
    recipe = toy.recipe("masked-lm", adaptation=frozen)
    graft = classify(recipe, tmp_path)
    moved = toy.encoder.keys() - _same(_encoder(graft), toy.encoder)
    assert "layers.0.fc1.weight" in moved
    for arm in (GRAFT, RANDOM):
        stage = tmp_path / arm / "stages" / "seed-1" / "1-masked-lm"
        state = json.loads((stage / "checkpoint" / "state.json").read_text(encoding="utf-8"))
        assert state["step"] == 12
    before = _stamps(tmp_path)
    assert _encoder(classify(recipe, tmp_path)).keys() == toy.encoder.keys()
    assert _stamps(tmp_path) == before
    stages = classification_report(graft, examples=False)["transfer"]["stages"]
    assert [stage["method"] for stage in stages] == ["masked-lm", "frozen"]
    facts = export_classifier_graft(graft, tmp_path / "bundle", {}, "a toy may do harm")
    assert [(s.name, s.licence, s.examples) for s in facts.data_sources] == [
        ("sib200 en", "CC-BY-SA-4.0", 120),
        ("sib200 fr", "CC-BY-SA-4.0", 120),
        ("yo-wikipedia", "CC-BY-SA-3.0", 128),
    ]


def test_translated_rows_take_their_labels_along(toy: Any, tmp_path: Path) -> None:
    """Translated once for all arms, TF-IDF among them; a repeated command translates nothing."""
    recipe = toy.recipe("translate-train", seeds=2)
    graft = classify(recipe, tmp_path)
    rows = [row for row in graft.data.train if row[2] == "fr"]
    assert graft.languages == ("en", "fr")
    english = [row for row in graft.data.train if row[2] == "en"]
    teacher = load_translator(str(toy.parent), ["en", "fr"], tmp_path / "teacher", GREEDY)
    made = teacher.translate([row[0] for row in english], "en", "fr")
    kept = [(text, row[1], "fr") for text, row in zip(made, english, strict=True)]
    assert 60 < len(rows) == sum(row in rows for row in kept)
    assert len(list((tmp_path / "teacher").iterdir())) == 1
    before = _stamps(tmp_path)
    classify(recipe, tmp_path)
    assert _stamps(tmp_path) == before
    first, _ = classification_report(graft, examples=False)["transfer"]["stages"]
    assert first["data"] == [f"into fr: {graft.data.sifted['fr']}"]


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        (
            {"stages": [{"method": "denoise", "training": {"max_steps": 12}}]},
            "denoise belongs to a translation graft; a classifier has masked-lm, translate-train",
        ),
        ({"monolingual": []}, "masked-lm needs [[monolingual]] text, and there is none"),
    ],
)
def test_stages_that_cannot_be_are_refused_before_anything_trains(
    toy: Any, tmp_path: Path, changes: dict[str, Any], fault: str
) -> None:
    """One message; nothing is written."""
    recipe = toy.recipe("masked-lm", **changes)
    with pytest.raises(RecipeError) as error:
        classify(recipe, tmp_path)
    assert str(error.value) == f"stages: {fault}"
    assert not list(tmp_path.iterdir())
    with pytest.raises(RecipeError, match=r"^stages: "):
        plan(recipe, tmp_path)
