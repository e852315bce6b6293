"""Reading of training text: four kinds of source, and every fault named with its place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from lingraft.training.data.tables import Table, read_rows, read_tables
from lingraft.training.errors import DataError

PAIRS = [("good day", "ẹ káàsán"), ("water", "omi")]


def _fault(path: Path, *columns: int | str, header: bool = False) -> str:
    with pytest.raises(DataError) as caught:
        read_rows(Table(str(path), columns or (0, 1), header))
    return str(caught.value)


def _file(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def _json_lines(*records: Any) -> str:
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


def test_a_tsv_without_a_header_is_read_by_position(tmp_path: Path) -> None:
    """Columns are counted from 0 and may be taken in any order."""
    path = _file(tmp_path, "a.tsv", "1\tgood day\tẹ káàsán\n2\twater\tomi\n")
    assert read_rows(Table(str(path), (1, 2))) == PAIRS
    assert read_rows(Table(str(path), (2, 1))) == [pair[::-1] for pair in PAIRS]


def test_a_tsv_with_a_header_is_read_by_name(tmp_path: Path) -> None:
    """The header names the columns and is itself no row."""
    path = _file(tmp_path, "a.tsv", "yo\ten\nẹ káàsán\tgood day\nomi\twater\n")
    assert read_rows(Table(str(path), ("en", "yo"), header=True)) == PAIRS


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    """Files from Windows' editors begin with one; it belongs to no name and no sentence."""
    named = _file(tmp_path, "a.tsv", b"\xef\xbb\xbfen\tyo\nwater\tomi\n")
    plain = _file(tmp_path, "b.tsv", b"\xef\xbb\xbfwater\tomi\r\n")
    assert read_rows(Table(str(named), ("en", "yo"), header=True)) == PAIRS[1:]
    assert read_rows(Table(str(plain), (0, 1))) == PAIRS[1:]


def test_only_a_line_feed_ends_a_line(tmp_path: Path) -> None:
    """Unicode's other line separators are text, or rows would fall apart."""
    path = _file(tmp_path, "a.tsv", "one\u2028two\x85three\tomi\n")
    assert read_rows(Table(str(path), (0, 1))) == [("one\u2028two\x85three", "omi")]


def test_rows_with_an_empty_cell_are_left_out(tmp_path: Path) -> None:
    """Half a pair teaches nothing, and is no fault of the file."""
    path = _file(tmp_path, "a.tsv", "water\tomi\nlost\t \n\tnlo\n")
    assert read_rows(Table(str(path), (0, 1))) == PAIRS[1:]


def test_json_lines_are_read_by_name(tmp_path: Path) -> None:
    """Other keys do not matter; null is an empty cell."""
    records = [{"en": en, "yo": yo, "id": i} for i, (en, yo) in enumerate(PAIRS)]
    path = _file(tmp_path, "a.jsonl", _json_lines(*records, {"en": "lost", "yo": None}))
    assert read_rows(Table(str(path), ("en", "yo"))) == PAIRS


def test_nested_translation_records_are_read_as_the_hub_has_them(tmp_path: Path) -> None:
    """{"translation": {"en": ..., "yo": ...}} is how translation sets are stored there."""
    records = [{"id": "7", "translation": {"en": en, "yo": yo}} for en, yo in PAIRS]
    path = _file(tmp_path, "a.jsonl", _json_lines(*records))
    assert read_rows(Table(str(path), ("en", "yo"))) == PAIRS


def test_parquet_is_read_by_name(tmp_path: Path) -> None:
    """Numbers become text, so that labels may be numbers."""
    table = pyarrow.table({"label": [0, 1], "en": [en for en, _ in PAIRS]})
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    rows = read_rows(Table(str(tmp_path / "a.parquet"), ("en", "label")))
    assert rows == [("good day", "0"), ("water", "1")]


def test_a_hugging_face_data_set_is_read_through_its_library(tmp_path: Path) -> None:
    """`hf:` goes through `datasets.load_dataset`, here on a folder since tests have no network."""
    folder = tmp_path / "greetings"
    folder.mkdir()
    nested = pyarrow.table({"translation": [{"en": en, "yo": yo} for en, yo in PAIRS]})
    pyarrow.parquet.write_table(nested, folder / "train-0.parquet")
    pyarrow.parquet.write_table(nested.slice(1), folder / "validation-0.parquet")
    assert read_rows(Table(f"hf:{folder}", ("en", "yo"))) == PAIRS
    assert read_rows(Table(f"hf:{folder}:validation", ("en", "yo"))) == PAIRS[1:]
    assert read_rows(Table(f"hf:{folder}:default:train", ("en", "yo"))) == PAIRS


