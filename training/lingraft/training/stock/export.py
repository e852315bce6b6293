"""A stock checkpoint into a bundle: what `lingraft-train export` does, from top to bottom."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import transformers

from lingraft.training.errors import ExportError
from lingraft.training.export import TranslationDev, TranslationExport, export_translation
from lingraft.training.export.bundle import Content
from lingraft.training.export.card import figure
from lingraft.training.export.facts import PRECISION_NAMES, precisions_named
from lingraft.training.measure.metrics import chrf
from lingraft.training.stock.checkpoint import digests, find_folder, load_model
from lingraft.training.stock.classifier import export_classifier_checkpoint, is_classifier
from lingraft.training.stock.lines import read_lines
from lingraft.training.stock.pairs import Pair, choose_pairs, prefixes, tags_of
from lingraft.training.stock.tokenizers import StockTokenizer, open_tokenizer
from lingraft.v1 import bundle_pb2 as pb
from lingraft.v1.common_pb2 import PAIR_STATUS_NOT_STATED

NOT_STATED = "not stated"
_UNBOUNDED_POSITIONS = 512  # of T5, which knows distances only
_LENGTH_RATIO = 3.0  # target pieces for each source piece; stock models bound nothing
_DEV_ROWS, _SYNTHETIC_ROWS = 100, 24
_SYNTHETIC_PIECES = 20
# Now and then two best pieces are nearer than float32 tells apart, and neither answer is wrong.
_TIES_ALLOWED = 2
_SEED = 1


@dataclass(frozen=True)
class StockExport:
    """The arguments of the command; the pairs are `en-yo`, none for all that can be named.

    `dev` is a file of sentences in the source language of the first pair, or of texts for a
    classifier, one a line, with reference or label after a tab or without; if there is no file,
    random pieces are measured on.
    """

    location: str
    output: Path
    name: str = ""
    version: str = "1"
    pairs: tuple[str, ...] = ()
    prefix: str = ""
    precisions: tuple[str, ...] = ("fp32", "int8")
    dev: Path | None = None
    licence: str = NOT_STATED
    source_name: str = NOT_STATED


def export_stock(asked: StockExport) -> pb.Bundle:
    """Write the bundle of a stock checkpoint and return its manifest.

    Raises:
        TrainingError: the checkpoint cannot be had or exported, or its graphs do not decode as it
            does; the message names every fault.
    """
    precisions = precisions_named(asked.precisions)
    folder = find_folder(asked.location)
    told = {"checkpoint.json": _provenance(asked.location, folder)}
    if is_classifier(folder):
        return _export_classifier(asked, folder, precisions, told)
    model = load_model(folder)
    tokenizer = open_tokenizer(folder, model.config.model_type)
    pairs = choose_pairs(tokenizer, asked.pairs)
    before = prefixes(model.config, pairs, asked.prefix)
    facts = _facts(asked, model, tokenizer, pairs, before)
    return export_translation(
        TranslationExport(
            model=model,
            tokenizer=tokenizer.files,
            facts=facts,
            dev=_dev(asked, facts, tokenizer, before),
            extra_files=told,
            precisions=precisions,
            ties_allowed=_TIES_ALLOWED,
        ),
        asked.output,
    )


def _export_classifier(
    asked: StockExport,
    folder: Path,
    precisions: Sequence[pb.Precision],
    told: Mapping[str, Content],
) -> pb.Bundle:
    if asked.pairs or asked.prefix:
        raise ExportError(f"{asked.location} classifies: pairs and a prefix say nothing to it")
    return export_classifier_checkpoint(
        folder, asked.output, _identity(asked), precisions, asked.dev, told
    )


def measured(bundle: pb.Bundle) -> list[str]:
    """What the export found out, one line for each precision."""
    names = PRECISION_NAMES
    return [
        f"{names[graphs.precision]}: {graphs.identical_share:.1%} of answers as PyTorch's, loss "
        f"{figure(graphs.quality_loss)}"
        for graphs in bundle.graphs
    ]


def _facts(
    asked: StockExport,
    model: Any,
    tokenizer: StockTokenizer,
    pairs: Sequence[Pair],
    before: Mapping[Pair, str],
) -> pb.Bundle:
    facts = _identity(asked)
    facts.tokenizer.CopyFrom(tokenizer.message)
    facts.tag_placement = tokenizer.placement
    facts.language_tags.extend(tags_of(tokenizer, pairs))
    for pair in pairs:
        facts.pairs.add(
            source_language=pair[0],
            target_language=pair[1],
            status=PAIR_STATUS_NOT_STATED,
            source_prefix=before.get(pair, ""),
        )
    ids = facts.special_ids
    ids.eos, ids.unk, ids.pad = tokenizer.eos, tokenizer.unk, tokenizer.pad
    ids.decoder_start = model.config.decoder_start_token_id
    facts.normalization.unicode_form = "NONE"  # the stock tokenizer gets text as it comes
    limit = _positions(model.config, tokenizer.longest)
    facts.limits.max_source_tokens = facts.limits.max_target_tokens = limit
    stock = model.generation_config
    facts.decoding.beam_size = stock.num_beams or 1
    facts.decoding.length_penalty = 1.0 if stock.length_penalty is None else stock.length_penalty
    facts.decoding.max_length_ratio = _LENGTH_RATIO
    return facts


def _identity(asked: StockExport) -> pb.Bundle:
    """Name, version, and what is known of data and licence."""
    facts = pb.Bundle(name=asked.name or _name(asked.location), version=asked.version)
    facts.licence = asked.licence
    facts.data_sources.add(name=asked.source_name, licence=asked.licence)
    return facts


def _positions(config: Any, longest: int) -> int:
    """Most pieces of a source: the model's positions or the tokenizer's limit, if that is less."""
    known = (getattr(config, name, None) for name in ("max_position_embeddings", "n_positions"))
    limit = next((positions for positions in known if positions), _UNBOUNDED_POSITIONS)
    return int(min(limit, longest))


def _name(location: str) -> str:
    """A bundle's name from a folder's or a hub id's last part."""
    return re.sub(r"[^a-z0-9._-]+", "-", Path(location).resolve().name.lower()).strip("-")


