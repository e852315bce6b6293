"""Calibration of translations, direction by direction, with figures that are held out.

Acceptable means a sentence chrF++ above a threshold. The features compete with the plain share of
acceptable translations, to which features that say nothing come.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

from lingraft.training.calibrate.acceptability import (
    Acceptability,
    fit_constant,
    fit_logistic,
    telling,
)
from lingraft.training.calibrate.choice import Fit, folds_of, held_out, pays
from lingraft.training.calibrate.features import Produced, feature_table
from lingraft.training.calibrate.reliability import (
    Floats,
    Ints,
    Reliability,
    of_outcomes,
    outcome_losses,
)
from lingraft.training.errors import DataError
from lingraft.training.recipe.calibration import Calibration
from lingraft.v1.common_pb2 import CalibrationInfo

Direction = tuple[str, str]  # source and target language, BCP-47; source "" is any


@dataclass(frozen=True)
class DirectionCalibration:
    """What was found out about one direction.

    Attributes:
        source: BCP-47; "" where all sources of the target were taken together.
        target: BCP-47.
        size: translations of dev.
        acceptable: how many of them were.
        model: fitted on all of them; None where the direction is not calibrated.
        before: of exp(mean_logprob) taken for P(acceptable): nothing else was there before.
        after: of the model, cross-validated.
        auc: how often the held-out logistic model ranks an acceptable translation above one that
            is not; one half is chance. None where it was not tried.
        losses: held-out negative log-likelihood of each model, in nats.
        reason: why this model, or why none.
    """

    source: str
    target: str
    size: int
    acceptable: int
    model: Acceptability | None
    before: Reliability
    after: Reliability | None = None
    auc: float | None = None
    losses: dict[str, float] = field(default_factory=dict)
    reason: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Plain values for a report."""
        model = self.model
        return {
            "source": self.source,
            "target": self.target,
            "size": self.size,
            "acceptable": self.acceptable,
            "calibrated": model is not None,
            "method": model.method if model else None,
            "features": list(model.features) if model else [],
            "parameters": list(model.parameters) if model else [],
            "reason": self.reason,
            "held_out_nll": self.losses,
            "auc": self.auc,
            "before": self.before.as_dict(),
            "after": self.after.as_dict() if self.after else None,
        }

    def as_info(self, threshold: float) -> CalibrationInfo:
        """For the manifest."""
        info = CalibrationInfo(language=self.target, source_language=self.source, size=self.size)
        if self.model is not None and self.after is not None:
            info.method, info.calibrated = self.model.method, True
            info.parameters.extend(self.model.parameters)
            info.features.extend(self.model.features)
            info.acceptable_chrf = threshold
            info.ece, info.ece_before = self.after.ece, self.before.ece
            info.brier, info.brier_before = self.after.brier, self.before.brier
            info.ece_by_chance = self.after.ece_by_chance
        return info


@dataclass(frozen=True)
class TranslationCalibration:
    """The calibration of every direction of dev; `threshold` is that of sentence chrF++."""

    directions: tuple[DirectionCalibration, ...]
    threshold: float
    folds: int
    bins: int

    def as_dict(self) -> dict[str, Any]:
        """Plain values for a report; `bins` are of equal width, and their error is `ece`."""
        return {
            "task": "translation",
            "acceptable_chrf": self.threshold,
            "folds": self.folds,
            "bins": self.bins,
            "directions": [each.as_dict() for each in self.directions],
        }

    def as_infos(self) -> list[CalibrationInfo]:
        """For the manifest, directions that are not calibrated among them."""
        return [each.as_info(self.threshold) for each in self.directions]


