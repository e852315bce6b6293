"""Runs that tell MLflow, whose client is a recorder here: the real one is not at hand."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from pydantic import ValidationError

from lingraft.training.errors import RunError
from lingraft.training.recipe.settings import Training
from lingraft.training.run.tracking import open_events


class _RefusedError(Exception):
    pass


class _Server:
    """What a tracking server was told; it fails from the moment that it is `down`."""

    def __init__(self) -> None:
        self.down = False
        self.experiments: dict[str, str] = {}
        self.runs: list[tuple[str, str]] = []
        self.metrics: list[tuple[str, str, float, int]] = []
        self.ended: list[str] = []

    def get_experiment_by_name(self, name: str) -> Any:
        self._listen()
        known = self.experiments.get(name)
        return None if known is None else SimpleNamespace(experiment_id=known)

    def create_experiment(self, name: str) -> str:
        self.experiments[name] = "7"
        return "7"

    def create_run(self, experiment: str, run_name: str) -> Any:
        self.runs.append((experiment, run_name))
        return SimpleNamespace(info=SimpleNamespace(run_id=f"run-{len(self.runs)}"))

    def log_metric(self, run: str, key: str, value: float, step: int) -> None:
        self._listen()
        self.metrics.append((run, key, value, step))

    def set_terminated(self, run: str) -> None:
        self._listen()
        self.ended.append(run)

    def _listen(self) -> None:
        if self.down:
            raise _RefusedError("connection refused")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> _Server:
    """A server behind a module `mlflow`."""
    found, module = _Server(), ModuleType("mlflow")
    module.exceptions = SimpleNamespace(MlflowException=_RefusedError)  # type: ignore[attr-defined]
    module.MlflowClient = lambda: found  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "mlflow", module)
    return found


def test_a_resumed_run_goes_on_in_the_same_curves(server: _Server, tmp_path: Path) -> None:
    """One run of one experiment, ended each time; no plus sign in a name, which MLflow refuses."""
    for step in (10, 20):
        (events,) = open_events(["mlflow"], "toy", tmp_path)
        events.add_scalar("dev/chrF++", 31.5, step)
        events.close()
    assert server.runs == [("7", "toy")]
    assert server.metrics == [("run-1", "dev/chrFpp", 31.5, 10), ("run-1", "dev/chrFpp", 31.5, 20)]
    assert server.ended == ["run-1", "run-1"]
    open_events(["mlflow"], "other", tmp_path / "other")
    assert server.runs[1:] == [("7", "other")]


def test_a_server_that_never_answers_is_named_at_once(server: _Server, tmp_path: Path) -> None:
    """Before hours of training whose curves nobody would get."""
    server.down = True
    with pytest.raises(RunError, match="MLFLOW_TRACKING_URI"):
        open_events(["mlflow"], "toy", tmp_path)


def test_a_server_that_dies_does_not_end_the_training(
    server: _Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is said once, and training goes on."""
    (events,) = open_events(["mlflow"], "toy", tmp_path)
    server.down = True
    for step in (10, 20):
        events.add_scalar("train/loss", 2.5, step)
    events.close()
    assert capsys.readouterr().err == "toy: MLflow is left: connection refused\n"
    assert server.metrics == []


def test_a_recipe_that_names_mlflow_without_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the command that mends it."""
    monkeypatch.setattr("lingraft.training.recipe.settings.find_spec", lambda name: None)
    with pytest.raises(ValidationError, match=r"pip install 'lingraft\[mlflow\]'"):
        Training(max_steps=1, trackers=["mlflow"])
    assert Training(max_steps=1, trackers=[]).trackers == []
