"""Thresholds of a classifier: which labels are given, and what that says of a document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lingraft.server.services.served import Classifier
from lingraft.v1 import classification_pb2, common_pb2


@dataclass(frozen=True)
class Decided:
    """The decision on a document, and the labels at or above their threshold."""

    decision: classification_pb2.Decision
    above: frozenset[str] = frozenset()


def profiles(model: Classifier) -> list[str]:
    """Names of the model's sets of thresholds, in the order of its bundle."""
    return list(dict.fromkeys(each.profile for each in model.manifest.thresholds))


def decide(
    model: Classifier, profile: str, language: str, probabilities: Sequence[float]
) -> Decided:
    """What the thresholds of `profile` ("": the default set) for `language` say.

    `probabilities` are calibrated where they can be, in the order of the labels.
    """
    levels = usable(model, profile, language)
    if not levels:
        return Decided(classification_pb2.DECISION_ABSTAIN)
    given = dict(zip(model.bundle.labels, probabilities, strict=True))
    above = frozenset(name for name, level in levels.items() if given[name] >= level.threshold)
    best = max(given, key=given.__getitem__)
    if above == {best} or (not above and best not in levels):
        return Decided(classification_pb2.DECISION_ACCEPT, above)
    if not above and len(levels) == len(given):
        return Decided(classification_pb2.DECISION_REJECT, above)
    return Decided(classification_pb2.DECISION_UNSURE, above)


def usable(
    model: Classifier, profile: str, language: str
) -> Mapping[str, common_pb2.LabelThreshold]:
    """The threshold of each label that has one in `profile` ("": the default set), by label."""
    wanted = profile or model.manifest.default_threshold_profile
    return {
        each.label: each
        for each in model.manifest.thresholds
        if each.usable
        and each.profile == wanted
        and language
        and each.language.lower() == language.lower()
    }
