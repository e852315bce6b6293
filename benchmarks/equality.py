"""`python -m benchmarks.equality --json FILE`: the server's batch against Transformers, in fp32.

Exit status 1 where a family's answers or scores are not those of `generate`. README.md says more.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.cases import Case
from benchmarks.common import ROOT, Json, load_average, report, significant, write_json
from benchmarks.contest import say, share_identical
from benchmarks.equality_models import NAMES, SOURCE, STEPS, TARGET, make_model, training_of
from benchmarks.layout import bundle_folder
from benchmarks.sentences import data_folder, natural_texts
from benchmarks.workers.base import Answers, Load
from benchmarks.workers.ours import Lingraft
from benchmarks.workers.torch_generate import Transformers
from lingraft.server.bundle import read_bundle
from lingraft.server.text import TextCodec
from lingraft.training.errors import TrainingError

LEAST_IDENTICAL = 0.995  # share of sentences
TIE = 1e-3  # natural logarithm: answers that Transformers tells apart by less are a tie
SCORE_TOLERANCE = 1e-3  # of the mean log-probability of a piece
MOST = 64  # tokens of a target
SEARCHES = {"greedy": 1, "beam4": 4}
_LONGEST = 240  # characters of a sentence
_REFERENCE_ROWS = 32  # of a part, for Transformers
_PACKAGES = ("lingraft", "onnxruntime", "transformers", "torch", "sentencepiece", "numpy")
_DOES_NOT_MEASURE = (
    "real checkpoints: weights are small and trained for minutes, all but Marian's",
    "speed, and precisions other than fp32",
    "tokenising, splitting into sentences, gRPC: ids go in, ids come out",
    "searches with penalties, prefixes or sampling",
    "processors and numbers of threads other than those of this run",
)


class _EqualityError(Exception):
    """The comparison cannot be made; the message says why."""


@dataclass(frozen=True)
class Pair:
    """Answers of both to one case, eos included where it came, and scores per piece."""

    ours: Answers
    theirs: Answers
    our_scores: Sequence[float]
    their_scores: Sequence[float]


def main(arguments: Sequence[str] | None = None) -> int:
    """Compares and writes the file. Exit status 0 when every row holds what is promised."""
    given = _parser().parse_args(arguments)
    load_before = load_average()
    try:
        texts, origin = _texts(given.sentences)
        rows, training = _rows(given, texts)
    except (TrainingError, _EqualityError) as error:
        print(f"benchmarks.equality: {error}", file=sys.stderr)
        return 1
    about = {
        "precision": "fp32",
        "threads_of_each_engine": 1,
        "sentences": origin,
        "most_tokens_of_a_target": MOST,
        "least_identical": LEAST_IDENTICAL,
        "tie_below": TIE,
        "score_tolerance": SCORE_TOLERANCE,
        "training": training,
    }
    content = report(
        {"families": rows},
        load_before=load_before,
        packages=_PACKAGES,
        settings=about,
        does_not_measure=_DOES_NOT_MEASURE,
    )
    write_json(given.json, content)
    return 0 if all(map(holds, rows)) else 1


def holds(row: Json) -> bool:
    """Whether a row is what is promised."""
    return bool(
        row["identical"] >= LEAST_IDENTICAL
        and row["not_ties"] == 0
        and row["largest_score_difference"] <= SCORE_TOLERANCE
    )


def row_of(name: str, search: str, pair: Pair, margins: Sequence[float]) -> Json:
    """A row of the file; `margins` are those of the sentences whose answers differ."""
    ties = [abs(each) for each in margins if abs(each) < TIE]
    rows = zip(pair.ours, pair.theirs, pair.our_scores, pair.their_scores, strict=True)
    # Where answers differ there are no two scores of one thing.
    apart = [abs(a - b) for ours, theirs, a, b in rows if ours == theirs]
    tokens = sum(map(len, pair.theirs))
    return {
        "name": name,
        "search": search,
        "sentences": len(pair.theirs),
        "identical": share_identical(pair.ours, pair.theirs),
        "ties": len(ties),
        "not_ties": len(margins) - len(ties),
        "largest_tie_step": significant(max(ties, default=0.0)),
        "largest_margin": significant(max(map(abs, margins), default=0.0)),
        "largest_score_difference": significant(max(apart, default=0.0)),
        "mean_length": significant(tokens / len(pair.theirs)),
        "distinct": significant(len(set(map(tuple, pair.theirs))) / len(pair.theirs)),
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.equality", description=__doc__)
    parser.add_argument("--json", type=Path, required=True, metavar="FILE", help="file to write")
    parser.add_argument("--families", nargs="+", choices=NAMES, default=NAMES, metavar="FAMILY")
    parser.add_argument("--sentences", type=int, default=500)
    parser.add_argument("--steps", type=int, default=STEPS, help="of training each family")
    models = ROOT / "build" / "equality"
    parser.add_argument(
        "--models", type=Path, default=models, metavar="FOLDER", help="keeps the trained models"
    )
    return parser


def _texts(count: int) -> tuple[list[str], str]:
    """English development text that no model was trained on, and where it is from."""
    if not data_folder().is_dir():
        raise _EqualityError(f"there is no data folder {data_folder()}: set LINGRAFT_DATA")
    texts, origin = natural_texts()
    short = [text for text in texts if len(text) <= _LONGEST]
    if len(short) < count:
        raise _EqualityError(f"{origin} have {len(short)} sentences that are short enough")
    return short[:count], origin


def _rows(given: Any, texts: Sequence[str]) -> tuple[list[Json], Json]:
    rows, training = list[Json](), Json()
    for name in given.families:
        folder = given.models / f"{name}-{given.steps}"
        say(f"{name}: {folder}")
        make_model(name, folder, given.steps)
        training[name] = training_of(folder)
        rows += _compared(name, folder, texts)
    return rows, training


def _compared(name: str, folder: Path, texts: Sequence[str]) -> list[Json]:
    ours, theirs = Lingraft(), Transformers()
    ours.load(Load(folder, 1, "fp32", {}))
    theirs.load(Load(folder, 1, "fp32", {"dtype": "float32", "attention": "eager"}))
    rows = []
    with closing(ours):
        for search, beams in SEARCHES.items():
            case = _case(folder, texts, search, beams)
            pair = _play(ours, theirs, case)
            rows.append(row_of(name, search, pair, _margins(theirs, case, pair)))
            say(json.dumps(rows[-1]) + ("" if holds(rows[-1]) else " IS NOT EQUAL"))
    return rows


def _case(folder: Path, texts: Sequence[str], search: str, beams: int) -> Case:
    """All sentences handed over at once, as the server reads them."""
    codec = TextCodec(read_bundle(bundle_folder(folder)))
    encoded = [codec.translation(codec.pieces(each, SOURCE), SOURCE, TARGET) for each in texts]
    sources = tuple(each.ids for each in encoded)
    return Case(search, (sources,), beams, least=0, most=MOST, forced=encoded[0].forced)


def _play(ours: Lingraft, theirs: Transformers, case: Case) -> Pair:
    ours.prepare(case)
    found = ours.run(case, {})
    generated = theirs.run(case, {"rows": _REFERENCE_ROWS, "scored": True})
    return Pair(
        ours.answers(case, found),
        theirs.answers(case, generated),
        ours.scores(case, found),
        theirs.scores(case, generated),
    )


def _margins(judge: Transformers, case: Case, pair: Pair) -> list[float]:
    """By how much Transformers prefers its answer, for each sentence whose answers differ.

    Greedy search goes by the next piece, beam search by whole answers; so does an answer that only
    breaks off where the other one goes on.
    """
    rows = zip(case.sentences, pair.ours, pair.theirs, strict=True)
    found = [judge.margins(*each, case.forced) for each in rows if each[1] != each[2]]
    by_piece = case.beams == 1
    return [
        each["step"] if by_piece and each["step"] is not None else each["score"] for each in found
    ]


if __name__ == "__main__":
    sys.exit(main())
