"""What the stages of both tasks share: which there are, their jobs, what they are scored on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from lingraft.training.adapt.origin import Origin
from lingraft.training.data import corpora
from lingraft.training.data.corpora import Row
from lingraft.training.errors import RecipeError
from lingraft.training.recipe.adaptation import Adaptation
from lingraft.training.recipe.stages import Stage
from lingraft.training.run.loop import Job

TRANSLATION, CLASSIFIER = "translation graft", "classifier"
_HELD_OUT = 200  # sentences of each monolingual text that a stage on it is scored on


def require_methods(stages: Iterable[Stage], methods: Iterable[str], task: str) -> None:
    """Raise `RecipeError`, naming all that do not, unless all `stages` belong to `task`."""
    known = list(methods)
    strange = dict.fromkeys(stage.method for stage in stages if stage.method not in known)
    if strange:
        other = CLASSIFIER if task == TRANSLATION else TRANSLATION
        verb = "belongs" if len(strange) == 1 else "belong"
        raise RecipeError(
            f"stages: {', '.join(strange)} {verb} to a {other}; a {task} has {', '.join(known)}"
        )


def stage_job(job: Job, stage: Stage, seed: int, adaptation: Adaptation, origin: Origin) -> Job:
    """The job of one stage of one arm with one seed; a changed stage is another run."""
    return replace(
        job,
        seed=seed,
        adaptation=adaptation,
        origin=origin,
        identity=f"{stage.model_dump_json(exclude_defaults=True)} {job.identity}",
    )


def some_of(texts: Sequence[Sequence[Row]]) -> list[list[Row]]:
    """So many rows of every text as a stage on it is scored on, from all over it."""
    return [[rows[i] for i in corpora.spread(len(rows), _HELD_OUT)] for rows in texts]


def teacher_folder(output: Path) -> Path:
    """Where translations for training lie: one teacher's text serves every arm and seed."""
    return output / "teacher"