def test_a_data_set_that_the_hub_does_not_give_is_one_line(tmp_path: Path) -> None:
    """Unknown names and unknown splits say so without a traceback."""
    for name in ("hf:nobody/nothing:train", f"hf:{tmp_path}:train"):
        with pytest.raises(DataError, match=r"cannot be loaded") as caught:
            read_rows(Table(name, ("en", "yo")))
        assert str(caught.value).startswith(f"{name}: ")
        assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """The message also says where to look."""
    message = _fault(tmp_path / "none.tsv")
    assert message.startswith(f"{tmp_path / 'none.tsv'}: no such file")
    assert "LINGRAFT_DATA" in message


def test_an_empty_file_is_named(tmp_path: Path) -> None:
    """No bytes, a lone header and nothing but empty cells are all empty."""
    assert "no rows" in _fault(_file(tmp_path, "a.tsv", ""))
    assert "no rows" in _fault(_file(tmp_path, "b.tsv", "en\tyo\n"), "en", header=True)
    assert "empty cell" in _fault(_file(tmp_path, "c.tsv", "a\t\nb\t\n"))


def test_an_unknown_kind_of_file_is_named_with_the_known_ones(tmp_path: Path) -> None:
    """A spreadsheet is not guessed at."""
    message = _fault(_file(tmp_path, "a.xlsx", "x"))
    assert "a.xlsx: unknown kind of file; use one of .jsonl, .parquet, .tsv, .txt" in message


def test_a_line_with_another_number_of_columns_is_named(tmp_path: Path) -> None:
    """File, line, found and expected; the first line sets the width where no header does."""
    message = _fault(_file(tmp_path, "a.tsv", "a\tb\nc\td\te\n"))
    assert f"{tmp_path / 'a.tsv'}, line 2: 3 columns where 2 were expected" in message
    assert "line 1: 1 columns where 2" in _fault(_file(tmp_path, "b.tsv", "alone\n"))


def test_a_column_that_is_not_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    """By name or by number, with or without a header."""
    path = _file(tmp_path, "a.tsv", "en\tyo\nwater\tomi\n")
    assert "no column 'fr'; its columns are en, yo" in _fault(path, "en", "fr", header=True)
    assert "no column 4; it has 2" in _fault(path, 0, 4, header=True)
    assert "set header = true" in _fault(path, "en")


def test_text_that_is_not_utf_8_is_named_with_line_and_byte(tmp_path: Path) -> None:
    """Latin-1 letters are the usual reason."""
    path = _file(tmp_path, "a.tsv", b"water\tomi\nn\xe9e\tbi\n")
    assert f"{path}, line 2: not UTF-8 at byte 1; convert the file" in _fault(path)


def test_json_that_is_none_is_named_with_its_line(tmp_path: Path) -> None:
    """A torn line, a list where a record belongs, a key that is not there."""
    torn = _file(tmp_path, "a.jsonl", '{"en": "a", "yo": "b"}\n{"en": \n')
    assert "a.jsonl, line 2: not JSON" in _fault(torn, "en", "yo")
    assert "b.jsonl, line 1: not a JSON object" in _fault(_file(tmp_path, "b.jsonl", "[1]\n"), "en")
    short = _file(tmp_path, "c.jsonl", _json_lines({"en": "a", "fr": "b"}))
    assert "c.jsonl, line 1: no yo; it has en, fr" in _fault(short, "en", "yo")


def test_a_parquet_file_that_is_none_is_named(tmp_path: Path) -> None:
    """Other bytes, a file cut off, and text in it that is not UTF-8."""
    assert "not Parquet" in _fault(_file(tmp_path, "a.parquet", "PAR2" * 9), "en")
    whole = tmp_path / "whole.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"en": ["water"] * 99}), whole)
    assert "not Parquet" in _fault(_file(tmp_path, "b.parquet", whole.read_bytes()[:-9]), "en")
    latin = pyarrow.array([b"n\xe9e"], pyarrow.binary()).view(pyarrow.string())
    pyarrow.parquet.write_table(pyarrow.table({"en": latin}), tmp_path / "c.parquet")
    assert "not UTF-8" in _fault(tmp_path / "c.parquet", "en")


def test_all_faulty_files_are_named_at_once(tmp_path: Path) -> None:
    """Nobody mends one file to hear of the next."""
    good = _file(tmp_path, "good.tsv", "a\tb\n")
    faulty = (tmp_path / "none.tsv", _file(tmp_path, "empty.tsv", ""), _file(tmp_path, "c.xls", ""))
    with pytest.raises(DataError) as caught:
        read_tables([Table(str(path), (0, 1)) for path in (good, *faulty)])
    lines = str(caught.value).splitlines()
    assert [line.split(":")[0] for line in lines] == [str(path) for path in faulty]
