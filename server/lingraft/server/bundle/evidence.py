"""Calibrations and thresholds of a manifest that could not be computed with."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator

from lingraft.v1 import bundle_pb2, common_pb2


def wrong_calibrations(manifest: bundle_pb2.Bundle) -> Iterator[str]:
    """Sentences about parameters that contradict their method; unknown methods are passed over."""
    for index, info in enumerate(manifest.calibration):
        if info.calibrated:
            at = f"calibration[{index}]"
            yield from (f"{at} {what}" for what in _wrong(info, len(manifest.labels)))


def _wrong(info: common_pb2.CalibrationInfo, labels: int) -> Iterator[str]:
    needed = {
        "temperature": 1,
        "vector": 2 * labels,
        "constant": 1,
        "logistic": 1 + 3 * len(info.features),
    }.get(info.method)
    if needed is None:
        return
    if len(info.parameters) != needed:
        yield f"has {len(info.parameters)} parameters, {info.method} needs {needed}"
        return
    if not all(map(math.isfinite, info.parameters)):
        yield "has a parameter that is not finite"
    if info.method == "temperature" and not info.parameters[0] > 0:
        yield "has a temperature that is not above 0"
    if info.method == "logistic" and not all(value > 0 for value in info.parameters[3::3]):
        yield "has a deviation that is not above 0"


def wrong_thresholds(manifest: bundle_pb2.Bundle) -> Iterator[str]:
    """Sentences about labels that are not there and sets that are ambiguous or not there."""
    places = Counter((t.profile, t.label, t.language.lower()) for t in manifest.thresholds)
    for (profile, label, language), count in places.items():
        if label and label not in manifest.labels:
            yield f"thresholds name label {label!r}, which is not among labels"
        if count > 1:
            yield f"set {profile!r} has {count} thresholds of {label!r} in {language}"
    default = manifest.default_threshold_profile
    if default and default not in {each.profile for each in manifest.thresholds}:
        yield f"default_threshold_profile {default!r} has no thresholds"