def _dev(
    asked: StockExport,
    facts: pb.Bundle,
    tokenizer: StockTokenizer,
    before: Mapping[Pair, str],
) -> TranslationDev:
    """Rows to compare and measure on: dev text, else random pieces."""
    pairs = [(pair.source_language, pair.target_language) for pair in facts.pairs]
    if asked.dev is None:
        rows = _synthetic(facts, tokenizer, pairs, before)
        cycled = [pairs[i % len(pairs)] for i in range(len(rows))]
        name, references = "random pieces", []
    else:
        lines = read_lines(asked.dev, _DEV_ROWS)
        cycled = [pairs[0]] * len(lines)
        prefix = before.get(pairs[0], "")
        rows = [tokenizer.frame(tokenizer.pieces(prefix + line[0]), *pairs[0]) for line in lines]
        name, references = asked.dev.name, [line[1] for line in lines if len(line) > 1]
    limit = facts.limits.max_source_tokens
    return TranslationDev(
        name=name,
        sources=[row if len(row) <= limit else [*row[: limit - 1], row[-1]] for row in rows],
        references=references,
        decode=tokenizer.decode,
        score=lambda hypotheses, against: chrf(hypotheses, against).value,
        signature="" if references else "against the translations of the fp32 model itself",
        forced=[tokenizer.forced(target) for _, target in cycled],
    )


def _synthetic(
    facts: pb.Bundle, tokenizer: StockTokenizer, pairs: Sequence[Pair], before: Mapping[Pair, str]
) -> list[list[int]]:
    """Sources of 1 to 20 random ordinary pieces, of all pairs in turn."""
    random = np.random.RandomState(_SEED)
    ordinary = np.array(sorted(set(range(tokenizer.size)) - tokenizer.special))
    rows = []
    for i in range(_SYNTHETIC_ROWS):
        pieces = random.choice(ordinary, 1 + i % _SYNTHETIC_PIECES).tolist()
        pair = pairs[i % len(pairs)]
        prefix = tokenizer.pieces(before.get(pair, ""))
        rows.append(tokenizer.frame([*prefix, *pieces], *pair))
    return rows


def _provenance(location: str, folder: Path) -> bytes:
    """Where the weights came from, for whoever wants to check."""
    told = {
        "checkpoint": location if location.count("/") == 1 else folder.resolve().name,
        "weights_sha256": digests(folder),
        "transformers": transformers.__version__,
    }
    return (json.dumps(told, indent=1, ensure_ascii=False) + "\n").encode()
