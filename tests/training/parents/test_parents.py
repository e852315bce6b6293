"""Parents: found by folder, name or hub id, and refused with every reason when they do not fit."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from lingraft.training.errors import ParentError
from lingraft.training.models.marian import fingerprint
from lingraft.training.parents.find import find_parent, fitted
from lingraft.training.recipe.recipes import Training


@pytest.fixture
def model_folder(parent_run: Path, tmp_path: Path) -> Path:
    """A copy of the tiny parent, to be spoilt."""
    return shutil.copytree(parent_run / "model", tmp_path / "spoilt")


def _edit(path: Path, **changes: Any) -> None:
    content = json.loads(path.read_text(encoding="utf-8")) | changes
    path.write_text(json.dumps(content), encoding="utf-8")


def test_a_folder_is_a_parent(parent_run: Path) -> None:
    """With its name, its languages and the SHA-256 of its weights."""
    parent = find_parent(str(parent_run / "model"))
    assert parent.folder == parent_run / "model"
    assert parent.languages == ("en", "fr")
    assert parent.sha256 == fingerprint(parent.folder)
    assert parent.positions == 64


def test_an_unknown_parent_is_told_its_choices(tmp_path: Path) -> None:
    """A folder, a starter or a hub id; an empty folder is none of them."""
    for location in ("parent-xxs", str(tmp_path)):
        with pytest.raises(ParentError) as caught:
            find_parent(location)
        message = str(caught.value)
        assert message.startswith(f"parent {location!r}: no folder with a config.json; give")
        assert "embedded starter (parent-xs)" in message  # not the bundles beside it
        assert "hub id OWNER/NAME" in message


def test_a_hub_id_without_network_is_one_error_at_once() -> None:
    """No waiting, no traceback: one line."""
    started = time.monotonic()
    with pytest.raises(ParentError, match=r"parent 'nobody/nothing': the hub did not give it: "):
        find_parent("nobody/nothing")
    assert time.monotonic() - started < 10


def test_a_parent_that_does_not_fit_is_told_every_reason(model_folder: Path) -> None:
    """Real opus-mt models number their pieces in their own way: that must not pass in silence."""
    _edit(model_folder / "config.json", vocab_size=58101, pad_token_id=58100)
    vocabulary = json.loads((model_folder / "vocab.json").read_text(encoding="utf-8"))
    _edit(model_folder / "vocab.json", **{piece: i + 1 for piece, i in vocabulary.items()})
    (model_folder / "model.safetensors").unlink()
    with pytest.raises(ParentError) as caught:
        find_parent(str(model_folder))
    heading, *reasons = str(caught.value).splitlines()
    assert heading.endswith("cannot be grafted onto:")
    assert [reason.split(";")[0].strip(" -") for reason in reasons] == [
        "it has no model.safetensors",
        "vocab_size is 58101",
        "pad_token_id is 58100",
        "its vocab.json gives the pieces other ids than its SentencePiece model",
    ]


def test_a_model_of_another_family_is_refused(model_folder: Path) -> None:
    """Only what can be trained and exported is taken."""
    _edit(model_folder / "config.json", model_type="t5")
    with pytest.raises(ParentError, match="it is a t5 model; only marian ones are supported"):
        find_parent(str(model_folder))


def test_languages_without_a_tag_are_all_named(parent_run: Path) -> None:
    """With the pieces that the vocabulary lacks."""
    parent = find_parent(str(parent_run / "model"))
    parent.require_tags(["en", "fr", "yo"])
    with pytest.raises(ParentError, match=r"no tag for ig \(>>ibo<<\), sw \(>>swa<<\)"):
        parent.require_tags(["en", "sw", "ig"])


def test_a_parent_without_a_list_of_languages_has_none(model_folder: Path) -> None:
    """Models from elsewhere do not say."""
    (model_folder / "provenance.json").unlink()
    assert find_parent(str(model_folder)).languages == ()


def test_training_is_fitted_to_the_parents_positions(parent_run: Path) -> None:
    """Longer examples could not be read."""
    parent = find_parent(str(parent_run / "model"))
    assert fitted(Training(max_steps=1, max_tokens=200), parent).max_tokens == 64
    assert fitted(Training(max_steps=1, max_tokens=20), parent).max_tokens == 20
