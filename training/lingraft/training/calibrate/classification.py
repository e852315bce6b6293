"""Calibration of a classifier, language by language, with figures that are held out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from lingraft.training.calibrate.choice import Fit, folds_of, held_out, pays
from lingraft.training.calibrate.reliability import (
    Answered,
    Floats,
    Ints,
    Reliability,
    label_losses,
    of_labels,
    selective,
)
from lingraft.training.calibrate.scaling import Scaling, by_temperature, fit_temperature, fit_vector
from lingraft.training.recipe.calibration import Calibration
from lingraft.v1.common_pb2 import CalibrationInfo


@dataclass(frozen=True)
class LanguageCalibration:
    """What was found out about one language.

    Attributes:
        language: BCP-47.
        size: examples of dev.
        scaling: fitted on all of them; None where the language is not calibrated.
        before: the plain softmax.
        after: the scaling, cross-validated: every example by a fit on the other folds. The method
            was chosen on the same folds, among three at most.
        losses: held-out negative log-likelihood of every method that was tried, in nats.
        abstention: what leaving out the least sure texts would buy, cross-validated.
        reason: why this method, or why none.
    """

    language: str
    size: int
    scaling: Scaling | None
    before: Reliability
    after: Reliability | None
    losses: dict[str, float] = field(default_factory=dict)
    abstention: tuple[Answered, ...] = ()
    reason: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Plain values for a report."""
        return {
            "language": self.language,
            "size": self.size,
            "calibrated": self.scaling is not None,
            "method": self.scaling.method if self.scaling else None,
            "parameters": list(self.scaling.parameters) if self.scaling else [],
            "reason": self.reason,
            "held_out_nll": self.losses,
            "before": self.before.as_dict(),
            "after": self.after.as_dict() if self.after else None,
            "abstention": [asdict(each) for each in self.abstention],
        }

    def as_info(self) -> CalibrationInfo:
        """For the manifest."""
        info = CalibrationInfo(language=self.language, size=self.size)
        if self.scaling is not None and self.after is not None:
            info.method, info.calibrated = self.scaling.method, True
            info.parameters.extend(self.scaling.parameters)
            info.ece, info.ece_before = self.after.ece, self.before.ece
            info.brier, info.brier_before = self.after.brier, self.before.brier
            info.ece_by_chance = self.after.ece_by_chance
        return info


@dataclass(frozen=True)
class ClassifierCalibration:
    """The calibration of every language of dev."""

    languages: tuple[LanguageCalibration, ...]
    folds: int
    bins: int

    def as_dict(self) -> dict[str, Any]:
        """Plain values for a report; `bins` are of equal width, and their error is `ece`."""
        return {
            "task": "classification",
            "folds": self.folds,
            "bins": self.bins,
            "languages": [each.as_dict() for each in self.languages],
        }

    def as_infos(self) -> list[CalibrationInfo]:
        """For the manifest, languages that are not calibrated among them."""
        return [each.as_info() for each in self.languages]

    def has(self, language: str) -> bool:
        """Whether a language is calibrated."""
        return any(each.language == language and each.scaling for each in self.languages)

    def probabilities(self, logits: ArrayLike, languages: Sequence[str]) -> Floats:
        """[N,C] as the server gives them: calibrated where the language is, else the softmax."""
        rows = np.asarray(logits, dtype=np.float64)
        scalings = {each.language: each.scaling for each in self.languages}
        result = by_temperature(1.0, rows.shape[1]).probabilities(rows)
        for language, members in _by_language(languages):
            scaling = scalings.get(language)
            if scaling is not None:
                result[members] = scaling.probabilities(rows[members])
        return result


def calibrate_classifier(
    logits: ArrayLike, labels: Sequence[int], languages: Sequence[str], settings: Calibration
) -> ClassifierCalibration:
    """Scale the logits of each language of dev by what fits examples it has not seen best.

    Args:
        logits: [N,C] of dev texts on which nothing was trained.
        labels: index of each text's label.
        languages: BCP-47 language of each text; texts without one ("") are left out.
        settings: from how many examples on what is tried.
    """
    rows, classes = np.asarray(logits, dtype=np.float64), np.asarray(labels, dtype=np.int64)
    found = tuple(
        _calibrate(language, rows[members], classes[members], settings)
        for language, members in _by_language(languages)
    )
    return ClassifierCalibration(found, settings.folds, settings.bins)


def _by_language(languages: Sequence[str]) -> Iterator[tuple[str, Ints]]:
    """Every language but "", and the places of its examples."""
    names = np.asarray(languages)
    for language in sorted(set(languages) - {""}):
        yield language, np.flatnonzero(names == language)


def _calibrate(
    language: str, logits: Floats, labels: Ints, settings: Calibration
) -> LanguageCalibration:
    measure = partial(of_labels, labels=labels, bins=settings.bins, seed=settings.seed)
    plain = by_temperature(1.0, logits.shape[1])
    before = measure(plain.probabilities(logits))
    if len(labels) < settings.least_examples:
        reason = f"{len(labels)} examples, under the {settings.least_examples} that are needed"
        return LanguageCalibration(language, len(labels), None, before, None, reason=reason)
    folds = folds_of(labels, settings.folds, settings.seed)
    fits: dict[str, Fit] = {
        "none": lambda _, __: plain.probabilities,
        "temperature": lambda rows, classes: fit_temperature(rows, classes).probabilities,
    }
    rare = np.bincount(labels, minlength=logits.shape[1]).min()
    if rare >= settings.vector_label_examples:
        fits["vector"] = lambda rows, classes: fit_vector(rows, classes).probabilities
    predicted = {name: held_out(fit, logits, labels, folds) for name, fit in fits.items()}
    name, reason = _choose({n: label_losses(p, labels) for n, p in predicted.items()})
    if "vector" not in fits:
        needed = settings.vector_label_examples
        reason += f"; vector scaling not tried, it needs {needed} examples of every label"
    return LanguageCalibration(
        language=language,
        size=len(labels),
        scaling=_fit_all(name, logits, labels),
        before=before,
        after=measure(predicted[name]),
        losses={n: float(label_losses(p, labels).mean()) for n, p in predicted.items()},
        abstention=selective(predicted[name], labels),
        reason=reason,
    )


def _choose(losses: dict[str, Floats]) -> tuple[str, str]:
    """The method, and why: one temperature where it helps, a vector where it clearly helps more."""
    best = "temperature" if losses["temperature"].mean() < losses["none"].mean() else "none"
    if "vector" in losses and pays(losses["vector"], losses[best]):
        return "vector", "vector scaling fits unseen examples better by more than a standard error"
    if best == "none":
        return best, "no scaling fits unseen examples better than the model's own probabilities"
    return best, "one temperature fits unseen examples better than the model's own probabilities"


def _fit_all(name: str, logits: Floats, labels: Ints) -> Scaling:
    """On all examples; what needs no scaling has temperature 1."""
    if name == "none":
        return by_temperature(1.0, logits.shape[1])
    return (fit_vector if name == "vector" else fit_temperature)(logits, labels)
