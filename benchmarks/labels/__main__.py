"""`python -m benchmarks.labels --output FOLDER`: the label table, classifiers beside TF-IDF.

Topics with no, few and more labels of the children, spam across languages, sentiment. Whatever is
finished in FOLDER is not done again, so that the same command goes on where a killed one stopped;
to do a case again, remove its folder. Hours on two cores. No text of the data is written to
`table.json` and `table.md`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.labels.cases import CASES, Case
from benchmarks.labels.table import as_markdown, row_of
from lingraft.training.classify import classify
from lingraft.training.errors import RecipeError, TrainingError
from lingraft.training.recipe.recipes import ClassifyRecipe
from lingraft.training.report.classification import classification_report
from lingraft.training.report.report import write_report

_ROW = "row.json"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the cases and writes the table. Exit status 1 if a case failed; the others are done."""
    given = _parser().parse_args(arguments)
    failed = False
    for case in CASES:
        if given.cases and case.name not in given.cases:
            continue
        try:
            recipe = case.load(given.parent, seeds=given.seeds, counts=not given.encoder_alone)
            _run(case, recipe, given.output)
        except TrainingError as error:
            print(f"benchmarks.labels: {case.name}: {error}", file=sys.stderr)
            failed = True
    return int(failed)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.labels", description=__doc__)
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER")
    parser.add_argument(
        "--parent", default="parent-xs", help="folder, starter or hub id; default: %(default)s"
    )
    names = [case.name for case in CASES]
    parser.add_argument(
        "--cases", nargs="+", choices=names, metavar="CASE", help=f"some of {', '.join(names)}"
    )
    parser.add_argument(
        "--seeds", type=int, metavar="N", help="runs of every arm (default: 3 or 1)"
    )
    parser.add_argument(
        "--encoder-alone", action="store_true", help="without the table of n-grams beside it"
    )
    return parser


def _run(case: Case, recipe: ClassifyRecipe, output: Path) -> None:
    folder = output / case.name
    if (folder / _ROW).is_file():
        _require_same(json.loads((folder / _ROW).read_text("utf-8")), recipe, folder)
    else:
        made = classify(recipe, folder)
        write_report(classification_report(made, examples=False), folder)
        (folder / _ROW).write_text(json.dumps(row_of(case, made), indent=1) + "\n", "utf-8")
    _write(output)


def _require_same(row: dict[str, object], recipe: ClassifyRecipe, folder: Path) -> None:
    """RecipeError where a finished case was made in another way than it is asked for now."""
    made, wanted = (row["seeds"], row["counts"]), (recipe.seeds, recipe.wide is not None)
    if made != wanted:
        told = "{} seeds, table of n-grams {}".format
        raise RecipeError(
            f"{folder}: done with {told(*made)}, not with {told(*wanted)}; remove it, or give "
            "another --output"
        )


def _write(output: Path) -> None:
    """The table of all cases that are finished."""
    paths = [output / case.name / _ROW for case in CASES]
    rows = [json.loads(path.read_text(encoding="utf-8")) for path in paths if path.is_file()]
    (output / "table.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    (output / "table.md").write_text(as_markdown(rows), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
