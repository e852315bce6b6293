"""The sections of the page, in the order in which a reader needs them.

Each takes the whole report and gives its section, or says what was not measured.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lingraft.training.report.blocks import Missing, Section
from lingraft.training.report.schema import Document
from lingraft.training.report.sections.economy import economy
from lingraft.training.report.sections.examples import examples
from lingraft.training.report.sections.fairness import contamination, instances
from lingraft.training.report.sections.learning import learning
from lingraft.training.report.sections.provenance import cost, provenance
from lingraft.training.report.sections.results import results, retention
from lingraft.training.report.sections.reuse import reuse
from lingraft.training.report.sections.slices import slices
from lingraft.training.report.sections.transfer import transfer
from lingraft.training.report.sections.trust import calibration

SECTIONS: Sequence[Callable[[Document], Section | Missing]] = (
    results,
    learning,
    slices,
    examples,
    retention,
    transfer,
    reuse,
    economy,
    calibration,
    contamination,
    instances,
    cost,
    provenance,
)
