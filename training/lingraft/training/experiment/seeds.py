"""One arm over several seeds: tuned with the first, trained with all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from lingraft.training.gate.pursuit import Curve, Pursuit, pursuit
from lingraft.training.gate.significance import ABLATIONS, GRAFT
from lingraft.training.recipe.settings import Grid
from lingraft.training.run.arms import Arm, Build, train_arm
from lingraft.training.run.loop import Batch, Job


@dataclass(frozen=True)
class Seeded:
    """An arm's runs, one for each seed; the first was tuned and the others took its settings.

    notes: what it was spared on its way, and why.
    """

    name: str
    runs: tuple[Arm, ...]
    notes: tuple[str, ...] = ()

    @property
    def first(self) -> Arm:
        """The run that was tuned."""
        return self.runs[0]

    @property
    def best(self) -> Arm:
        """The run that was best on the selecting half of dev; the earliest of equals."""
        return max(self.runs, key=lambda run: run.chosen.score)

    @property
    def curves(self) -> tuple[Curve, ...]:
        """Dev scores of every run on its way."""
        return tuple(run.state.scores for run in self.runs)

    @property
    def seconds(self) -> float:
        """Training time of all runs, trials of the grid left out."""
        return sum(run.state.seconds for run in self.runs)


def answers_name(arm: str, number: int) -> str:
    """What the answers of an arm's run are kept as; `number` is that of its seed, from 0."""
    return arm if number == 0 else f"{arm}.{number + 1}"


def train_seeds(
    name: str,
    build: Callable[[int], Build],
    grid: Grid,
    job: Job,
    dev: Sequence[Batch],
    seeds: int,
) -> Seeded:
    """Tune with the job's seed, then train with it and with the seeds that follow it.

    Args:
        name: of the arm; its folder lies in the job's.
        build: from a seed, what makes the arm's module.
        grid: settings to try; the seeds after the first take what it chose.
        dev: batches that the grid points are compared on.
        seeds: how many runs.
    """
    first = train_arm(name, build(job.seed), grid, job, dev)
    chosen = grid.model_copy(
        update={
            "learning_rates": [first.chosen.learning_rate],
            "dropouts": [first.chosen.dropout],
        }
    )
    runs = [first]
    for seed in range(job.seed + 1, job.seed + seeds):
        again = replace(job, seed=seed, identity=f"seed {seed} {job.identity}")
        runs.append(train_arm(f"{name}/seed-{seed}", build(seed), chosen, again, dev))
    return Seeded(name, tuple(runs))


def pursuits(arms: Mapping[str, Seeded]) -> tuple[Pursuit, ...]:
    """How far each trained control lay behind and how it still rose, where that can be told."""
    controls = [arm for name, arm in arms.items() if name != GRAFT and name not in ABLATIONS]
    found = (pursuit(arm.name, arms[GRAFT].curves, arm.curves) for arm in controls)
    return tuple(each for each in found if each)