def calibrate_translation(
    produced: Sequence[Produced],
    chrf: Sequence[float],
    directions: Sequence[Direction],
    settings: Calibration,
) -> TranslationCalibration:
    """Fit P(acceptable) of each direction on translations of dev text.

    Args:
        produced: the model's own translations of sources on which nothing was trained, decoded as
            the bundle decodes by default.
        chrf: sentence chrF++ of each, 0 to 100 (`chrf_of_sums(chrf_statistics(...))`).
        directions: source and target language of each.
        settings: threshold, features, and from how many examples on.

    Raises:
        DataError: a translation has no log-probabilities, or the lists differ in length.
    """
    if not len(produced) == len(chrf) == len(directions):
        counts = f"{len(produced)} translations, {len(chrf)} scores, {len(directions)} directions"
        raise DataError(f"calibration needs one of each for every sentence, not {counts}")
    if silent := sum(not each.logprobs for each in produced):
        raise DataError(f"{silent} translations have no log-probabilities; leave them out")
    outcomes = (np.asarray(chrf) > settings.acceptable_chrf).astype(np.int64)
    found = tuple(
        _calibrate(direction, [produced[i] for i in members], outcomes[members], settings)
        for direction, members in _by_direction(directions, settings.by)
    )
    return TranslationCalibration(found, settings.acceptable_chrf, settings.folds, settings.bins)


def _by_direction(directions: Sequence[Direction], by: str) -> Iterator[tuple[Direction, Ints]]:
    named = [("" if by == "target" else source, target) for source, target in directions]
    for direction in sorted(set(named)):
        yield direction, np.array([i for i, each in enumerate(named) if each == direction])


def _calibrate(
    direction: Direction, produced: list[Produced], outcomes: Ints, settings: Calibration
) -> DirectionCalibration:
    size, acceptable = len(outcomes), int(outcomes.sum())
    measure = partial(of_outcomes, outcomes=outcomes, bins=settings.bins, seed=settings.seed)
    before = measure(np.exp(feature_table(produced, ["mean_logprob"])[:, 0]))
    if size < settings.least_examples:
        reason = f"{size} examples, under the {settings.least_examples} that are needed"
        return DirectionCalibration(*direction, size, acceptable, None, before, reason=reason)
    table = feature_table(produced, settings.features)
    kept = telling(table)
    names, table = [settings.features[place] for place in kept], table[:, kept]
    folds = folds_of(outcomes, settings.folds, settings.seed)
    fits = _fits(names, min(acceptable, size - acceptable) >= settings.least_outcomes)
    predicted = {name: held_out(fit, table, outcomes, folds) for name, fit in fits.items()}
    losses = {name: outcome_losses(chances, outcomes) for name, chances in predicted.items()}
    name, reason = _choose(losses, settings)
    model = fit_constant(outcomes)
    if name == "logistic":
        model = fit_logistic(table, outcomes, names)
    return DirectionCalibration(
        *direction,
        size=size,
        acceptable=acceptable,
        model=model,
        before=before,
        after=measure(predicted[name]),
        auc=_auc(predicted.get("logistic"), outcomes),
        losses={name: float(each.mean()) for name, each in losses.items()},
        reason=reason,
    )


def _fits(names: list[str], enough: bool) -> dict[str, Fit]:
    """The models that are tried."""
    fits: dict[str, Fit] = {"constant": lambda _, seen: partial(_same, fit_constant(seen))}
    if enough and names:
        fits["logistic"] = lambda table, seen: fit_logistic(table, seen, names).of_table
    return fits


def _same(model: Acceptability, table: Floats) -> Floats:
    """What a constant says of each row."""
    return model.of_table(table[:, :0])


def _choose(losses: dict[str, Floats], settings: Calibration) -> tuple[str, str]:
    """The model, and why."""
    if "logistic" not in losses:
        least = settings.least_outcomes
        told = f"under {least} acceptable or under {least} other translations, or no feature"
        return "constant", f"{told} to tell them apart by: the share of acceptable ones is all"
    if pays(losses["logistic"], losses["constant"]):
        return "logistic", "the features fit unseen translations better by over a standard error"
    return "constant", "the features carry no information beyond the share of acceptable ones"


def _auc(chances: Floats | None, outcomes: Ints) -> float | None:
    return None if chances is None else float(roc_auc_score(outcomes, chances))
