"""Vocabulary transfer through the whole journey: pieces, rows, the parent's own tongues, bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from lingraft.training.errors import RecipeError
from lingraft.training.graft import Graft, graft
from lingraft.training.models.marian import load_model, weights_of
from lingraft.training.parents.find import find_parent
from lingraft.training.pipeline import Options, Outcome, run_graft
from lingraft.training.recipe.loading import load_recipe
from lingraft.training.vocabulary.codec import SPM_FILE, codec_of, load_codec
from lingraft.training.vocabulary.matching import extends, matches
from lingraft.v1.bundle_pb2 import PRECISION_FP32

_ARMS = ("random-parent", "random-rows")
_ACCEPTED = Options(accepted_negative="a test of the journey")


def _rows(folder: Path) -> torch.Tensor:
    return weights_of(load_model(folder))["model.shared.weight"]


def _parity(outcome: Outcome) -> float:
    (share,) = (s.identical_share for s in outcome.bundle.graphs if s.precision == PRECISION_FP32)
    return share


@pytest.fixture(scope="module")
def extended(bench: Any, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """The child's pieces behind the parent's, down to the bundle; the parent's tongue is tested."""
    recipe = bench.recipe("extend", arms=_ARMS, parent_test=[bench.source("test", "fr")])
    return run_graft(recipe, tmp_path_factory.mktemp("extend"), _ACCEPTED)


def test_the_bundle_of_an_extended_vocabulary_has_the_derived_tokenizer(
    bench: Any, extended: Outcome
) -> None:
    """Its pieces begin with the parent's, and its graphs answer as the model does."""
    parent = find_parent(str(bench.parent)).codec
    derived = load_codec(extended.folder.parent / "vocabulary-graft")
    shipped = codec_of((extended.folder / SPM_FILE).read_bytes())
    assert shipped.spm.serialized_model_proto() == derived.spm.serialized_model_proto()
    assert extends(parent, shipped)
    assert shipped.pad > parent.pad
    assert _parity(extended) == 1.0
    told = extended.report["transfer"]["vocabulary"]
    assert (told["method"], told["initialisation"]) == ("extend", "align")
    assert told["pieces"] == shipped.pad + 1
    assert told["fertility"]["yo"] < told["fertility_before"]["yo"]


def test_random_rows_explain_the_gain_and_are_nothing_to_beat(extended: Outcome) -> None:
    """They stand in the report with their own difference, and are never the baseline."""
    for result in (*extended.report["dev"], *extended.report["results"]):
        arms = {arm["name"]: arm for arm in result["arms"]}
        assert arms.keys() == {"graft", "random-parent", "random-rows", "parent"}
        assert "gain" in arms["random-rows"]
        assert result["baseline"] in ("random-parent", "parent")
    controls = [
        next(arm["scores"][0] for arm in result["arms"] if arm["name"] == "random-parent")
        for result in extended.report["results"][:2]
    ]
    assert [round(p.transfer.scratch.value, 2) for p in extended.bundle.pairs] == controls


def test_the_parent_alone_and_what_it_forgot_are_measured_under_new_pieces(
    extended: Outcome,
) -> None:
    """The parent answers before and after in its own direction; before, with its own pieces."""
    forgotten = {each["direction"]: each for each in extended.report["forgetting"]}
    assert forgotten.keys() == {"en-fr", "fr-en"}
    assert all(each["before"] > 20 for each in forgotten.values())
    parent = next(a for a in extended.report["results"][0]["arms"] if a["name"] == "parent")
    assert 0 <= parent["scores"][0] < 60


def test_directions_that_were_never_paired_are_scored(extended: Outcome) -> None:
    """French and Yoruba meet over the English that both tests share, by their tags alone."""
    zero_shot = {
        r["direction"]: r for r in extended.report["results"] if "zero-shot" in r["test_set"]
    }
    assert zero_shot.keys() == {"fr-yo", "yo-fr"}
    assert all(result["sentences"] == 6 for result in zero_shot.values())
    assert {p.source_language + p.target_language for p in extended.bundle.pairs} == {
        "enyo",
        "yoen",
    }


