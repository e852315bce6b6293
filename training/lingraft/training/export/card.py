"""The model card: what the manifest says, for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from lingraft.v1 import bundle_pb2 as pb
from lingraft.v1.common_pb2 import (
    CalibrationInfo,
    LabelThreshold,
    Metric,
    PairStatus,
    TransferReport,
    Verdict,
)

Lines = Iterator[str]
_MOST_SILENT = 12  # directions without figures that are told one by one
_WEAK = 30  # chrF++ under which names and single words come over, sentences hardly

_STATUS = {
    "PAIR_STATUS_TRAINED": "trained on parallel text of this pair",
    "PAIR_STATUS_TRANSFER": "grafted: fine-tuned on this pair from a parent of other languages",
    "PAIR_STATUS_ZERO_SHOT": "zero-shot: never trained on this pair",
    "PAIR_STATUS_PIVOT": "through a third language",
    "PAIR_STATUS_NOT_STATED": "exported from a checkpoint that does not say what it was trained on",
}
_JOBS = {
    pb.TASK_TRANSLATION: "translates text",
    pb.TASK_LANGUAGE_IDENTIFICATION: "says which language a text is in, or that it is in none",
}
_VERDICT = {
    "VERDICT_UNSPECIFIED": "not tested for negative transfer",
    "VERDICT_PASS": "PASS: better than the better of control and parent",
    "VERDICT_HOLD": "HOLD: no clear gain, or one over a control that was still learning",
    "VERDICT_REFUSE": "REFUSE: transfer did harm",
}


@dataclass(frozen=True)
class Notes:
    """What a card says that no field of the manifest holds, a line each.

    parts: what a classifier is made of beside its encoder.
    training: steps and hours.
    weaknesses: what it is bad at, in its author's words.
    """

    parts: Sequence[str] = ()
    training: Sequence[str] = ()
    weaknesses: Sequence[str] = ()


NO_NOTES = Notes()


def model_card(manifest: pb.Bundle, notes: Notes = NO_NOTES) -> str:
    """README.md of a bundle, in Markdown.

    Figures stand with their 95% interval, test set and size; what nobody measured is said to be so.
    """
    parts = (
        _head(manifest),
        _quality(manifest, notes.parts),
        _weaknesses(manifest, notes.weaknesses),
        _graphs(manifest),
        _calibration(manifest),
        _data(manifest),
        _listed("Training", notes.training),
        _limits(manifest),
    )
    return "\n".join(line for part in parts for line in part).rstrip() + "\n"


def figure(metric: Metric) -> str:
    """`chrF++ 35.20 (95% interval 34.10 to 36.30; flores200 dev, n=997)`."""
    digits = 3 if abs(metric.value) <= 1 and metric.name not in ("chrF++", "BLEU") else 2
    interval = ""
    if metric.HasField("ci_low"):
        interval = f"95% interval {metric.ci_low:.{digits}f} to {metric.ci_high:.{digits}f}; "
    evidence = f"{interval}{metric.test_set}, n={metric.size}"
    return f"{metric.name} {metric.value:.{digits}f} ({evidence})"


def _head(m: pb.Bundle) -> Lines:
    yield f"# {m.display_name or m.name}"
    yield ""
    job = _JOBS.get(m.task, "classifies text")
    origin = f", grafted onto the parent `{m.parent}`" if m.parent else ""
    yield f"`{m.name}` version {m.version}: a {m.family} model that {job}{origin}."
    yield ""
    yield f"Licence: {m.licence} (the strictest that follows from the data)."
    yield ""


def _quality(m: pb.Bundle, notes: Sequence[str]) -> Lines:
    if m.task == pb.TASK_TRANSLATION:
        yield from ("## Directions", "")
        silent = [p for p in m.pairs if not p.metrics and not p.HasField("transfer")]
        told = list(m.pairs)
        if len(silent) > _MOST_SILENT:
            told = [p for p in m.pairs if p.metrics or p.HasField("transfer")]
            yield from _summary(silent)
        for pair in told:
            yield f"### {pair.source_language} to {pair.target_language}"
            yield ""
            yield f"- Status: {_STATUS[PairStatus.Name(pair.status)]}"
            yield from _measured(pair.metrics)
            if pair.HasField("transfer"):
                yield from _transfer(pair.transfer)
            yield ""
        return
    yield from ("## Labels", "")
    yield f"- Labels: {', '.join(m.labels)}"
    yield f"- Languages: {', '.join(m.languages) or 'not stated'}"
    yield from (f"- {note}" for note in notes)
    yield from _measured(m.metrics)
    if m.HasField("transfer"):
        yield from _transfer(m.transfer)
    yield ""


def _summary(pairs: Sequence[pb.BundlePair]) -> Lines:
    """Directions about which no more than their status is known, by status."""
    for status in sorted({pair.status for pair in pairs}):
        sources, targets = (
            sorted({getattr(pair, side) for pair in pairs if pair.status == status})
            for side in ("source_language", "target_language")
        )
        count = sum(pair.status == status for pair in pairs)
        yield f"{count} directions, {_STATUS[PairStatus.Name(status)]}; quality not measured."
        yield ""
        yield f"- From: {', '.join(sources)}"
        yield f"- To: {', '.join(targets)}"
        yield ""


def _measured(metrics: Iterable[Metric]) -> Lines:
    figures = [figure(metric) for metric in metrics]
    yield from (f"- Quality: {text}" for text in figures or ["not measured"])


def _transfer(report: TransferReport) -> Lines:
    yield f"- Verdict on transfer: {_VERDICT[Verdict.Name(report.verdict)]}"
    if report.accepted_negative_reason:
        yield f"- Exported in spite of it, because: {report.accepted_negative_reason}"
    told = (
        ("Gain over the better of control and parent", "gain"),
        ("The graft", "transfer"),
        ("Control, trained from scratch on the same data", "scratch"),
        ("Parent before the graft, same direction", "zero_shot"),
        ("Parent on its own languages before", "parent_before"),
        ("The graft on the parent's languages after", "parent_after"),
    )
    for title, name in told:
        if report.HasField(name):
            yield f"- {title}: {figure(getattr(report, name))}"
    yield f"- Training examples of the target: {report.target_examples}"
    languages = f" ({', '.join(report.parent_languages)})" if report.parent_languages else ""
    yield f"- Parent: {report.parent_model}{languages}"
    if report.tokenizer_fertility:
        yield f"- Pieces per word: {report.tokenizer_fertility:.2f}"


def _weaknesses(m: pb.Bundle, told: Sequence[str]) -> Lines:
    weak = [
        f"{pair.source_language} to {pair.target_language}"
        for pair in m.pairs
        if pair.metrics and pair.metrics[0].name == "chrF++" and pair.metrics[0].value < _WEAK
    ]
    found = [f"chrF++ under {_WEAK} on the first test set: {', '.join(weak)}"] if weak else []
    yield from _listed("What it is bad at", [*found, *told])


def _listed(title: str, told: Sequence[str]) -> Lines:
    if told:
        yield from (f"## {title}", "", *(f"- {line}" for line in told), "")


def _graphs(m: pb.Bundle) -> Lines:
    yield from ("## Precisions", "")
    for position, graphs in enumerate(m.graphs):
        name = pb.Precision.Name(graphs.precision).removeprefix("PRECISION_").lower()
        default = ", the server's default" if position == 0 else ""
        loss = figure(graphs.quality_loss) if graphs.HasField("quality_loss") else "not measured"
        same = f"{graphs.identical_share:.1%} of answers identical to PyTorch in fp32"
        yield f"- {name}{default}: {same}; loss {loss}"
        if lost := [pair for pair in graphs.pair_losses if graphs.precision != pb.PRECISION_FP32]:
            told = (f"{p.source_language} to {p.target_language} {_lost(p.loss)}" for p in lost)
            yield f"- {name}, lost by direction: {', '.join(told)}"
    yield ""


def _lost(loss: Metric) -> str:
    return f"{loss.value:.2f} (n={loss.size})"


def _calibration(m: pb.Bundle) -> Lines:
    yield from ("## Calibration", "")
    if m.task == pb.TASK_LANGUAGE_IDENTIFICATION:
        yield (
            "A temperature fitted on dev is part of the weights; the error of it is the ECE above."
        )
    elif not m.calibration:
        yield "Not calibrated: scores and probabilities are the model's own and carry no evidence."
    if any(info.acceptable_chrf for info in m.calibration):
        levels = sorted({info.acceptable_chrf for info in m.calibration if info.calibrated})
        told = ", ".join(f"{level:g}" for level in levels)
        yield f"P(acceptable): the chance that a sentence's chrF++ is above {told}."
        yield ""
    yield from map(_calibrated, m.calibration)
    yield ""
    if m.thresholds:
        yield from ("## Thresholds", "")
        yield from map(_threshold, m.thresholds)
        default = m.default_threshold_profile or "none; a request names one"
        yield from (f"- Set that decides unasked: {default}", "")


def _calibrated(info: CalibrationInfo) -> str:
    name = f"{info.source_language} to {info.language}" if info.source_language else info.language
    if not info.calibrated:
        return f"- {name}: not calibrated" + (f", n={info.size}" if info.size else "")
    evidence = f"{info.method}, n={info.size}, expected calibration error {info.ece:.3f}"
    if info.brier_before:
        before = (
            f"{info.ece_before:.3f}; Brier score {info.brier:.3f}, before {info.brier_before:.3f}"
        )
        chance = f"chance alone makes up to {info.ece_by_chance:.3f} of it"
        evidence += f" on held-out text, before {before}; {chance}"
    return f"- {name}: {evidence}"


def _threshold(each: LabelThreshold) -> str:
    together = ", set on all languages together" if each.pooled else ""
    name = f"{each.profile}, {each.label}, {each.language}{together}"
    if not each.usable:
        return f"- {name}: none ({each.reason})"
    alarms = _share(
        each.false_positive_rate, each.false_positive_rate_low, each.false_positive_rate_high
    )
    caught = _share(each.recall, each.recall_low, each.recall_high)
    return (
        f"- {name}: from {each.threshold:.4f} on; false alarms {alarms} of {each.negatives}, "
        f"caught {caught} of {each.positives}"
    )


def _share(value: float, low: float, high: float) -> str:
    return f"{value:.2%} (95% interval {low:.2%} to {high:.2%})"


def _data(m: pb.Bundle) -> Lines:
    yield from ("## Data", "", "| data set | licence | examples |", "|---|---|---|")
    for source in m.data_sources:
        yield f"| {source.name} | {source.licence} | {source.examples or 'not stated'} |"
    yield ""
    if m.parent:
        yield f"Parent: `{m.parent}`, weights SHA-256 `{m.parent_sha256}`."
        yield ""


def _limits(m: pb.Bundle) -> Lines:
    yield from ("## Limits", "")
    yield f"- At most {m.limits.max_source_tokens} pieces in a source, tag and end included."
    if m.task == pb.TASK_TRANSLATION:
        yield f"- At most {m.limits.max_target_tokens} pieces in a translation, end included."
        yield "- One sentence at a time is what it was trained on."
    mapped = sorted({mapping.language for mapping in m.normalization.mappings})
    letters = f", then letters of {', '.join(mapped)} made uniform" if mapped else ""
    yield f"- Text is brought to Unicode {m.normalization.unicode_form}{letters}."
    yield "- Figures hold for text like their test set; other text may fare worse."
