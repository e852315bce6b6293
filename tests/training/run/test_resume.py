"""A run that was killed goes on to the same weights, and never as another run."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
import torch

from lingraft.training.data.batches import Corpus
from lingraft.training.errors import CheckpointError
from lingraft.training.models.classifier import ClassificationLoss, SequenceClassifier
from lingraft.training.models.marian import TranslationLoss, digest_of
from lingraft.training.run.checkpoint import Checkpoints, State
from lingraft.training.run.loop import Score

Module = TranslationLoss | ClassificationLoss
Run = Callable[..., tuple[State, Module]]
Make = Callable[[], TranslationLoss]


class Killed(BaseException):
    """Stands for kill -9 at a moment that a test chooses."""


def _killed_at(call: int) -> Score:
    """Rising scores, and death when the score is asked for the `call`th time."""
    numbers = count(1)

    def score() -> float:
        number = next(numbers)
        if number == call:
            raise Killed
        return float(number)

    return score


@pytest.mark.parametrize("call", [1, 2, 3])
def test_a_killed_run_goes_on_to_the_same_weights(train: Run, call: int) -> None:
    """Killed at an evaluation, before the first checkpoint or between two, and called again."""
    whole, expected = train("whole")
    with pytest.raises(Killed):
        train("killed", _killed_at(call))
    # The scores that had been saved are not asked for again.
    asked_again = {1: (1.0, 2.0, 3.0, 4.0), 2: (2.0, 3.0, 4.0), 3: (3.0, 4.0)}[call]
    state, module = train("killed", iter(asked_again).__next__)
    assert digest_of(module) == digest_of(expected)
    assert replace(state, seconds=0.0) == replace(whole, seconds=0.0)


def test_a_killed_classifier_goes_on_to_the_same_weights(train: Run, make_module: Make) -> None:
    """Its embeddings are its own, and part of what is saved."""

    def classifier() -> ClassificationLoss:
        model = make_module().model
        torch.manual_seed(1)
        return ClassificationLoss(SequenceClassifier(model.model.encoder, 19, 19, 0.1), 0.1)

    firsts = Corpus([(row, [row[0]]) for row in ([5, 9, 0], [6, 0], [7, 7, 8, 0])], [0] * 3)
    whole = train("whole", make=classifier, corpus=firsts)
    with pytest.raises(Killed):
        train("killed", _killed_at(3), make=classifier, corpus=firsts)
    state, module = train("killed", iter((3.0, 4.0)).__next__, make=classifier, corpus=firsts)
    assert digest_of(module) == digest_of(whole[1])
    assert replace(state, seconds=0.0) == replace(whole[0], seconds=0.0)


def test_a_run_killed_between_two_renames_goes_on(train: Run, tmp_path: Path) -> None:
    """For a moment only the old state stands, under its other name."""
    _, expected = train("whole")
    with pytest.raises(Killed):
        train("killed", _killed_at(3))
    checkpoint = tmp_path / "killed" / "checkpoint"
    shutil.copytree(checkpoint, checkpoint.with_name("checkpoint.new"))
    checkpoint.rename(checkpoint.with_name("checkpoint.old"))
    _, module = train("killed", iter((3.0, 4.0)).__next__)
    assert digest_of(module) == digest_of(expected)
    assert not checkpoint.with_name("checkpoint.old").exists()


def test_a_save_that_fails_leaves_the_only_state_there_is(
    make_module: Make, tmp_path: Path
) -> None:
    """After a kill between the renames, the next save must not lose the old state first."""
    module = make_module()
    optimizer = torch.optim.AdamW(module.parameters())
    checkpoints = Checkpoints(tmp_path, "toy", 2)
    checkpoints.save(State(step=3), module, optimizer)
    target = tmp_path / "checkpoint"
    target.rename(tmp_path / "checkpoint.old")
    target.symlink_to(tmp_path / "nowhere")  # the new state cannot take its place
    with pytest.raises(OSError, match="Not a directory"):
        checkpoints.save(State(step=6), module, optimizer)
    assert checkpoints.restore(module, optimizer).step == 3


def test_what_a_killed_run_had_not_saved_is_forgotten(train: Run, tmp_path: Path) -> None:
    """Snapshots of a run that began otherwise must not come into the average."""
    _, expected = train("whole")
    snapshots = tmp_path / "stale" / "snapshots"
    snapshots.mkdir(parents=True)
    shutil.copy(tmp_path / "whole" / "best.safetensors", snapshots / "00000099.safetensors")
    _, module = train("stale")
    assert digest_of(module) == digest_of(expected)


def test_a_folder_of_a_run_with_other_settings_is_refused(train: Run) -> None:
    """The message says what to do."""
    train()
    with pytest.raises(CheckpointError, match="other settings, data or parent began here; give an"):
        train(learning_rate=1e-3)


def test_a_finished_run_is_not_trained_again(train: Run, tmp_path: Path) -> None:
    """The same command again gives the same weights and adds nothing."""
    first, module = train()
    events = list((tmp_path / "run" / "tensorboard").iterdir())
    again, same = train(score=iter((99.0,)).__next__)
    assert again == first
    assert digest_of(same) == digest_of(module)
    assert list((tmp_path / "run" / "tensorboard").iterdir()) == events


def test_weights_of_another_model_are_refused(make_module: Make, tmp_path: Path) -> None:
    """A checkpoint is never loaded in part."""
    module = make_module()
    optimizer = torch.optim.AdamW(module.parameters())
    Checkpoints(tmp_path, "toy", 2).save(State(step=1), module.model.model.encoder, optimizer)
    with pytest.raises(CheckpointError, match="the weights are of another model"):
        Checkpoints(tmp_path, "toy", 2).restore(module, optimizer)
