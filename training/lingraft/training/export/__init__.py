"""From a trained model to a bundle: graphs, parity, 8-bit weights, manifest, card.

`export_translation` and `export_classifier` do all of it; the other names are their parts.
"""

from __future__ import annotations

from lingraft.training.export.bundle import write_bundle
from lingraft.training.export.card import Notes, model_card
from lingraft.training.export.classification import (
    ClassifierDev,
    ClassifierExport,
    export_classifier,
    write_classifier,
)
from lingraft.training.export.facts import precisions_named, refuse_negative, to_arrays
from lingraft.training.export.parity import TranslationGraphs, check_translation_parity
from lingraft.training.export.translation import (
    TranslationDev,
    TranslationExport,
    export_translation,
)

__all__ = [
    "ClassifierDev",
    "ClassifierExport",
    "Notes",
    "TranslationDev",
    "TranslationExport",
    "TranslationGraphs",
    "check_translation_parity",
    "export_classifier",
    "export_translation",
    "model_card",
    "precisions_named",
    "refuse_negative",
    "to_arrays",
    "write_bundle",
    "write_classifier",
]
