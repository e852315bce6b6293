"""The generated code, and the table of errors that both ends keep."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from lingraft.client.errors import ERRORS

ROOT = Path(__file__).resolve().parent.parent


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by its path."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in found
        if path.suffix != ".pyc"
    }


def test_the_generated_code_is_up_to_date(tmp_path: Path) -> None:
    """`make protos` changes nothing: names and bytes are those that are committed."""
    command = [sys.executable, str(ROOT / "scripts" / "protos.py"), "generate", str(tmp_path)]
    subprocess.run(command, check=True, timeout=120)
    fresh, kept = contents(tmp_path), contents(ROOT / "protos" / "gen")
    stale = {name for name in fresh.keys() | kept.keys() if fresh.get(name) != kept.get(name)}
    assert not stale, "run `make protos`"


def test_the_client_knows_the_code_of_every_reason() -> None:
    """Each row of the table in common.proto leads to an error of the client by its code."""
    text = (ROOT / "protos" / "lingraft" / "v1" / "common.proto").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^//   ([A-Z_]+) +([A-Z_]+) {2,}", text, flags=re.MULTILINE))
    assert len(rows) == 16
    named = {reason: code.name for code, reason in ERRORS if reason}
    assert named == {reason: rows[reason] for reason in named}
    unnamed = {code.name for code, reason in ERRORS if not reason} | {"INTERNAL"}
    assert set(rows.values()) <= unnamed
