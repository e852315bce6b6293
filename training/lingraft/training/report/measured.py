"""What the reports of both tasks share: arms, scores, costs, origin, in the twin's words."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from lingraft.training.data.contamination import Overlap
from lingraft.training.experiment.origins import licence_of, sources_by_use, teachers_of
from lingraft.training.experiment.seeds import Seeded
from lingraft.training.gate.significance import Comparison, Interval
from lingraft.training.gate.verdict import Decision, Judged
from lingraft.training.parents.find import ParentModel
from lingraft.training.recipe.adaptation import Adaptation
from lingraft.training.recipe.recipes import ClassifyRecipe, GraftRecipe
from lingraft.training.recipe.stages import Stage
from lingraft.training.run.arms import Arm

Report = dict[str, Any]
_PACKAGES = ("lingraft", "torch", "transformers", "sacrebleu", "scikit-learn", "numpy")
_EFFECT = 1.0  # the difference that is worth finding, in points


def head_of(name: str, task: str, parent: ParentModel, decision: Decision) -> Report:
    """Name, parent, verdict, and who was still learning."""
    return {
        "name": name,
        "task": task,
        "parent": {
            "name": parent.name,
            "sha256": parent.sha256,
            "languages": list(parent.languages),
            "licence": parent.licence,
        },
        "verdict": decision.verdict.value,
        "reason": decision.reason,
        "pursuits": [
            {
                "arm": each.arm,
                "gap": round(each.gap, 2),
                "again": round(each.again, 2),
                "catches_up": each.catches_up,
            }
            for each in decision.pursuits
        ],
    }


def result_of(
    metric: str,
    compared: Comparison,
    judged: Judged,
    others: Mapping[str, Mapping[str, float]],
) -> Report:
    """Scores of every arm and seed on one test set, and the gain, as `schema.Result`.

    Args:
        metric: what the scores are of.
        compared: the scores.
        judged: this direction among those of its table.
        others: means of further metrics, by arm and name.
    """
    arms = [
        {
            "name": name,
            "scores": [round(value, 2) for value in scores.values],
            **({"gain": interval(compared.over[name])} if name in compared.over else {}),
            **({"others": dict(others[name])} if name in others else {}),
        }
        for name, scores in compared.scores.items()
    ]
    return {
        "metric": metric,
        "arms": arms,
        "baseline": compared.baseline,
        "gain": interval(compared.gain),
        "p": round(compared.p, 4),
        "p_holm": round(judged.p, 4),
        "effect": _EFFECT,
    }


def interval(found: Interval, digits: int = 2) -> dict[str, float]:
    """Rounded, as `schema.Interval`."""
    return {
        "value": round(found.value, digits),
        "low": round(found.low, digits),
        "high": round(found.high, digits),
    }


def arms_of(arms: Mapping[str, Seeded]) -> Report:
    """How each arm was tuned and trained."""
    return {
        name: {**_arm(arm.first), **({"notes": list(arm.notes)} if arm.notes else {})}
        for name, arm in arms.items()
    }


def _arm(arm: Arm) -> Report:
    return {
        "chosen": {"learning_rate": arm.chosen.learning_rate, "dropout": arm.chosen.dropout},
        "grid": [
            {
                "learning_rate": t.learning_rate,
                "dropout": t.dropout,
                "dev": round(t.log_likelihood, 4),
            }
            for t in arm.trials
        ],
        "steps": arm.state.step,
        "best_step": arm.state.best_step,
        "target_tokens": arm.state.tokens,
        "seconds": round(arm.state.seconds, 1),
        "dev_scores": [[step, round(score, 4)] for step, score in arm.state.scores],
    }


def cost_of(arms: Mapping[str, Seeded]) -> Report:
    """As `schema.Cost`; energy is left out, as no power is known."""
    rows = [
        {
            "name": name,
            "runs": len(arm.runs),
            "seconds": round(arm.seconds, 1),
            "target_tokens": sum(run.state.tokens for run in arm.runs),
        }
        for name, arm in arms.items()
    ]
    seconds = round(sum(arm.seconds for arm in arms.values()), 1)
    tokens = sum(run.state.tokens for arm in arms.values() for run in arm.runs)
    return {"arms": rows, "seconds": seconds, "target_tokens": tokens}


def provenance_of(recipe: GraftRecipe | ClassifyRecipe, parent: ParentModel) -> Report:
    """As `schema.Provenance`."""
    data = [
        {"name": source.name, "licence": source.licence, "use": use}
        for use, source in sources_by_use(recipe)
    ]
    data += [
        {"name": teacher.name, "licence": teacher.licence, "use": "its translations"}
        for teacher in teachers_of(recipe)
    ]
    return {
        "data": data,
        "licence": licence_of(recipe, parent),
        "versions": versions(),
        "seeds": list(range(recipe.seed, recipe.seed + recipe.seeds)),
    }


def versions() -> dict[str, str]:
    """Of Python and of the packages that scores depend on."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # run from a checkout
            continue
    return found


def contamination_of(overlaps: Sequence[Overlap], dropped: int) -> Report:
    """As `schema.Contamination`: which files share what, each side on its own."""
    files = [
        {"train": o.part, "test": o.held_out, "exact": o.exact + o.folded, "near": o.near}
        for o in overlaps
    ]
    return {
        "dropped": dropped,
        "exact": sum(o.exact + o.folded for o in overlaps),
        "near": sum(o.near for o in overlaps),
        "files": files,
    }


def last_stage(name: str, recipe: GraftRecipe | ClassifyRecipe, arm: Seeded) -> Report:
    """The training that all stages lead to, and how it was adapted, as `schema.Stage`."""
    return {
        "name": name,
        "method": recipe.adaptation.method,
        "steps": recipe.training.max_steps,
        "learning_rate": arm.first.chosen.learning_rate,
        **adaptation_of(recipe.adaptation),
    }


def stages_of(stages: Sequence[Stage]) -> list[Report]:
    """The stages of a recipe, as `schema.Stage`."""
    found = []
    for number, stage in enumerate(stages, start=1):
        row: Report = {"name": f"{number}: {stage.method}", "method": stage.method}
        if stage.training:
            row |= {
                "steps": stage.training.max_steps,
                "learning_rate": stage.training.learning_rate,
                **adaptation_of(stage.adaptation),
            }
        if stage.distillation:
            row["data"] = [f"translated by {stage.distillation.teacher}"]
        if stage.translate_train:
            row["data"] = [f"translated by {stage.translate_train.translator}"]
        found.append(row)
    return found


def adaptation_of(adaptation: Adaptation) -> Report:
    """How the parent's weights were moved: what is not so by default, and the optimiser."""
    told = adaptation.model_dump(exclude_defaults=True, exclude={"method", "optimizer"})
    kept = adaptation.optimizer == "keep"
    return {**told, "optimiser": "kept" if kept else "reset", "adaptation": adaptation.method}
