"""Where the figures of a run are kept: TensorBoard's event files, and MLflow for who has it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from torch.utils.tensorboard import SummaryWriter

from lingraft.training.errors import RunError

_EXPERIMENT = "lingraft"
_RUN_FILE = "mlflow-run"  # the run's id, so that a resumed run goes on in the same curves


class Events(Protocol):
    """What figures of a run are written to; TensorBoard's writer is one."""

    def add_scalar(self, tag: str, value: float, step: int, /) -> object:
        """One figure at a step."""

    def close(self) -> None:
        """Nothing more comes."""


def open_events(trackers: Sequence[str], name: str, folder: Path) -> list[Events]:
    """The trackers that a recipe names ("tensorboard", "mlflow") for the run in `folder`.

    Raises:
        RunError: MLflow's server, as MLFLOW_TRACKING_URI has it, does not answer.
    """
    events: list[Events] = []
    if "tensorboard" in trackers:
        events.append(SummaryWriter(str(folder / "tensorboard")))
    if "mlflow" in trackers:
        events.append(MlflowEvents(name, folder))
    return events


class MlflowEvents:
    """A run of MLflow's experiment "lingraft"; a server that fails later is left."""

    def __init__(self, name: str, folder: Path) -> None:
        import mlflow

        self._name, self._failed = name, False
        self._error: type[Exception] = mlflow.exceptions.MlflowException
        try:
            self._client: Any = mlflow.MlflowClient()
            self._run = self._resumed(folder / _RUN_FILE)
        except self._error as error:
            raise RunError(
                f"{name}: MLflow does not answer ({error}); mend MLFLOW_TRACKING_URI, or leave "
                "mlflow out of training.trackers"
            ) from error

    def add_scalar(self, tag: str, value: float, step: int, /) -> None:
        """One figure at a step."""
        if self._failed:
            return
        # MLflow's names of metrics have no plus sign, of which chrF++ has two.
        key = tag.replace("+", "p")
        try:
            self._client.log_metric(self._run, key, value, step=step)
        except self._error as error:
            self._failed = True
            print(f"{self._name}: MLflow is left: {error}", file=sys.stderr, flush=True)

    def close(self) -> None:
        """Ends the run, if the server still listens."""
        if not self._failed:
            try:
                self._client.set_terminated(self._run)
            except self._error:
                self._failed = True

    def _resumed(self, path: Path) -> str:
        if path.is_file():
            return path.read_text(encoding="utf-8").strip()
        found = self._client.get_experiment_by_name(_EXPERIMENT)
        experiment = self._client.create_experiment(_EXPERIMENT) if found is None else None
        chosen = experiment or found.experiment_id
        run = str(self._client.create_run(chosen, run_name=self._name).info.run_id)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(run + "\n", encoding="utf-8")
        return run
