"""A derived parent: right rows at right ids, read by everybody, made whole and once."""

from __future__ import annotations

import dataclasses
import json
import shutil
import warnings
from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import MarianMTModel, MarianTokenizer

from lingraft.training.embedding.material import Material, Parallel
from lingraft.training.embedding.origin import origin_of
from lingraft.training.embedding.transfer import Transferred, transfer
from lingraft.training.errors import CheckpointError, DataError, ParentError
from lingraft.training.models.marian import load_model
from lingraft.training.parents.find import ParentModel, find_parent
from lingraft.training.recipe.pieces import VocabularyTransfer
from lingraft.training.vocabulary.codec import Codec

SENTENCES = 400  # more would be the same ones again
EXTEND = VocabularyTransfer(
    method="extend", size=20, rows="random", languages=["fr"], sentences_per_language=SENTENCES
)
ALIGNED = VocabularyTransfer(
    method="extend", size=20, rows="align", sentences_per_language=SENTENCES
)
REPLACE = VocabularyTransfer(
    method="replace", size=306, rows="match", sentences_per_language=SENTENCES
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where this module's derived parents go."""
    return tmp_path_factory.mktemp("derived")


@pytest.fixture(scope="module")
def extended(parent: ParentModel, material: Material, folder: Path) -> Transferred:
    """The parent with random rows for new pieces."""
    return transfer(EXTEND, parent, material, folder / "extended")


@pytest.fixture(scope="module")
def replaced(parent: ParentModel, material: Material, folder: Path) -> Transferred:
    """The parent with a new vocabulary and matched rows."""
    return transfer(REPLACE, parent, material, folder / "replaced")


def _rows(parent: ParentModel) -> Tensor:
    rows: Tensor = load_model(parent.folder).get_input_embeddings().weight.detach()
    return rows


def _logits(model: MarianMTModel, codec: Codec, text: str, answer: str) -> Tensor:
    with torch.no_grad():
        logits: Tensor = model(
            input_ids=torch.tensor([codec.encode_source(text, "en", "fr")]),
            decoder_input_ids=torch.tensor([[codec.pad, *codec.encode_target(answer, "en")]]),
        ).logits[0]
    return logits


def test_an_extension_keeps_every_old_row_and_bias(
    parent: ParentModel, extended: Transferred
) -> None:
    """Old ids, bit for bit; padding has moved to the end, zero and forbidden."""
    before, after = load_model(parent.folder), load_model(extended.parent.folder)
    old, new = parent.codec.pad, extended.parent.codec.pad
    assert new > old
    assert torch.equal(_rows(parent)[:old], _rows(extended.parent)[:old])
    assert torch.equal(before.final_logits_bias[0, :old], after.final_logits_bias[0, :old])
    assert not _rows(extended.parent)[new].any()
    assert _rows(extended.parent)[old:new].any(dim=1).all()
    assert after.final_logits_bias[0, new] == -1e4
    assert (after.config.pad_token_id, after.config.decoder_start_token_id) == (new, new)
    assert after.config.vocab_size == after.config.decoder_vocab_size == new + 1


def test_all_other_weights_are_untouched(parent: ParentModel, extended: Transferred) -> None:
    """Encoder and decoder are the parent's, bit for bit."""
    before = load_model(parent.folder).state_dict()
    after = load_model(extended.parent.folder).state_dict()
    assert before.keys() == after.keys()
    same = [name for name in before if before[name].shape == after[name].shape]
    assert len(same) > 20
    assert all(torch.equal(before[name], after[name]) for name in same)


def test_the_parents_text_means_the_same_after_an_extension(
    parent: ParentModel, extended: Transferred, pairs: list[tuple[str, str]]
) -> None:
    """Where it is cut as before, every old piece has the same logit, bit for bit."""
    old, new = parent.codec, extended.parent.codec
    before, after = load_model(parent.folder).eval(), load_model(extended.parent.folder).eval()
    kept = [t for t, _ in pairs[:20] if new.encode_target(t, "en") == old.encode_target(t, "en")]
    assert len(kept) >= 18
    for text in kept:
        known = _logits(before, old, text, "stone bridge")[:, : old.pad]
        assert torch.equal(known, _logits(after, new, text, "stone bridge")[:, : old.pad])


def test_replaced_rows_are_the_parents_by_piece(parent: ParentModel, replaced: Transferred) -> None:
    """As many as the preview says; biases come along."""
    before, after = load_model(parent.folder), load_model(replaced.parent.folder)
    theirs, ours = _rows(parent), _rows(replaced.parent)
    known = {parent.codec.spm.id_to_piece(i): i for i in range(parent.codec.pad)}
    copied = 0
    for index in range(replaced.parent.codec.pad):
        old = known.get(replaced.parent.codec.spm.id_to_piece(index))
        if old is not None:
            assert torch.equal(theirs[old], ours[index])
            assert before.final_logits_bias[0, old] == after.final_logits_bias[0, index]
            copied += 1
    assert replaced.preview.copied == copied
    assert replaced.preview.by_type == pytest.approx(copied / replaced.parent.codec.pad)
    assert replaced.preview.child_size == 306


def test_aligned_rows_are_near_what_they_translate(
    parent: ParentModel, material: Material, folder: Path
) -> None:
    """Every new piece gets one, and a whole word's row points where its translation's do."""
    aligned = transfer(ALIGNED, parent, material, folder / "aligned")
    assert aligned.origin is not None
    new = range(parent.codec.pad + 1, aligned.parent.codec.pad)  # behind the new tag
    assert aligned.origin.counts["aligned"] == len(new)
    assert aligned.preview.languages["ee"].covered == 1
    rows = _rows(aligned.parent)
    for word, translation in (("fesre", "window"), ("kpe", "stone")):
        mine = rows[aligned.parent.codec.encode_target(word, "ee")[:-1]].mean(0)
        right, wrong = (
            torch.cosine_similarity(mine, rows[parent.codec.encode_target(t, "en")[:-1]].mean(0), 0)
            for t in (translation, "yellow")
        )
        assert right > wrong


@pytest.mark.parametrize("kind", ["extended", "replaced"])
def test_plain_transformers_reads_the_same_ids(
    kind: str, request: pytest.FixtureRequest, pairs: list[tuple[str, str]]
) -> None:
    """Tags, old pieces and new ones."""
    derived: Transferred = request.getfixturevalue(kind)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Recommended: pip install sacremoses")
        marian = MarianTokenizer.from_pretrained(str(derived.parent.folder))
    assert marian.pad_token_id == derived.parent.codec.pad
    for english, ewe in pairs[:20]:
        ids = derived.parent.codec.encode_source(english, "en", "ee")
        assert marian(">>ewe<<" + english).input_ids == ids
        ids = derived.parent.codec.encode_source(ewe, "ee", "en")
        assert marian(">>eng<<" + ewe).input_ids == ids


def test_the_folder_says_where_it_comes_from(parent: ParentModel, extended: Transferred) -> None:
    """Languages and licence are carried on, the type of the weights is kept, the origin is told."""
    found = find_parent(str(extended.parent.folder))
    assert (found.languages, found.licence) == (("en",), "CC0-1.0")
    assert found.sha256 == extended.parent.sha256 != parent.sha256
    assert extended.parent.name == "toy"
    origin = origin_of(found.folder)
    assert origin == extended.origin
    assert origin is not None
    assert (origin.parent, origin.parent_sha256) == ("toy", parent.sha256)
    assert json.loads((found.folder / "config.json").read_text())["dtype"] == "float16"
    assert origin_of(parent.folder) is None


def test_missing_tags_are_there_afterwards(extended: Transferred, replaced: Transferred) -> None:
    """Those of the text and those asked for; a new vocabulary has no others."""
    extended.parent.require_tags(["en", "fr", "ee"])
    replaced.parent.require_tags(["en", "ee"])
    assert not replaced.parent.codec.has_language("fr")


def test_a_derived_parent_can_be_derived_from(
    extended: Transferred, material: Material, folder: Path
) -> None:
    """Stage by stage; the whole line stands in the file."""
    again = transfer(REPLACE, extended.parent, material, folder / "again")
    assert again.origin is not None
    assert again.origin.before is not None
    assert again.origin.before["identity"] == extended.origin.identity  # type: ignore[union-attr]


def test_the_same_inputs_find_the_folder_again(
    parent: ParentModel, material: Material, extended: Transferred
) -> None:
    """Nothing is written, and the preview is the one that was printed."""
    before = {path: path.stat().st_mtime_ns for path in extended.parent.folder.iterdir()}
    again = transfer(EXTEND, parent, material, extended.parent.folder)
    assert again.preview == extended.preview
    assert again.parent.sha256 == extended.parent.sha256
    assert before == {path: path.stat().st_mtime_ns for path in extended.parent.folder.iterdir()}


def test_the_same_inputs_give_the_same_weights(
    parent: ParentModel, material: Material, extended: Transferred, tmp_path: Path
) -> None:
    """In another folder too."""
    assert transfer(EXTEND, parent, material, tmp_path / "x").parent.sha256 == (
        extended.parent.sha256
    )


def test_other_inputs_are_refused(
    parent: ParentModel, material: Material, extended: Transferred, tmp_path: Path
) -> None:
    """Other settings, other text, another parent, or a folder that nobody derived."""
    there = extended.parent.folder
    less = Material({"ee": material.texts["ee"][1:], "en": material.texts["en"]}, material.parallel)
    other = dataclasses.replace(parent, sha256="0" * 64)
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    for settings, mother, text, place in (
        (EXTEND.model_copy(update={"seed": 2}), parent, material, there),
        (EXTEND, parent, less, there),
        (EXTEND, other, material, there),
        (EXTEND, parent, material, foreign),
    ):
        with pytest.raises(CheckpointError, match="it was made from another parent, other text"):
            transfer(settings, mother, text, place)


def test_weights_that_were_changed_are_noticed(
    parent: ParentModel, material: Material, extended: Transferred, tmp_path: Path
) -> None:
    """A derived parent that was trained in place is no longer what the origin says."""
    spoilt = shutil.copytree(extended.parent.folder, tmp_path / "spoilt")
    with (spoilt / "model.safetensors").open("ab") as file:
        file.write(b" ")
    with pytest.raises(CheckpointError, match="its weights were changed"):
        transfer(EXTEND, parent, material, spoilt)


def test_a_killed_run_leaves_nothing_that_passes_for_a_parent(
    parent: ParentModel, material: Material, tmp_path: Path
) -> None:
    """It left files beside the folder; the next run makes it whole."""
    half = tmp_path / "derived.new"
    half.mkdir()
    (half / "config.json").write_text("{", encoding="utf-8")
    broken = dataclasses.replace(parent, folder=tmp_path / "gone")
    with pytest.raises(ParentError):
        transfer(EXTEND, broken, material, tmp_path / "derived")
    assert not (tmp_path / "derived").exists()
    made = transfer(EXTEND, parent, material, tmp_path / "derived")
    assert [path.name for path in tmp_path.iterdir()] == ["derived"]
    assert find_parent(str(made.parent.folder)).sha256 == made.parent.sha256


def test_keep_changes_nothing_and_previews(
    parent: ParentModel, pairs: list[tuple[str, str]], tmp_path: Path
) -> None:
    """The parent itself, and how it cuts the text."""
    text = Material({"en": [row[0] for row in pairs]})
    kept = transfer(VocabularyTransfer(), parent, text, tmp_path / "none")
    assert kept.parent == parent
    assert kept.origin is None
    assert kept.preview.languages["en"].changed == 0
    assert not (tmp_path / "none").exists()


def test_keep_names_the_mend_for_a_language_without_a_tag(
    parent: ParentModel, material: Material, tmp_path: Path
) -> None:
    """All of them, and what to write instead."""
    settings = VocabularyTransfer(languages=["sw"])
    with pytest.raises(ParentError, match=r'ee \(>>ewe<<\), sw \(>>swa<<\); set method = "extend"'):
        transfer(settings, parent, material, tmp_path / "none")


def test_alignment_without_a_known_side_is_refused(
    parent: ParentModel, material: Material, tmp_path: Path
) -> None:
    """No parallel text, or a parent that does not say what it knows."""
    bare = Material(material.texts, [Parallel("ee", "sw", [("tsi", "maji")])])
    with pytest.raises(DataError, match="no parallel text of a new language"):
        transfer(ALIGNED, parent, bare, tmp_path / "none")
    silent = dataclasses.replace(parent, languages=())
    with pytest.raises(DataError, match="does not say which languages it knows"):
        transfer(ALIGNED, silent, material, tmp_path / "none")


def test_an_extension_without_a_new_language_is_refused(
    parent: ParentModel, material: Material, tmp_path: Path
) -> None:
    """There would be nothing to learn pieces from."""
    text = Material({"en": material.texts["en"]})
    with pytest.raises(DataError, match="all text is in languages of the parent"):
        transfer(EXTEND, parent, text, tmp_path / "none")
