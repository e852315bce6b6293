"""A stock *ForSequenceClassification checkpoint into a bundle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

from lingraft.training.errors import DataError, ExportError, ParentError
from lingraft.training.export.bundle import Content
from lingraft.training.export.classification import ClassifierDev, write_classifier
from lingraft.training.export.encoders import CLASSIFIERS
from lingraft.training.export.facts import to_arrays
from lingraft.training.export.manifest import FORMAT_VERSION
from lingraft.training.export.runtime import Ids, pad_rows
from lingraft.training.export.weights import Floats
from lingraft.training.stock.lines import read_lines
from lingraft.v1 import bundle_pb2 as pb

_TOKENIZER_FILE = "tokenizer.json"
_PROBE = "a"
# Attention takes memory with the square of the length, and ModernBERT would allow 8192.
_LONGEST = 2048
_DEV_ROWS, _RANDOM_ROWS, _SEED = 200, 32, 1
_REFERENCE_ROWS = 8


@dataclass(frozen=True)
class _Stock:
    """A loaded checkpoint: its model, its tokenizer, and the ids around every text."""

    model: Any
    tokenizer: Any
    start: int | None
    end: int

    @property
    def longest(self) -> int:
        """Most pieces of a text."""
        config = self.model.config
        positions = config.max_position_embeddings
        if config.model_type in ("roberta", "xlm-roberta"):
            positions -= config.pad_token_id + 1
        return int(min(positions, self.tokenizer.model_max_length, _LONGEST))

    def ids(self, text: str) -> list[int]:
        """What the model reads for a text, cut to `longest` with the end kept."""
        front = [] if self.start is None else [self.start]
        pieces = self.tokenizer(text, add_special_tokens=False).input_ids
        return [*front, *pieces[: self.longest - len(front) - 1], self.end]

    def logits(self, rows: Sequence[Ids]) -> Floats:
        """[N,C] as PyTorch computes them in fp32."""
        parts = []
        for start in range(0, len(rows), _REFERENCE_ROWS):
            ids, lengths = pad_rows(
                rows[start : start + _REFERENCE_ROWS], self.tokenizer.pad_token_id
            )
            real = np.arange(ids.shape[1]) < lengths[:, None]
            with torch.inference_mode():
                answer = self.model(
                    input_ids=torch.from_numpy(ids),
                    attention_mask=torch.from_numpy(real.astype(np.int64)),
                )
            parts.append(answer.logits.numpy())
        joined: Floats = np.concatenate(parts)
        return joined


def is_classifier(folder: Path) -> bool:
    """Whether a checkpoint is a classifier of a family that can be exported."""
    config = _config(folder)
    named = any("SequenceClassification" in each for each in config.architectures or ())
    return config.model_type in CLASSIFIERS and named


def export_classifier_checkpoint(
    folder: Path,
    output: Path,
    facts: pb.Bundle,
    precisions: Sequence[pb.Precision],
    dev: Path | None = None,
    extra_files: Mapping[str, Content] | None = None,
) -> pb.Bundle:
    """Write the bundle of a stock classifier and return its manifest.

    Args:
        folder: the checkpoint's folder.
        output: the bundle's.
        facts: name, version, licence and data_sources; all else is read off the checkpoint.
        precisions: graph sets of the bundle; the first is the server's default.
        dev: file of texts, one a line, each with its label after a tab or none, to compare and
            measure on; without it, random pieces.
        extra_files: further files of the bundle by path.

    Raises:
        TrainingError: the checkpoint cannot be loaded or exported, or its graph gives other logits
            than it does; the message says why.
    """
    stock = _load(folder)
    draft = _draft(facts, stock)
    content = stock.tokenizer.backend_tokenizer.to_str().encode()
    state = to_arrays(stock.model.state_dict())
    config = stock.model.config
    return write_classifier(
        output,
        draft,
        lambda: CLASSIFIERS[config.model_type](config, state),
        _dev(dev, stock, draft),
        {_TOKENIZER_FILE: content, **(extra_files or {})},
        precisions,
    )


def _config(folder: Path) -> Any:
    try:
        return AutoConfig.from_pretrained(str(folder))
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0]
        raise ParentError(f"{folder}: no configuration can be read from it: {reason}") from None


def _load(folder: Path) -> _Stock:
    try:
        model = AutoModelForSequenceClassification.from_pretrained(
            str(folder), dtype=torch.float32, attn_implementation="eager"
        )
        tokenizer = AutoTokenizer.from_pretrained(str(folder))
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise ParentError(f"{folder}: no classifier can be loaded from it: {reason}") from None
    _refuse_unknown(model.config, tokenizer)
    return _Stock(model.eval(), tokenizer, *_frame(tokenizer))


def _refuse_unknown(config: Any, tokenizer: Any) -> None:
    faults = []
    if config.model_type not in CLASSIFIERS:
        known = ", ".join(CLASSIFIERS)
        faults.append(f"model_type {config.model_type!r} is not one of {known}")
    if config.problem_type not in (None, "single_label_classification") or config.num_labels < 2:
        faults.append(
            f"{config.num_labels} labels with problem_type {config.problem_type!r}: only "
            "classifiers with one label of many for each text can be served"
        )
    if not hasattr(tokenizer, "backend_tokenizer"):
        faults.append(f"its {type(tokenizer).__name__} is not of the library tokenizers")
    if tokenizer.pad_token_id is None:
        faults.append("its tokenizer has no padding")
    if faults:
        raise ExportError(f"this classifier cannot be exported: {'; '.join(faults)}")


def _frame(tokenizer: Any) -> tuple[int | None, int]:
    """What the tokenizer puts before and after the pieces of a text."""
    bare = tokenizer(_PROBE, add_special_tokens=False).input_ids
    full = tokenizer(_PROBE).input_ids
    if full[-len(bare) - 1 : -1] == bare and len(full) - len(bare) in (1, 2):
        return (full[0] if len(full) > len(bare) + 1 else None), full[-1]
    raise ExportError(
        f"the tokenizer makes {full} of a text with the pieces {bare}: a bundle has at most one "
        "piece before and exactly one after"
    )


def _draft(facts: pb.Bundle, stock: _Stock) -> pb.Bundle:
    config, tokenizer = stock.model.config, stock.tokenizer
    draft = pb.Bundle()
    draft.CopyFrom(facts)
    draft.format_version, draft.family = FORMAT_VERSION, config.model_type
    draft.task = pb.TASK_CLASSIFICATION
    draft.labels.extend(str(config.id2label[i]) for i in range(config.num_labels))
    draft.tokenizer.kind = pb.TOKENIZER_KIND_TOKENIZER_JSON
    draft.tokenizer.source_model = _TOKENIZER_FILE
    ids = draft.special_ids
    # A classifier has no decoder; the end means nothing of its own there, unlike id 0.
    ids.eos = ids.decoder_start = stock.end
    ids.unk, ids.pad = tokenizer.unk_token_id or 0, tokenizer.pad_token_id
    if stock.start is not None:
        ids.text_start = stock.start
    draft.normalization.unicode_form = "NONE"  # tokenizer.json has the model's own normalisation
    draft.limits.max_source_tokens = stock.longest
    return draft


def _dev(path: Path | None, stock: _Stock, draft: pb.Bundle) -> ClassifierDev:
    if path is None:
        return ClassifierDev("random pieces", _random_rows(stock), (), stock.logits)
    lines = read_lines(path, _DEV_ROWS)
    names = list(draft.labels)
    labels = [line[1].strip() for line in lines if len(line) > 1]
    if unknown := sorted(set(labels) - set(names)):
        raise DataError(f"{path}: labels {', '.join(unknown)} are not of {', '.join(names)}")
    rows = [stock.ids(line[0]) for line in lines]
    return ClassifierDev(path.name, rows, [names.index(label) for label in labels], stock.logits)


def _random_rows(stock: _Stock) -> list[list[int]]:
    """Texts of random ordinary pieces, from none to as many as the model takes."""
    random = np.random.RandomState(_SEED)
    special = set(stock.tokenizer.all_special_ids)
    ordinary = np.array(sorted(set(range(len(stock.tokenizer))) - special))
    front = [] if stock.start is None else [stock.start]
    most = min(stock.longest, 256) - len(front) - 1
    counts = np.linspace(0, most, _RANDOM_ROWS).astype(int)
    return [[*front, *random.choice(ordinary, count).tolist(), stock.end] for count in counts]
