"""Calibration on dev text: probabilities of labels, P(acceptable) of translations, thresholds."""

from lingraft.training.calibrate.acceptability import Acceptability
from lingraft.training.calibrate.classification import (
    ClassifierCalibration,
    LanguageCalibration,
    calibrate_classifier,
)
from lingraft.training.calibrate.features import FEATURES, Produced
from lingraft.training.calibrate.reliability import Bin, Reliability
from lingraft.training.calibrate.scaling import Scaling
from lingraft.training.calibrate.thresholds import Threshold, ThresholdSets, set_thresholds
from lingraft.training.calibrate.translation import (
    DirectionCalibration,
    TranslationCalibration,
    calibrate_translation,
)

__all__ = [
    "FEATURES",
    "Acceptability",
    "Bin",
    "ClassifierCalibration",
    "DirectionCalibration",
    "LanguageCalibration",
    "Produced",
    "Reliability",
    "Scaling",
    "Threshold",
    "ThresholdSets",
    "TranslationCalibration",
    "calibrate_classifier",
    "calibrate_translation",
    "set_thresholds",
]
