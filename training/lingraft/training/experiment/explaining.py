"""The explanation of a finished graft: what was reused, what word order gave, what data it saved.

FOLDER/economy/SHARE/ARM/...      trainings on shares of the child's data
FOLDER/checkpoints/PER_CENT/...   trainings from earlier parents
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from torch import Tensor
from transformers import MarianMTModel

from lingraft.training.data.corpora import spread
from lingraft.training.data.testsets import TestSet
from lingraft.training.errors import RecipeError
from lingraft.training.experiment.jobs import dev_batches
from lingraft.training.experiment.starts import Begun, Start
from lingraft.training.experiment.texts import Data
from lingraft.training.experiment.translation import model_of, train
from lingraft.training.explain.checkpoints import Milestone, Scan, chosen, milestones, scan
from lingraft.training.explain.economy import Economy, Outcome, economy, subset
from lingraft.training.explain.reuse import Probe, Reuse, explain_reuse
from lingraft.training.explain.shuffled import Answer, Shuffling, shuffling
from lingraft.training.explain.swap import fresh_weights
from lingraft.training.gate.significance import GRAFT, Statistics
from lingraft.training.measure.evaluate import translate
from lingraft.training.measure.metrics import chrf_of_sums, chrf_statistics
from lingraft.training.models.marian import TranslationLoss, load_weights, read_weights, weights_of
from lingraft.training.parents.find import ParentModel
from lingraft.training.recipe.explanation import CheckpointScan, Explanation
from lingraft.training.recipe.explanation import Economy as EconomySettings
from lingraft.training.recipe.recipes import GraftRecipe
from lingraft.training.vocabulary.codec import Codec

_UNTRAINED_DROPOUT = 0.0
_LOSS = "model."  # a run saves the loss module, and the model inside it


@dataclass(frozen=True)
class Explained:
    """What an explanation found; parts that the recipe does not ask for are None."""

    reuse: Reuse
    shuffled: list[tuple[str, Shuffling]]  # by direction
    economy: Economy | None
    checkpoints: Scan | None


@dataclass(frozen=True)
class Grafted:
    """A finished graft, as far as its explanation needs it."""

    recipe: GraftRecipe
    parent: ParentModel
    data: Data
    begun: Begun
    graft: MarianMTModel
    control: tuple[Start, MarianMTModel]


def explain(grafted: Grafted, settings: Explanation, output: Path) -> Explained:
    """Look at what was reused; train what the settings want trained, resumably.

    All of it is possible: `require_explicable` was asked first.
    """
    return Explained(
        reuse=_reuse(grafted, settings),
        shuffled=[_shuffled(grafted, settings, test) for test in grafted.data.decide],
        economy=_economy(grafted, settings.economy, output) if settings.economy else None,
        checkpoints=_scan(grafted, settings.checkpoints, output) if settings.checkpoints else None,
    )


def require_explicable(recipe: GraftRecipe, parent: ParentModel) -> None:
    """Refuse an explanation that cannot be made before anything trains, not hours later.

    Raises:
        RecipeError: a curve is wanted and the child has no pairs, or a scan of a parent that is no
            run, or under new pieces.
        CheckpointError: the parent's run kept too few milestones.
    """
    if recipe.explanation is None:
        return
    if recipe.explanation.economy and recipe.transfer.kind != "inductive":
        raise RecipeError(
            "explanation.economy: it trains on shares of the child's pairs, and "
            f"{recipe.transfer.kind} transfer has none; leave it out"
        )
    if recipe.explanation.checkpoints is None:
        return
    if recipe.vocabulary.method != "keep":
        raise RecipeError(
            "explanation.checkpoints: earlier parents know the old pieces alone; it goes with "
            'vocabulary.method = "keep"'
        )
    if "parameters" not in (recipe.transfer.moves or ("parameters",)):
        raise RecipeError("explanation.checkpoints: no parameters move, so none could be earlier")
    _milestones(parent)


def _milestones(parent: ParentModel) -> tuple[Milestone, ...]:
    run = parent.folder.parent
    seconds_per_step, steps = _pace(run)
    return milestones(run, steps, seconds_per_step)


def _reuse(grafted: Grafted, settings: Explanation) -> Reuse:
    start, recipe = grafted.begun.graft, grafted.recipe
    share = max(1, settings.sentences // len(grafted.data.decide))
    few = [_some(test, share) for test in grafted.data.decide]
    batches = dev_batches(few, start.codec, recipe.training.max_tokens)
    child = TranslationLoss(grafted.graft, recipe.training.label_smoothing)
    began = TranslationLoss(start.make(_UNTRAINED_DROPOUT, recipe.seed), 0.0)
    probe = Probe(
        granularity=settings.granularity,
        rows=settings.states,
        row_limit=settings.state_rows,
        line_points=settings.line_points,
        barrier_points=settings.barrier_points,
        seeds=tuple(range(1, settings.seeds + 1)),
    )
    fresh = fresh_weights(child)
    return explain_reuse(child, weights_of(began), fresh, batches, pad=start.codec.pad, probe=probe)


def _some(test: TestSet, most: int) -> TestSet:
    places = spread(len(test.sources), most)
    sources = tuple(test.sources[i] for i in places)
    references = tuple(test.references[i] for i in places)
    return replace(test, sources=sources, references=references)


def _shuffled(grafted: Grafted, settings: Explanation, test: TestSet) -> tuple[str, Shuffling]:
    few = _some(test, settings.sentences)
    start, control = grafted.control
    found = shuffling(
        few.sources,
        _answer(grafted.graft, grafted.begun.graft.codec, few),
        _answer(control, start.codec, few),
        chrf_of_sums,
        blocks=settings.blocks,
        resamples=grafted.recipe.gate.resamples,
        seed=grafted.recipe.gate.seed,
    )
    return test.direction, found


def _answer(model: MarianMTModel, codec: Codec, test: TestSet) -> Answer:
    def answer(sources: Sequence[str]) -> Statistics:
        outputs = translate(model, codec, replace(test, sources=tuple(sources)))
        return chrf_statistics(outputs, test.references)

    return answer


def _economy(grafted: Grafted, settings: EconomySettings, output: Path) -> Economy:
    """Graft and best control on shares of the child's pairs, with what their whole runs chose."""
    starts = {GRAFT: grafted.begun.graft, "control": grafted.control[0]}

    def one(share: float, arm: str, seed: int) -> Outcome:
        data = replace(grafted.data, train=subset(grafted.data.train, share, grafted.recipe.seed))
        recipe = grafted.recipe.model_copy(update={"seed": seed, "seeds": 1})
        folder = output / "economy" / f"{share:g}"
        arms = train(starts[arm], recipe, data, folder)
        return Outcome(_decided(grafted, starts[arm], model_of(arms.first)), arms.seconds)

    first = grafted.recipe.seed
    return economy(
        one,
        sum(map(len, grafted.data.train)),
        chrf_of_sums,
        shares=settings.shares,
        seeds=range(first, first + settings.seeds),
        watts=settings.watts,
        budget_seconds=settings.budget_seconds,
        resamples=grafted.recipe.gate.resamples,
        seed=grafted.recipe.gate.seed,
    )


