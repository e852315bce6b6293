"""From a measured language identifier to the facts of its bundle and its export."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from lingraft.training.data.licences import strictest
from lingraft.training.export import ClassifierDev, Notes, write_classifier
from lingraft.training.export.hashing import HashedTable
from lingraft.training.export.identifier import identifier_graph
from lingraft.training.export.manifest import FORMAT_VERSION
from lingraft.training.export.runtime import Ids
from lingraft.training.export.weights import Floats
from lingraft.training.identification.measure import Identification, Share
from lingraft.training.identification.texts import UNDETERMINED
from lingraft.training.identify import Identified
from lingraft.training.vocabulary.normalise import UNICODE_FORM
from lingraft.v1 import bundle_pb2 as pb
from lingraft.v1.common_pb2 import Metric

FAMILY = "character-ngrams"
_SPACE, _UNKNOWN, _PAD = 0x20, 0xFFFD, 0
_ENDS = 2  # a space before the text, one after it


def export_identifier(found: Identified, folder: Path) -> pb.Bundle:
    """Write the bundle of a language identifier, 8-bit graph and report, and return its manifest.

    Raises:
        ExportError: the folder cannot be written.
        ParityError: the graph gives some dev text other logits than the model.
    """
    model = found.model
    hashed = HashedTable(model.ngrams, model.table)
    some = [*found.dev, ("7", UNDETERMINED)]
    dev = ClassifierDev(
        name=" + ".join(dict.fromkeys(source.name for source in found.recipe.dev)),
        sources=[_ids(text[: model.longest]) for text, _ in some],
        labels=[model.labels.index(language) for _, language in some],
        reference=lambda rows: _logits(found, rows),
    )
    return write_classifier(
        folder,
        _facts(found),
        lambda: identifier_graph(model.alphabet.table, hashed, model.bias),
        dev,
        {"report.json": identification_report(found)},
        [pb.PRECISION_INT8],
        notes=Notes(weaknesses=found.recipe.weaknesses),
    )


def identification_report(found: Identified) -> bytes:
    """report.json: the figures, none of the texts."""
    test = found.test
    content = {
        "languages": list(found.model.labels),
        "accuracy": {
            "languages": round(test.languages, 4),
            "und": None if test.strangers is None else round(test.strangers, 4),
            "by_words": {words: round(value, 4) for words, value in test.by_length.items()},
        },
        "ece": round(test.reliability.ece, 4),
        "sets": list(map(_row, test.shares)),
    }
    return (json.dumps(content, indent=1) + "\n").encode()


def _row(share: Share) -> dict[str, Any]:
    interval = share.accuracy
    return {
        "test_set": share.test_set,
        "language": share.language,
        "accuracy": round(interval.value, 4),
        "interval": [round(interval.low, 4), round(interval.high, 4)],
        "texts": share.size,
        "mistaken_for": dict(share.mistaken),
    }


def _facts(found: Identified) -> pb.Bundle:
    recipe, model = found.recipe, found.model
    facts = pb.Bundle(
        format_version=FORMAT_VERSION,
        name=recipe.name,
        version="1",
        task=pb.TASK_LANGUAGE_IDENTIFICATION,
        family=FAMILY,
        display_name=recipe.display_name,
        labels=model.labels,
        languages=model.labels[:-1],
        licence=strictest([recipe.licence, *(source.licence for source in recipe.train)]),
        metrics=_metrics(found.test),
    )
    facts.tokenizer.kind = pb.TOKENIZER_KIND_CODE_POINTS
    facts.special_ids.eos = facts.special_ids.text_start = _SPACE
    facts.special_ids.unk, facts.special_ids.pad = _UNKNOWN, _PAD
    facts.normalization.unicode_form = UNICODE_FORM
    facts.limits.max_source_tokens = model.longest + _ENDS
    for source, size in zip(recipe.train, found.sizes, strict=True):
        facts.data_sources.add(name=source.name, licence=source.licence, examples=size)
    return facts


def _metrics(test: Identification) -> Iterator[Metric]:
    for share in test.shares:
        yield Metric(
            name="accuracy",
            value=share.accuracy.value,
            ci_low=share.accuracy.low,
            ci_high=share.accuracy.high,
            test_set=f"{share.test_set} {share.language}",
            size=share.size,
        )
    size = sum(share.size for share in test.shares if share.language != UNDETERMINED)
    for words, value in test.by_length.items():
        name = f"all known texts, cut to {words} word{'s' * (words > 1)}"
        yield Metric(name="accuracy", value=value, test_set=name, size=size)
    yield Metric(
        name="ECE",
        value=test.reliability.ece,
        test_set="all known texts",
        size=size,
        signature="expected calibration error, smaller is better",
    )


def _ids(text: str) -> list[int]:
    return [_SPACE, *map(ord, text), _SPACE]


def _logits(found: Identified, rows: Sequence[Ids]) -> Floats:
    return found.model.logits(["".join(map(chr, row[1:-1])) for row in rows])