@pytest.fixture(scope="module")
def replaced(bench: Any, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """New pieces, of which those that the parent has too keep their row."""
    recipe = bench.recipe("replace-match", arms=_ARMS, parent_test=[bench.source("test", "fr")])
    return run_graft(recipe, tmp_path_factory.mktemp("replace"), _ACCEPTED)


def test_the_bundle_of_a_replaced_vocabulary_has_the_new_tokenizer(
    bench: Any, replaced: Outcome
) -> None:
    """None of the parent's order is left, and the graphs still answer as the model does."""
    parent = find_parent(str(bench.parent)).codec
    shipped = codec_of((replaced.folder / SPM_FILE).read_bytes())
    assert not extends(parent, shipped)
    assert shipped.pad + 1 == 350
    assert _parity(replaced) == 1.0
    assert [each["direction"] for each in replaced.report["forgetting"]] == ["en-fr", "fr-en"]


def test_matched_rows_are_the_parents_and_random_ones_are_not(
    bench: Any, replaced: Outcome
) -> None:
    """Before training: the graft's start holds the parent's row of the same piece."""
    parent, output = find_parent(str(bench.parent)), replaced.folder.parent
    before = _rows(parent.folder)
    codec = load_codec(output / "vocabulary-graft")
    found = torch.tensor(matches(parent.codec, codec, "match"))
    # End of sentence, unknown piece and tags are nobody's text: all starts copy those.
    free = torch.tensor(matches(parent.codec, codec, "random")) < 0
    same = ((found >= 0) & free).nonzero().squeeze(1)
    assert len(same) > 50
    assert torch.equal(_rows(output / "vocabulary-graft")[same], before[found[same]])
    drawn = _rows(output / "vocabulary-random-rows")[same]
    assert not (drawn == before[found[same]]).all(dim=1).any()


def _methods(bench: Any, output: Path, *names: str) -> dict[str, Graft]:
    return {name: graft(bench.recipe(name), output / name) for name in names}


def test_ways_to_begin_rows_are_counted(bench: Any, tmp_path: Path) -> None:
    """Every piece once: copied, averaged or drawn, as the recipe says."""
    made = _methods(bench, tmp_path, "replace-random", "replace-align")
    origins = {name: each.transferred.origin for name, each in made.items()}
    counts = {name: origin.counts for name, origin in origins.items() if origin}
    assert counts["replace-align"]["aligned"] > 0
    assert counts["replace-align"]["copied"] > counts["replace-random"]["copied"]
    assert counts["replace-random"]["random"] > 250
    assert {name: sum(each.values()) for name, each in counts.items()} == {
        "replace-random": 335,
        "replace-align": 349,
    }


def test_new_pieces_have_a_tag_for_every_tongue_that_is_tested(bench: Any, tmp_path: Path) -> None:
    """The parent's own too, though no text of it is trained on: else nothing tells what it lost."""
    recipe = bench.recipe("replace-random", parent_test=[bench.source("test", "fr")])
    codec = bench.begun(recipe, tmp_path).graft.codec
    assert all(map(codec.has_language, ("en", "yo", "fr")))


def test_random_rows_without_new_rows_are_refused(bench: Any, tmp_path: Path) -> None:
    """There is nothing to draw where the parent's pieces are kept."""
    with pytest.raises(RecipeError, match="random-rows has no rows to draw"):
        bench.begun(bench.recipe("full", arms=_ARMS), tmp_path)


def test_an_ablation_alone_is_no_control(bench: Any, tmp_path: Path) -> None:
    """Said before anything trains, with what to add."""
    with pytest.raises(RecipeError, match="nothing to beat; add scratch or random-parent"):
        bench.begun(bench.recipe("extend", arms=("random-rows",)), tmp_path)


def test_the_shipped_recipes_compare_new_rows_with_random_ones() -> None:
    """As the table of the field has it: random rows < matched < aligned."""
    for name in ("extend", "replace-match", "replace-align"):
        assert "random-rows" in load_recipe(f"methods/{name}").controls.arms  # type: ignore[union-attr]
