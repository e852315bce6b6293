"""From a measured translation graft to the facts of its bundle and its export."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from lingraft.training.data.testsets import TestSet
from lingraft.training.experiment.measuring import PARENT
from lingraft.training.experiment.origins import licence_of
from lingraft.training.experiment.unpaired import speaks
from lingraft.training.export import TranslationExport, export_translation, precisions_named
from lingraft.training.gate.significance import ABLATIONS, GRAFT
from lingraft.training.gate.verdict import Verdict
from lingraft.training.graft import Graft
from lingraft.training.manifesting.common import (
    facts_of,
    gain_of,
    like,
    metric_of,
    notes_of,
    sources_of,
    transfer_of,
)
from lingraft.training.manifesting.directions import (
    TIES_ALLOWED,
    add_tags,
    bound,
    dev_of,
    metrics_of,
)
from lingraft.training.measure.metrics import Score
from lingraft.training.vocabulary.codec import SPM_FILE
from lingraft.v1 import bundle_pb2 as pb
from lingraft.v1.common_pb2 import PAIR_STATUS_TRAINED, PAIR_STATUS_TRANSFER

_FROM_GOOD_TO_BAD = (Verdict.PASS, Verdict.HOLD, Verdict.REFUSE)


def export_graft(
    graft: Graft, folder: Path, reports: Mapping[str, bytes], accepted_negative: str
) -> pb.Bundle:
    """Write the bundle of a translation graft, with the files of its report.

    Raises:
        ExportError: the gate refused the graft and no reason to accept it was given.
        ParityError: the fp32 graphs decode some dev sentence differently than the model.
    """
    facts = facts_of(graft.recipe.name, graft.recipe.display_name, graft.parent)
    data = graft.data
    rows = [*data.train, *data.rehearsal, *data.monolingual]
    facts.licence = licence_of(graft.recipe, graft.parent)
    facts.data_sources.extend(sources_of(graft.recipe, map(len, rows)))
    bound(facts, graft.model)
    if graft.calibration:
        facts.calibration.extend(graft.calibration.as_infos())
    directions = [test.direction for test in graft.test.tests]
    for direction in dict.fromkeys(directions):
        indices = [i for i, other in enumerate(directions) if other == direction]
        facts.pairs.append(_pair(graft, indices, accepted_negative))
    facts.pairs.extend(_own_pairs(graft, directions))
    add_tags(facts, graft.codec)
    dev = graft.data.served(graft.recipe, graft.codec.has_language)
    return export_translation(
        TranslationExport(
            model=graft.model.eval(),
            tokenizer=graft.transferred.parent.folder / SPM_FILE,
            facts=facts,
            dev=dev_of(dev, graft.codec, graft.model, graft.recipe.parity_sentences),
            extra_files=reports,
            precisions=precisions_named(graft.recipe.precisions),
            ties_allowed=TIES_ALLOWED,
            notes=notes_of(graft.recipe, graft.arms.values()),
        ),
        folder,
    )


def _pair(graft: Graft, indices: Sequence[int], accepted_negative: str) -> pb.BundlePair:
    """One direction: the quality on all its test sets (`indices`), the gain on the first."""
    first, tests = indices[0], graft.test.tests
    test, compared = tests[first], graft.test.comparisons[first]
    pair = pb.BundlePair(
        source_language=test.source_language,
        target_language=test.target_language,
        status=PAIR_STATUS_TRANSFER,
    )
    for i in indices:
        outputs = graft.test.outputs[GRAFT][graft.served][i]
        pair.metrics.extend(metrics_of(outputs, tests[i], graft.recipe.gate))
    report = transfer_of(graft, accepted_negative, _verdict(graft, test.direction))
    score = pair.metrics[0]
    controls = [arm for arm in compared.scores if arm not in (GRAFT, PARENT, *ABLATIONS)]
    report.scratch.CopyFrom(like(score, max(compared.scores[arm].mean for arm in controls)))
    if PARENT in compared.scores:
        report.zero_shot.CopyFrom(like(score, compared.scores[PARENT].mean))
    report.transfer.CopyFrom(score)
    report.gain.CopyFrom(gain_of(compared, score))
    report.target_examples = graft.child_examples
    if graft.forgetting:
        lost = max(graft.forgetting, key=lambda each: each.lost)
        before = Score("chrF++", lost.before, score.signature)
        after = Score("chrF++", lost.after, score.signature)
        report.parent_before.CopyFrom(metric_of(before, lost.test))
        report.parent_after.CopyFrom(metric_of(after, lost.test))
    report.tokenizer_fertility = _fertility(graft, test)
    pair.transfer.CopyFrom(report)
    return pair


def _own_pairs(graft: Graft, taken: Sequence[str]) -> Iterator[pb.BundlePair]:
    """The parent's directions, where the recipe says how much of them may be lost: it serves them
    on. A parent whose pieces were replaced may speak some of them no more."""
    if graft.recipe.gate.max_parent_loss is None:
        return
    kept: dict[str, pb.BundlePair] = {}
    for each in graft.forgetting:
        test = each.test
        if test.direction in taken or not speaks(graft.codec, [test]):
            continue
        if test.direction not in kept:
            kept[test.direction] = pb.BundlePair(
                source_language=test.source_language,
                target_language=test.target_language,
                status=PAIR_STATUS_TRAINED,
            )
        kept[test.direction].metrics.extend(metrics_of(each.outputs, test, graft.recipe.gate))
    yield from kept.values()


def _verdict(graft: Graft, direction: str) -> Verdict | None:
    """The direction's own on dev, of its sets the least good; None where dev has none of it."""
    judged = zip(graft.data.decide, graft.decision.directions, strict=True)
    own = [each.verdict for test, each in judged if test.direction == direction]
    return max(own, key=_FROM_GOOD_TO_BAD.index, default=None)


def _fertility(graft: Graft, test: TestSet) -> float:
    """Pieces per white-space word of the references, by the language that the parent never knew."""
    words = sum(len(text.split()) for text in test.references)
    codec, language = graft.codec, test.target_language
    pieces = sum(len(codec.encode_target(text, language)) - 1 for text in test.references)
    return round(pieces / max(words, 1), 3)