def _decided(grafted: Grafted, start: Start, model: MarianMTModel) -> Statistics:
    """Statistics of all sentences of the deciding half of dev."""
    parts = [
        chrf_statistics(translate(model, start.codec, test), test.references)
        for test in grafted.data.decide
    ]
    return np.concatenate(parts)


def _scan(grafted: Grafted, settings: CheckpointScan, output: Path) -> Scan:
    """Children of earlier parents, each trained as the graft was."""
    start = grafted.begun.graft
    found = chosen(_milestones(grafted.parent), settings.checkpoints)

    def finetune(milestone: Milestone) -> Statistics:
        weights = read_weights(milestone.path)

        def make(dropout: float, seed: int) -> MarianMTModel:
            model = start.make(dropout, seed)
            load_weights(model, _inner(weights))
            return model

        earlier = replace(start, make=make, sha256=f"{start.sha256} {milestone.per_cent:g}")
        recipe = grafted.recipe.model_copy(update={"seeds": settings.seeds})
        folder = output / "checkpoints" / f"{milestone.per_cent:05.1f}"
        arm = train(earlier, recipe, grafted.data, folder)
        parts = [_decided(grafted, start, model_of(each)) for each in arm.runs]
        return np.asarray(np.sum(parts, axis=0), dtype=np.int64)

    rule = grafted.recipe.gate
    return scan(
        found,
        finetune,
        chrf_of_sums,
        margin=settings.margin,
        resamples=rule.resamples,
        seed=rule.seed,
    )


def _inner(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights of the model inside the loss that the parent's run has saved."""
    return {name.removeprefix(_LOSS): tensor for name, tensor in weights.items()}


def _pace(run: Path) -> tuple[float, int]:
    """Seconds a step and steps of a parent's finished run."""
    path = run / "checkpoint" / "state.json"
    if not path.is_file():
        raise RecipeError(
            f"explanation.checkpoints: {run} is no run of lingraft-train pretrain, so earlier "
            "parents are not known"
        )
    state = json.loads(path.read_text(encoding="utf-8"))
    return float(state["seconds"]) / max(int(state["step"]), 1), int(state["step"])
