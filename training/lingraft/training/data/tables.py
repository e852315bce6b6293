"""Parallel, labelled and plain text from TSV, JSON Lines, Parquet and Hugging Face `datasets`.

Every fault of a file is an error that names the file and, where there is one, the line.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lingraft.training.errors import DataError

Column = int | str
_HUB = "hf:"


@dataclass(frozen=True)
class Table:
    """Where rows come from.

    location: a path ending in .tsv, .txt, .jsonl or .parquet, or "hf:NAME[[:CONFIG]:SPLIT]", NAME
        being OWNER/NAME on the hub or a local folder of data files, SPLIT "train" if left out.
    columns: what to take: by position (TSV) or by name (TSV with a header and all other kinds).
    header: the first line of a TSV names the columns.
    """

    location: str
    columns: tuple[Column, ...]
    header: bool = False


def read_rows(table: Table) -> list[tuple[str, ...]]:
    """The wanted columns of every row, rows with an empty cell left out.

    Raises:
        DataError: the file is missing, empty, not UTF-8, has a row with the wrong number of columns
            or lacks a wanted column; named with file and line.
    """
    try:
        rows = list(_read(table))
    except OSError as error:
        raise DataError(f"{table.location}: cannot be read: {error.strerror or error}") from None
    if not rows:
        raise DataError(f"{table.location}: no rows: the file is empty; give one with text")
    kept = [row for row in rows if all(row)]
    if not kept:
        raise DataError(f"{table.location}: every row has an empty cell in {list(table.columns)}")
    return kept


def read_tables(tables: Sequence[Table]) -> list[list[tuple[str, ...]]]:
    """The rows of every table, as of `read_rows`.

    Raises:
        DataError: one or more are faulty; all of them are named.
    """
    results: list[list[tuple[str, ...]]] = []
    faults: list[str] = []
    for table in tables:
        try:
            results.append(read_rows(table))
        except DataError as error:
            faults.append(str(error))
    if faults:
        raise DataError("\n".join(dict.fromkeys(faults)))
    return results


def _read(table: Table) -> Iterable[tuple[str, ...]]:
    if table.location.startswith(_HUB):
        return _read_hub(table)
    path = Path(table.location)
    readers = {
        ".tsv": _read_tsv,
        ".txt": _read_tsv,
        ".jsonl": _read_jsonl,
        ".parquet": _read_parquet,
    }
    reader = readers.get(path.suffix)
    if reader is None:
        raise DataError(f"{path}: unknown kind of file; use one of {', '.join(sorted(readers))}")
    if not path.is_file():
        raise DataError(f"{path}: no such file; check the recipe's path and LINGRAFT_DATA")
    return reader(path, table)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Numbered lines, from 1; only \\n ends a line, so that odd separators inside text survive."""
    with path.open("rb") as file:
        for number, raw in enumerate(file, start=1):
            try:
                # Some editors put a byte order mark before the first line; it is no text.
                text = raw.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise DataError(
                    f"{path}, line {number}: not UTF-8 at byte {error.start}; convert the file"
                ) from None
            yield number, text.rstrip("\r\n")


def _read_tsv(path: Path, table: Table) -> Iterator[tuple[str, ...]]:
    lines = _lines(path)
    names: Sequence[str] = ()
    if table.header:
        _, first = next(lines, (1, ""))
        names = first.split("\t")
    picks = [_position(column, names, path) for column in table.columns]
    # Without a header the first line sets the width, which must hold every wanted column.
    width = len(names)
    for number, line in lines:
        cells = line.split("\t")
        width = width or max(len(cells), *(pick + 1 for pick in picks))
        if len(cells) != width:
            raise DataError(
                f"{path}, line {number}: {len(cells)} columns where {width} were expected "
                "(columns are separated by one tab)"
            )
        yield tuple(cells[i].strip() for i in picks)


def _position(column: Column, names: Sequence[str], path: Path) -> int:
    if isinstance(column, int):
        if names and column >= len(names):
            raise DataError(f"{path}: no column {column}; it has {len(names)}, counted from 0")
        return column
    if column not in names:
        known = ", ".join(names) or "none: set header = true"
        raise DataError(f"{path}: no column {column!r}; its columns are {known}")
    return names.index(column)


def _read_jsonl(path: Path, table: Table) -> Iterator[tuple[str, ...]]:
    for number, line in _lines(path):
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            raise DataError(f"{path}, line {number}: not JSON: {error.msg}") from None
        if not isinstance(record, dict):
            raise DataError(f"{path}, line {number}: not a JSON object")
        yield _from_record(record, table.columns, f"{path}, line {number}")


def _read_parquet(path: Path, table: Table) -> Iterator[tuple[str, ...]]:
    import pyarrow
    import pyarrow.parquet

    try:
        records = pyarrow.parquet.read_table(path).to_pylist()
    except UnicodeDecodeError:
        raise DataError(f"{path}: a text in it is not UTF-8; convert the file") from None
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f"{path}: not Parquet: {error}") from None
    for number, record in enumerate(records, start=1):
        yield _from_record(record, table.columns, f"{path}, row {number}")


def _read_hub(table: Table) -> Iterator[tuple[str, ...]]:
    import datasets

    name, *rest = table.location.removeprefix(_HUB).split(":")
    config, split = (rest[0], rest[1]) if len(rest) == 2 else (None, rest[0] if rest else "train")
    try:
        content = datasets.load_dataset(name, config, split=split)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{table.location}: cannot be loaded: {reason}") from None
    for number, record in enumerate(content, start=1):
        yield _from_record(record, table.columns, f"{table.location}, row {number}")


def _from_record(record: dict[Any, Any], columns: Sequence[Column], where: str) -> tuple[str, ...]:
    # Hub translation sets nest the pair under one key: {"translation": {"en": ..., "yo": ...}}.
    nested = record.get("translation")
    cells = nested if isinstance(nested, dict) else record
    missing = [str(column) for column in columns if column not in cells]
    if missing:
        raise DataError(f"{where}: no {', '.join(missing)}; it has {', '.join(map(str, cells))}")
    return tuple(
        str(cells[column] if cells[column] is not None else "").strip() for column in columns
    )
