"""From a measured graft to the facts of its bundle and its export."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from lingraft.training.classify import ClassifierGraft
from lingraft.training.data.labelled import read_labelled
from lingraft.training.data.licences import strictest
from lingraft.training.data.testsets import TestSet
from lingraft.training.experiment.labels import encode_rows
from lingraft.training.experiment.measuring import PARENT
from lingraft.training.experiment.trusting import logits
from lingraft.training.export import (
    ClassifierDev,
    ClassifierExport,
    TranslationDev,
    TranslationExport,
    export_classifier,
    export_translation,
    to_arrays,
)
from lingraft.training.gate.significance import ABLATIONS, GRAFT, Comparison
from lingraft.training.gate.verdict import Verdict
from lingraft.training.graft import Graft
from lingraft.training.measure.evaluate import LENGTH_RATIO
from lingraft.training.measure.metrics import Score, bleu, chrf
from lingraft.training.parents.find import ParentModel
from lingraft.training.recipe.languages import tag
from lingraft.training.recipe.recipes import GraftRecipe, Labelled, Pairs
from lingraft.training.recipe.synthesis import Monolingual
from lingraft.training.vocabulary.codec import SPM_FILE, shorten
from lingraft.training.vocabulary.normalise import LETTER_MAPPINGS, UNICODE_FORM
from lingraft.v1 import bundle_pb2 as pb
from lingraft.v1.common_pb2 import (
    PAIR_STATUS_TRANSFER,
    VERDICT_HOLD,
    VERDICT_PASS,
    VERDICT_REFUSE,
    Metric,
    TransferReport,
)

_Source = Pairs | Labelled | Monolingual
_VERDICTS = {
    Verdict.PASS: VERDICT_PASS,
    Verdict.HOLD: VERDICT_HOLD,
    Verdict.REFUSE: VERDICT_REFUSE,
}

# Now and then two best pieces are nearer than float32 tells apart; PyTorch and ONNX Runtime may
# then differ and neither is wrong. More than this is a fault of the graphs.
_TIES_ALLOWED = 2


def export_graft(graft: Graft, folder: Path, report: bytes, accepted_negative: str) -> pb.Bundle:
    """Write the bundle of a translation graft.

    Raises:
        ExportError: the gate refused the graft and no reason to accept it was given.
        ParityError: the fp32 graphs decode some dev sentence differently than the model.
    """
    facts = _facts(graft.recipe.name, graft.recipe.display_name, graft.parent)
    data, sources = graft.data, _read_by(graft)
    facts.licence = _licence(graft, sources)
    rows = [*data.train, *data.rehearsal, *data.monolingual]
    facts.data_sources.extend(_sources(sources, map(len, rows)))
    positions = graft.model.config.max_position_embeddings
    facts.limits.max_source_tokens = facts.limits.max_target_tokens = positions
    facts.decoding.beam_size = 1
    facts.decoding.max_length_ratio = LENGTH_RATIO
    if graft.calibration:
        facts.calibration.extend(graft.calibration.as_infos())
    directions = [test.direction for test in graft.test.tests]
    for direction in dict.fromkeys(directions):
        indices = [i for i, other in enumerate(directions) if other == direction]
        facts.pairs.append(_pair(graft, indices, accepted_negative))
    for language in sorted({pair.target_language for pair in facts.pairs}):
        index = graft.codec.tag_id(language)
        facts.language_tags.add(language=language, piece=tag(language), id=index)
    return export_translation(
        TranslationExport(
            model=graft.model.eval(),
            tokenizer=graft.transferred.parent.folder / SPM_FILE,
            facts=facts,
            dev=_dev(graft),
            extra_files={"report.json": report},
            ties_allowed=_TIES_ALLOWED,
        ),
        folder,
    )


def _licence(graft: Graft | ClassifierGraft, sources: Sequence[_Source]) -> str:
    """What follows from the text of the child and, through its weights, from that of the parent."""
    licences = (source.licence for source in sources)
    return strictest([graft.recipe.licence, graft.parent.licence, *licences])


def _facts(name: str, display_name: str, parent: ParentModel) -> pb.Bundle:
    facts = pb.Bundle(name=name, version="1", display_name=display_name)
    facts.parent, facts.parent_sha256 = parent.name, parent.sha256
    facts.normalization.unicode_form = UNICODE_FORM
    for language, mapping in LETTER_MAPPINGS.items():
        for source, target in mapping.items():
            facts.normalization.mappings.add(language=language, source=source, target=target)
    return facts


def _sources(sources: Sequence[_Source], sizes: Iterable[int]) -> list[pb.DataSource]:
    return [
        pb.DataSource(name=source.name, licence=source.licence, examples=size)
        for source, size in zip(sources, sizes, strict=True)
    ]


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
        made, references = graft.test.outputs[GRAFT][graft.served][i], tests[i].references
        pair.metrics.append(_metric(chrf(made, references), tests[i]))
        pair.metrics.append(_metric(bleu(made, references), tests[i]))
    report = _transfer(graft, accepted_negative)
    score = pair.metrics[0]
    controls = [arm for arm in compared.scores if arm not in (GRAFT, PARENT, *ABLATIONS)]
    report.scratch.CopyFrom(_like(score, max(compared.scores[arm].mean for arm in controls)))
    if PARENT in compared.scores:
        report.zero_shot.CopyFrom(_like(score, compared.scores[PARENT].mean))
    report.transfer.CopyFrom(score)
    report.gain.CopyFrom(_gain(compared, score))
    report.target_examples = graft.child_examples
    if graft.forgetting:
        lost = max(graft.forgetting, key=lambda each: each.lost)
        before = Score("chrF++", lost.before, score.signature)
        after = Score("chrF++", lost.after, score.signature)
        report.parent_before.CopyFrom(_metric(before, lost.test))
        report.parent_after.CopyFrom(_metric(after, lost.test))
    report.tokenizer_fertility = _fertility(graft, test)
    pair.transfer.CopyFrom(report)
    return pair


def _metric(score: Score, test: TestSet) -> Metric:
    return Metric(
        name=score.name,
        value=score.value,
        test_set=f"{test.name} {test.direction}",
        size=len(test.sources),
        signature=score.signature,
    )


def _like(score: Metric, value: float) -> Metric:
    """The same measurement of another arm: the mean over its seeds."""
    other = Metric()
    other.CopyFrom(score)
    other.value = value
    return other


def _gain(compared: Comparison, like: Metric) -> Metric:
    gain = compared.gain
    return Metric(
        name=like.name,
        value=gain.value,
        ci_low=gain.low,
        ci_high=gain.high,
        test_set=like.test_set,
        size=like.size,
        signature=f"gain over {compared.baseline}; paired bootstrap, 95%",
    )


def _transfer(graft: Graft | ClassifierGraft, accepted_negative: str) -> TransferReport:
    verdict = graft.decision.verdict
    refused = verdict is Verdict.REFUSE
    sources = _read_by(graft)
    return TransferReport(
        parent_model=graft.parent.name,
        parent_languages=graft.parent.languages,
        data_sources=[source.name for source in sources],
        licence=_licence(graft, sources),
        verdict=_VERDICTS[verdict],
        negative_transfer=refused,
        accepted_negative_reason=accepted_negative if refused else "",
    )


def _read_by(graft: Graft | ClassifierGraft) -> list[_Source]:
    """All data that the graft was trained on."""
    recipe = graft.recipe
    rehearsal = recipe.rehearsal if isinstance(recipe, GraftRecipe) else []
    return [*recipe.train, *rehearsal, *recipe.monolingual]


def _fertility(graft: Graft, test: TestSet) -> float:
    """Pieces per white-space word of the references, by the language that the parent never knew."""
    words = sum(len(text.split()) for text in test.references)
    codec, language = graft.codec, test.target_language
    pieces = sum(len(codec.encode_target(text, language)) - 1 for text in test.references)
    return round(pieces / max(words, 1), 3)


def _dev(graft: Graft) -> TranslationDev:
    """Dev sentences of all directions for parity, at most as many as the recipe says."""
    codec, tests = graft.codec, graft.data.decide
    share = max(1, graft.recipe.parity_sentences // len(tests))
    rows = [
        (codec.encode_source(source, t.source_language, t.target_language), reference)
        for t in tests
        for source, reference in list(zip(t.sources, t.references, strict=True))[:share]
    ]
    limit = graft.model.config.max_position_embeddings
    return TranslationDev(
        name=" + ".join(dict.fromkeys(t.name for t in tests)),
        sources=[shorten(ids, limit) for ids, _ in rows],
        references=[reference for _, reference in rows],
        decode=codec.decode,
        score=lambda hypotheses, references: chrf(hypotheses, references).value,
        signature=chrf(["a"], ["a"]).signature,
    )


def export_classifier_graft(
    graft: ClassifierGraft, folder: Path, report: bytes, accepted_negative: str
) -> pb.Bundle:
    """Write the bundle of a classifier graft; errors as of `export_graft`."""
    facts = _facts(graft.recipe.name, graft.recipe.display_name, graft.parent)
    facts.licence = _licence(graft, graft.recipe.train)
    sizes = map(len, read_labelled(graft.recipe.train, graft.recipe.seed))
    facts.data_sources.extend(_sources(graft.recipe.train, sizes))
    facts.labels.extend(graft.data.names)
    facts.languages.extend(graft.languages)
    facts.limits.max_source_tokens = graft.recipe.training.max_tokens
    facts.metrics.extend(_label_metrics(graft))
    facts.calibration.extend(graft.trust.calibration.as_infos())
    if graft.trust.thresholds:
        facts.thresholds.extend(graft.trust.thresholds.as_messages())
        facts.default_threshold_profile = graft.trust.thresholds.default
    transfer = _transfer(graft, accepted_negative)
    transfer.transfer.CopyFrom(_mean_f1(graft, [GRAFT]))
    controls = [name for name in graft.test.guesses if name != GRAFT]
    transfer.scratch.CopyFrom(_mean_f1(graft, controls))
    gain = transfer.gain
    gain.CopyFrom(_mean_f1(graft, [GRAFT]))
    gain.value, gain.ci_low, gain.ci_high = graft.gain.value, graft.gain.low, graft.gain.high
    gain.signature = "gain over the best control; paired bootstrap, 95%"
    transfer.target_examples = len(graft.data.train)
    facts.transfer.CopyFrom(transfer)
    return export_classifier(_classifier_export(graft, facts, report), folder)


def _label_metrics(graft: ClassifierGraft) -> list[Metric]:
    """Macro-F1, in points of 100, of the served model on every language's test set."""
    metrics = []
    for i, part in enumerate(graft.test.sets):
        value = graft.test.comparisons[i].scores[GRAFT].values[graft.served]
        name = f"{part.name} {part.language}".strip()
        metrics.append(Metric(name="macro-F1", value=value, test_set=name, size=len(part.rows)))
    return metrics


def _mean_f1(graft: ClassifierGraft, arms: Sequence[str]) -> Metric:
    """Mean over languages of the best of these arms; macro-F1 in points of 100."""
    best = [max(c.scores[arm].mean for arm in arms) for c in graft.test.comparisons]
    name = " + ".join(dict.fromkeys(part.name for part in graft.test.sets))
    size = sum(len(part.rows) for part in graft.test.sets)
    return Metric(name="macro-F1", value=float(np.mean(best)), test_set=name, size=size)


def _classifier_export(graft: ClassifierGraft, facts: pb.Bundle, report: bytes) -> ClassifierExport:
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
        extra_files={"report.json": report},
    )
