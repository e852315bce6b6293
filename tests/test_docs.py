"""The documents: what they point at is there, and what they tell people to type is understood."""

from __future__ import annotations

import functools
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "examples/**/*.md", "models/**/*.md")
    for path in ROOT.glob(pattern)
)
SOURCES = ("client", "protos", "scripts", "server", "tests", "training")
FORBIDDEN_FILE = "lingraft/__init__.py"  # named so that nobody adds it
PROGRAMS = ("lingraft", "lingraft-server", "lingraft-train", "lingraft-door")


def code(document: Path) -> Iterator[str]:
    """Lines of fenced blocks, and the spans of the other text."""
    fenced = False
    for line in document.read_text(encoding="utf-8").splitlines():
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif fenced:
            yield line
        else:
            yield from re.findall(r"`([^`]+)`", line)


def commands() -> set[tuple[str, ...]]:
    """Every command of ours that a document shows, as words; a program's bare name is none."""
    lines = {line.removeprefix(".venv/bin/") for each in DOCUMENTS for line in code(each)}
    shown = (line for line in lines if line.split(" ")[0] in PROGRAMS)
    split = (tuple(shlex.split(line, comments=True)) for line in shown)
    return {words for words in split if len(words) > 1}


@functools.cache
def help_of(*command: str) -> str:
    """What an installed program says of itself; it must succeed."""
    program = str(Path(sys.executable).with_name(command[0]))
    done = subprocess.run(
        [program, *command[1:], "--help"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_inside_the_repository_leads_somewhere(document: Path) -> None:
    """Relative links of a document name files or folders that exist."""
    links = re.findall(r"\]\(([^)\s]+)\)", document.read_text(encoding="utf-8"))
    inside = [link.partition("#")[0] for link in links if "://" not in link]
    assert [link for link in inside if not (document.parent / link).exists()] == []


def test_every_module_that_is_named_exists() -> None:
    """A module in the documents is the end of a path of this repository."""
    paths = [f"/{path.relative_to(ROOT)}" for part in SOURCES for path in ROOT.glob(f"{part}/**/*")]
    named = {span for each in DOCUMENTS for span in code(each) if re.fullmatch(r"[\w/]+\.py", span)}
    gone = {name for name in named if not any(path.endswith(f"/{name}") for path in paths)}
    assert gone <= {FORBIDDEN_FILE}


def test_every_make_target_that_is_named_exists() -> None:
    """`make X` in the documents is a target of the Makefile."""
    rules = re.findall(
        r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE
    )
    spans = {span for document in DOCUMENTS for span in code(document)}
    named = {match[1] for span in spans if (match := re.match(r"make ([a-z-]+)", span))}
    assert {"demo", "test", "check"} <= named <= set(rules)


@pytest.mark.parametrize("words", sorted(commands()), ids=" ".join)
def test_every_command_that_is_shown_is_understood(words: tuple[str, ...]) -> None:
    """The program has that command, and the command every flag that is shown with it."""
    parts = words[:1] if words[0] == "lingraft-server" or words[1][0] == "-" else words[:2]
    text = help_of(*parts)
    flags = [word.partition("=")[0] for word in words if word.startswith("--")]
    assert [flag for flag in flags if not re.search(rf"{flag}\b", text)] == []


def test_the_readme_shows_commands_of_every_part() -> None:
    """The search above finds what people are told to type."""
    shown = {words[:2] for words in commands()}
    assert {("lingraft", "translate"), ("lingraft-train", "graft")} <= shown
    assert any(words[0] == "lingraft-server" for words in shown)


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_program_explains_itself(program: str) -> None:
    """--help begins with the usage."""
    assert help_of(program).startswith(f"usage: {program}")


def test_the_decisions_are_numbered_without_gaps() -> None:
    """0001, 0002, ...; the heading repeats number and says what was decided."""
    papers = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    assert [paper.name[:4] for paper in papers] == [f"{n:04}" for n in range(1, len(papers) + 1)]
    heads = [paper.read_text(encoding="utf-8").splitlines()[0] for paper in papers]
    assert [
        head for head, paper in zip(heads, papers, strict=True) if paper.name[:4] not in head
    ] == []
