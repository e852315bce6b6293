"""Pretraining: from a recipe to a model folder, and on to the same weights after kill -9."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from lingraft.training.cli import main
from lingraft.training.errors import CheckpointError, DataError, ParentError, TrainingError
from lingraft.training.models.marian import fingerprint, load_model
from lingraft.training.pretrain import pretrain
from lingraft.training.recipe.loading import load_recipe
from lingraft.training.recipe.recipes import PretrainRecipe

PATIENCE_SECONDS = 60.0


def _recipe(path: Path) -> PretrainRecipe:
    recipe = load_recipe(str(path))
    assert isinstance(recipe, PretrainRecipe)
    return recipe


def _saved_step(run: Path) -> int:
    for name in ("checkpoint", "checkpoint.old"):  # the old one alone, between the two renames
        with contextlib.suppress(FileNotFoundError):
            return int(json.loads((run / name / "state.json").read_text())["step"])
    return 0


def _kill_after(process: subprocess.Popen[bytes], run: Path, step: int) -> None:
    """SIGKILL as soon as a checkpoint of at least `step` lies there."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while _saved_step(run) < step:
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    assert process.wait(PATIENCE_SECONDS) == -signal.SIGKILL


def test_kill_nine_and_the_same_command_again_end_at_the_same_weights(
    parent_run: Path, parent_recipe_file: Path, tmp_path: Path
) -> None:
    """In fp32 on one thread bit for bit, wherever the kill has struck."""
    run = tmp_path / "run"
    arguments = ["pretrain", str(parent_recipe_file), "--output", str(run)]
    command = [sys.executable, "-m", "lingraft.training.cli", *arguments]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        _kill_after(process, run, step=60)
    assert 60 <= _saved_step(run) < 240
    assert not (run / "model").exists()
    assert main(arguments) == 0
    for name in ("checkpoint/model.safetensors", "best.safetensors", "model/model.safetensors"):
        assert (run / name).read_bytes() == (parent_run / name).read_bytes(), name


def test_the_parent_learns_what_it_is_shown(parent_run: Path) -> None:
    """Far better than chance on sentences it never saw, in both directions, by chrF++ and BLEU."""
    scores = json.loads((parent_run / "model" / "scores.json").read_text(encoding="utf-8"))
    assert [(s["direction"], s["name"]) for s in scores] == [
        ("en-fr", "chrF++"),
        ("en-fr", "BLEU"),
        ("fr-en", "chrF++"),
        ("fr-en", "BLEU"),
    ]
    assert all(s["value"] > 30 and s["sentences"] == 20 and s["signature"] for s in scores)


