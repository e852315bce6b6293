"""`python -m benchmarks.engine --json FILE`: Lingraft, CTranslate2 and Transformers in one run.

README.md says what is compared and what each figure means.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import settings
from benchmarks.cases import Case, fixed_cases, lengths_of
from benchmarks.common import ROOT, Json, load_average, report, write_json
from benchmarks.contest import CT2, OURS, TORCH, Arena, Effort, best_variant, differences, play, say
from benchmarks.layout import models_folder
from benchmarks.models import STARTER, VOCABULARY, random_model, starter_model
from benchmarks.sentences import natural_case, single_sentences
from benchmarks.workers.process import Variant, WorkerError

_FULL = Effort(trials=3, rounds=15, slow_rounds=3)
_QUICK = Effort(trials=1, rounds=3, slow_rounds=1)
_NATURAL_ROWS = 32  # of a part, for Transformers
_PACKAGES = ("lingraft", "onnxruntime", "ctranslate2", "transformers", "torch", "numpy")
_DOES_NOT_MEASURE = (
    "tokenising, splitting into sentences, gRPC: ids go in, ids come out",
    "other machines, other shapes of models, GPUs",
    "quality: weights of the fixed-length cases are random, and int8 may choose other tokens",
    "the time to load, convert or export a model",
    "Transformers in int8: it runs in fp32 or bf16, whichever is faster",
)


@dataclass(frozen=True)
class _Choice:
    """What the command line asks for."""

    threads: int
    precision: str
    effort: Effort
    cases: tuple[str, ...]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the comparison and writes the file. Exit status 0 when it was written."""
    given = _parser().parse_args(arguments)
    effort = _QUICK if given.quick else _FULL
    choice = _Choice(given.threads, given.precision, effort, tuple(given.cases or ()))
    load_before = load_average()
    try:
        with models_folder() as folder:
            rows, origin = _rows(choice, folder)
    except WorkerError as error:
        print(f"benchmarks.engine: {error}", file=sys.stderr)
        return 1
    about = {
        "precision": given.precision,
        "threads_of_each_engine": given.threads,
        "quick": given.quick,
        "natural_sentences": origin,
        "rates": "tokens per second, median of the rounds; ratios are medians of paired rounds",
    }
    content = report(
        rows,
        load_before=load_before,
        packages=_PACKAGES,
        settings=about,
        does_not_measure=_DOES_NOT_MEASURE,
    )
    write_json(given.json, content)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engine", description=__doc__)
    parser.add_argument("--json", type=Path, required=True, metavar="FILE", help="file to write")
    parser.add_argument("--quick", action="store_true", help="few rounds: to try it, not to quote")
    parser.add_argument("--cases", nargs="*", metavar="CASE", help="these alone: greedy-b1 natural")
    parser.add_argument("--precision", choices=("int8", "fp32"), default="int8")
    parser.add_argument("--threads", type=int, default=1, help="of each engine (default: 1)")
    return parser


def _rows(choice: _Choice, folder: Path) -> tuple[Json, str]:
    rows: list[Json] = []
    peaks: Json = {}
    floors: Json = {}
    random_folder, starter_folder = folder / "random", folder / "starter"
    fixed = [case for case in fixed_cases(VOCABULARY) if _wanted(choice, case.name)]
    if fixed:
        say("making the random model")
        random_model(random_folder, choice.precision)
        floors = _floor(random_folder, choice.precision)
        with Arena(random_folder, choice.threads, choice.precision) as arena:
            rows += [_fixed(arena, case, choice) for case in fixed]
            peaks["random"] = arena.peaks()
    origin = ""
    if _wanted(choice, "natural"):
        say("making the starter")
        starter_model(starter_folder, choice.precision)
        texts, origin = single_sentences(STARTER)
        natural = natural_case(STARTER, texts)
        with Arena(starter_folder, choice.threads, choice.precision) as arena:
            rows.append(_natural(arena, natural, choice))
            peaks["starter"] = arena.peaks()
    return {"cases": rows, "floor": floors, "peak_rss_mib": peaks}, origin


def _wanted(choice: _Choice, name: str) -> bool:
    return not choice.cases or name in choice.cases


def _fixed(arena: Arena, case: Case, choice: _Choice) -> Json:
    width = len(case.batches[0]) * case.beams
    candidates = {
        OURS: settings.ours(tuple(sorted({32, max(32, width)}))),
        CT2: settings.ct2(choice.threads),
        TORCH: settings.torch(choice.precision),
    }
    chosen = {
        name: best_variant(arena, case, variants, choice.effort.trials_of(name))
        for name, variants in candidates.items()
    }
    return _row(arena, case, chosen, settings.torch(choice.precision)[0], choice)


def _natural(arena: Arena, case: Case, choice: _Choice) -> Json:
    trials = choice.effort.trials
    first = [
        each.running("32 examples a batch", max_batch_size=32)
        for each in settings.ct2(choice.threads)
    ]
    library = best_variant(arena, case, first, trials)
    reference = settings.torch(choice.precision, _NATURAL_ROWS)
    chosen = {
        OURS: best_variant(arena, case, settings.ours((16, 32, 64)), trials),
        CT2: best_variant(arena, case, list(settings.ct2_batching(library)), trials),
        TORCH: best_variant(arena, case, reference, choice.effort.trials_of(TORCH)),
    }
    row = _row(arena, case, chosen, reference[0], choice)
    return {**row, "source_tokens": lengths_of(case.sentences)}


def _row(
    arena: Arena, case: Case, chosen: dict[str, Variant], reference: Variant, choice: _Choice
) -> Json:
    expected = arena.run(reference, case).answers
    played = play(arena, case, chosen, choice.effort)
    row = played.row(expected)
    row["peak_rss_mib"] = {name: arena.worker(each).peak_rss_mib() for name, each in chosen.items()}
    if choice.precision == "fp32":
        ours = played.runs[OURS][-1].answers
        row["differences"] = differences(arena, reference, case, ours, expected)
    say(json.dumps({key: row[key] for key in ("name", *chosen, f"ratio_{CT2}", "identical")}))
    return row


def _floor(folder: Path, precision: str) -> Any:
    command = [sys.executable, "-m", "benchmarks.floor", str(folder), precision]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


if __name__ == "__main__":
    sys.exit(main())
