"""Errors of training, one tree; the command line prints their message and nothing else.

TrainingError
├── RecipeError        the recipe does not say what it must; names every fault with its line
├── DataError          a data file is missing, empty or malformed; names file and line
├── CheckpointError    a run cannot be resumed from what lies in its folder
├── RunError           a run had to stop; names what to change, and the last good checkpoint
├── ParentError        the parent cannot be loaded
├── SynthesisError     text cannot be made, or not be kept
│   └── WeakTranslatorError  the model that would make it translates too badly
└── ExportError        a bundle cannot be written
    └── ParityError    the exported graphs do not decode as the model does
"""

from __future__ import annotations


class TrainingError(Exception):
    """Anything that a user of `lingraft-train` can mend; its message says how."""


class RecipeError(TrainingError):
    """The recipe does not say what it must."""


class DataError(TrainingError):
    """A data file is missing, empty or malformed."""


class CheckpointError(TrainingError):
    """A run cannot be resumed from what lies in its folder."""


class RunError(TrainingError):
    """A run of training had to stop: no finite loss, no memory, no space on the disk."""


class ParentError(TrainingError):
    """The parent cannot be loaded."""


class SynthesisError(TrainingError):
    """Text cannot be made, or not be kept."""


class WeakTranslatorError(SynthesisError):
    """The model that would make text translates too badly."""


class ExportError(TrainingError):
    """A bundle cannot be written."""


class ParityError(ExportError):
    """The exported graphs do not decode as the model does."""