def test_a_finished_run_is_not_trained_again(
    parent_run: Path, parent_recipe_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same command says once more what it has made."""
    before = (parent_run / "checkpoint" / "state.json").stat().st_mtime_ns
    assert main(["pretrain", str(parent_recipe_file), "--output", str(parent_run)]) == 0
    assert "240 steps, dev chrF++ " in capsys.readouterr().out
    assert (parent_run / "checkpoint" / "state.json").stat().st_mtime_ns == before


def test_the_model_folder_is_small_and_complete(parent_run: Path) -> None:
    """fp16 weights, the tokenizer's files and the languages."""
    folder = parent_run / "model"
    assert {path.name for path in folder.iterdir()} == {
        "README.md",
        "config.json",
        "generation_config.json",
        "provenance.json",
        "model.safetensors",
        "scores.json",
        "source.spm",
        "target.spm",
        "tokenizer_config.json",
        "vocab.json",
    }
    weights = load_file(folder / "model.safetensors")
    assert {str(tensor.dtype) for tensor in weights.values()} == {"torch.float16"}
    assert load_model(folder).config.vocab_size == 345


def test_milestones_and_events_are_left_behind(parent_run: Path) -> None:
    """For later questions about the way, and for TensorBoard."""
    names = sorted(path.name for path in (parent_run / "milestones").iterdir())
    assert names == ["050.0.safetensors", "100.0.safetensors"]
    events = EventAccumulator(str(parent_run / "tensorboard")).Reload()
    assert [event.step for event in events.Scalars("dev/chrF++")] == [120, 240]
    losses = [event.value for event in events.Scalars("train/loss")]
    assert losses[-1] < losses[0] / 2


def test_a_folder_with_another_vocabulary_is_refused(
    parent_recipe_file: Path, tmp_path: Path, parent_run: Path
) -> None:
    """Rather than training on ids that mean something else."""
    recipe = _recipe(parent_recipe_file)
    vocabulary = recipe.vocabulary.model_copy(update={"size": 340})
    (tmp_path / "source.spm").write_bytes((parent_run / "source.spm").read_bytes())
    with pytest.raises(CheckpointError, match="another vocabulary began here"):
        pretrain(recipe.model_copy(update={"vocabulary": vocabulary}), tmp_path)


def test_all_faulty_files_are_named_before_anything_is_trained(
    parent_recipe_file: Path, tmp_path: Path
) -> None:
    """Training text and dev text together."""
    recipe = _recipe(parent_recipe_file)
    gone = {
        part: [getattr(recipe, part)[0].model_copy(update={"path": str(tmp_path / f"{part}.tsv")})]
        for part in ("train", "dev")
    }
    with pytest.raises(DataError) as caught:
        pretrain(recipe.model_copy(update=gone), tmp_path / "run")
    assert len(str(caught.value).splitlines()) == 2
    assert not (tmp_path / "run" / "source.spm").exists()


def test_faulty_text_of_the_vocabulary_is_named(parent_recipe_file: Path, tmp_path: Path) -> None:
    """All files at once, in plain words and not in those of SentencePiece."""
    recipe = _recipe(parent_recipe_file)
    texts = [
        text.model_copy(update={"path": str(tmp_path / f"{text.language}.txt")})
        for text in recipe.vocabulary.texts
    ]
    vocabulary = recipe.vocabulary.model_copy(update={"texts": texts})
    with pytest.raises(TrainingError) as caught:
        pretrain(recipe.model_copy(update={"vocabulary": vocabulary}), tmp_path / "run")
    lines = str(caught.value).splitlines()
    assert [line.split(": ")[1] for line in lines] == [
        "no such file; check the recipe's path and LINGRAFT_DATA"
    ] * 3


def _going_on(parent_recipe_file: Path, start: Path, **changes: object) -> PretrainRecipe:
    recipe = _recipe(parent_recipe_file)
    training = recipe.training.model_copy(update={"max_steps": 40, "evaluate_every": 40})
    given = {"start": str(start), "seed": 2, "training": training, **changes}
    return recipe.model_copy(update=given)


def test_a_parent_goes_on_from_an_earlier_one(
    parent_run: Path, parent_recipe_file: Path, tmp_path: Path
) -> None:
    """With its pieces and weights, not from nothing; card and provenance tell both runs."""
    recipe = _going_on(parent_recipe_file, parent_run / "model")
    nowhere = [text.model_copy(update={"path": "gone"}) for text in recipe.vocabulary.texts]
    vocabulary = recipe.vocabulary.model_copy(update={"texts": nowhere})
    recipe = recipe.model_copy(update={"vocabulary": vocabulary})  # nothing is learnt of its texts
    pretrain(recipe, tmp_path)
    before = (parent_run / "model" / "source.spm").read_bytes()
    assert (tmp_path / "model" / "source.spm").read_bytes() == before
    state = json.loads((tmp_path / "checkpoint" / "state.json").read_text(encoding="utf-8"))
    assert state["scores"][0][1] > 30  # 40 steps from nothing give a tenth of that
    told = json.loads((tmp_path / "model" / "provenance.json").read_text(encoding="utf-8"))
    first, second = told["runs"]
    assert (first["steps"], first["start"], second["steps"], second["seed"]) == (240, "", 40, 2)
    assert second["start"] == fingerprint(parent_run / "model")
    card = (tmp_path / "model" / "README.md").read_text(encoding="utf-8")
    assert "Training: 280 steps, " in card
    assert " in 2 runs (240 steps, " in card


def test_a_parent_unlike_the_recipe_is_refused_with_every_difference(
    parent_run: Path, parent_recipe_file: Path, tmp_path: Path
) -> None:
    """Pieces, tags and shape at once, and nothing is written."""
    recipe = _recipe(parent_recipe_file)
    shape = recipe.model.model_copy(update={"encoder_layers": 7, "ffn": 24})
    wanted = {"size": 999, "languages": [*recipe.vocabulary.languages, "ee"]}
    vocabulary = recipe.vocabulary.model_copy(update=wanted)
    changed = {"model": shape, "vocabulary": vocabulary}
    with pytest.raises(ParentError) as caught:
        pretrain(_going_on(parent_recipe_file, parent_run / "model", **changed), tmp_path / "run")
    lines = str(caught.value).splitlines()
    assert len(lines) == 5
    for part in ("vocabulary.size is 999", "no tag for ee", "encoder_layers is 7", "ffn is 24"):
        assert sum(part in line for line in lines) == 1
    assert not (tmp_path / "run").exists()
