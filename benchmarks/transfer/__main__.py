"""`python -m benchmarks.transfer --output FOLDER`: the transfer table and the planned negatives.

Pretrains the parents and grafts every case; whatever is finished in FOLDER is not done again, so
that the same command goes on where a killed one stopped. Hours on two cores. No sentence of the
data is written to `table.json` and `table.md`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.transfer.cases import CHILDREN, PARENTS, ChildCase
from benchmarks.transfer.table import as_markdown, row_of
from lingraft.training.errors import TrainingError
from lingraft.training.graft import graft
from lingraft.training.models.marian import WEIGHTS_FILE
from lingraft.training.parents.find import MODEL_FOLDER
from lingraft.training.pretrain import pretrain
from lingraft.training.report.report import translation_report, write_report


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the cases and writes the table. Exit status 1 if a verdict is not the expected one."""
    given = _parser().parse_args(arguments)
    if given.table:
        _write(given.output)
        return 0
    wanted = [case for case in CHILDREN if not given.cases or case.name in given.cases]
    parents = {case.parent for case in wanted}
    try:
        for parent in PARENTS:
            model = given.output / parent.name / MODEL_FOLDER / WEIGHTS_FILE
            if parent.name in parents and not model.is_file():
                pretrain(parent.load(), given.output / parent.name)
        rows = [_run(case, given.output) for case in wanted]
    except TrainingError as error:
        print(f"benchmarks.transfer: {error}", file=sys.stderr)
        return 1
    _write(given.output)
    return int(not all(row["as_expected"] for row in rows))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.transfer", description=__doc__)
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER")
    names = [case.name for case in CHILDREN]
    parser.add_argument(
        "--cases", nargs="+", choices=names, metavar="CASE", help=f"some of {', '.join(names)}"
    )
    parser.add_argument(
        "--table", action="store_true", help="run nothing: write the table of what is finished"
    )
    return parser


def _run(case: ChildCase, output: Path) -> dict[str, object]:
    folder = output / case.name
    grafted = graft(case.load(output / case.parent / MODEL_FOLDER), folder)
    write_report(translation_report(grafted, examples=False), folder)
    row = row_of(case, grafted)
    (folder / "row.json").write_text(json.dumps(row, indent=1) + "\n", encoding="utf-8")
    _write(output)
    return row


def _write(output: Path) -> None:
    """The table of all cases that are finished."""
    paths = [output / case.name / "row.json" for case in CHILDREN]
    rows = [json.loads(path.read_text(encoding="utf-8")) for path in paths if path.is_file()]
    (output / "table.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    (output / "table.md").write_text(as_markdown(rows), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
