"""Dev text of the command line: a file of lines."""

from __future__ import annotations

from pathlib import Path

from lingraft.training.errors import DataError


def read_lines(path: Path, most: int) -> list[list[str]]:
    """The first `most` lines that hold anything: a text, and what stands after its tab, if any.

    Raises:
        DataError: the file cannot be read, holds no text, or only some lines have a tab.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as UTF-8 text: {error}") from None
    filled = [line.split("\t", 1) for line in lines if line.strip()][:most]
    if not filled:
        raise DataError(f"{path}: holds no text")
    if len({len(line) for line in filled}) > 1:
        raise DataError(f"{path}: some lines have something after a tab and some not")
    return filled
