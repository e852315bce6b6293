"""From a measured classifier to the facts of its bundle and its export."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from lingraft.training.classify import ClassifierGraft
from lingraft.training.data.labelled import read_labelled
from lingraft.training.experiment.classification import points
from lingraft.training.experiment.labels import encode_rows
from lingraft.training.experiment.origins import licence_of
from lingraft.training.export import (
    ClassifierDev,
    ClassifierExport,
    export_classifier,
    precisions_named,
    to_arrays,
)
from lingraft.training.export.classifier import WidePart
from lingraft.training.export.hashing import HashedTable
from lingraft.training.gate.significance import GRAFT, score_interval
from lingraft.training.manifesting.common import facts_of, notes_of, sources_of, transfer_of
from lingraft.training.measure.metrics import confusion_statistics
from lingraft.training.models.classifier import logits
from lingraft.training.models.wide import WideTable
from lingraft.training.vocabulary.codec import SPM_FILE
from lingraft.v1 import bundle_pb2 as pb
from lingraft.v1.common_pb2 import Metric


def export_classifier_graft(
    graft: ClassifierGraft, folder: Path, reports: Mapping[str, bytes], accepted_negative: str
) -> pb.Bundle:
    """Write the bundle of a classifier graft; errors as of `export_graft`."""
    facts = facts_of(graft.recipe.name, graft.recipe.display_name, graft.parent)
    labelled = read_labelled(graft.recipe.train, graft.recipe.seed)
    sizes = [*map(len, labelled), *map(len, [*graft.data.monolingual, *graft.data.parallel])]
    facts.licence = licence_of(graft.recipe, graft.parent)
    facts.data_sources.extend(sources_of(graft.recipe, sizes))
    facts.labels.extend(graft.data.names)
    facts.languages.extend(graft.languages)
    facts.limits.max_source_tokens = graft.recipe.training.max_tokens
    facts.metrics.extend(_label_metrics(graft))
    facts.calibration.extend(graft.trust.calibration.as_infos())
    if graft.trust.thresholds:
        facts.thresholds.extend(graft.trust.thresholds.as_messages())
        facts.default_threshold_profile = graft.trust.thresholds.default
    transfer = transfer_of(graft, accepted_negative)
    transfer.transfer.CopyFrom(_mean_f1(graft, [GRAFT]))
    controls = [name for name in graft.test.guesses if name != GRAFT]
    transfer.scratch.CopyFrom(_mean_f1(graft, controls))
    gain = transfer.gain
    gain.CopyFrom(_mean_f1(graft, [GRAFT]))
    gain.value, gain.ci_low, gain.ci_high = graft.gain.value, graft.gain.low, graft.gain.high
    gain.signature = "gain over the best control; paired bootstrap, 95%"
    transfer.target_examples = len(graft.data.train)
    facts.transfer.CopyFrom(transfer)
    return export_classifier(_classifier_export(graft, facts, reports), folder)


def _label_metrics(graft: ClassifierGraft) -> list[Metric]:
    """Macro-F1 with its interval, in points of 100, of the served model on every language's test
    set."""
    metrics = []
    for i, part in enumerate(graft.test.sets):
        guesses = graft.test.guesses[GRAFT][graft.served][i]
        truth = graft.data.indices(part.rows)
        sums = confusion_statistics(guesses, truth, len(graft.data.names))
        rule = graft.recipe.gate
        found = score_interval(sums, points, rule.resamples, rule.seed)
        name = f"{part.name} {part.language}".strip()
        metric = Metric(name="macro-F1", value=found.value, test_set=name, size=len(part.rows))
        metric.ci_low, metric.ci_high = found.low, found.high
        metrics.append(metric)
    return metrics


def _mean_f1(graft: ClassifierGraft, arms: Sequence[str]) -> Metric:
    """Mean over languages of the best of these arms; macro-F1 in points of 100."""
    best = [max(c.scores[arm].mean for arm in arms) for c in graft.test.comparisons]
    name = " + ".join(dict.fromkeys(part.name for part in graft.test.sets))
    size = sum(len(part.rows) for part in graft.test.sets)
    return Metric(name="macro-F1", value=float(np.mean(best)), test_set=name, size=size)


def _wide(table: WideTable) -> WidePart:
    hashed = HashedTable(table.words.ngrams, table.table.detach().numpy())
    return WidePart(hashed, table.words.spelling)


def _classifier_export(
    graft: ClassifierGraft, facts: pb.Bundle, reports: Mapping[str, bytes]
) -> ClassifierExport:
    model = graft.model.eval().cpu()
    limit = graft.recipe.training.max_tokens
    dev = graft.data.dev
    rows = encode_rows(graft.parent.codec, dev, limit)
    return ClassifierExport(
        config=model.encoder.config,
        encoder_state=to_arrays(model.encoder.state_dict()),
        head_weight=model.head.weight.detach().numpy(),
        head_bias=model.head.bias.detach().numpy(),
        tokenizer=graft.parent.folder / SPM_FILE,
        facts=facts,
        dev=ClassifierDev(
            name=" + ".join(dict.fromkeys(source.name for source in graft.recipe.dev)),
            sources=rows,
            labels=graft.data.indices(dev),
            reference=lambda ids: logits(model, ids),
        ),
        wide=_wide(model.wide) if model.wide else None,
        precisions=precisions_named(graft.recipe.precisions),
        extra_files=reports,
        notes=notes_of(graft.recipe, graft.arms.values()),
    )
