"""The registry of doors, and the command `lingraft-door`."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType

import pytest

from lingraft.doors import Door, find_doors
from lingraft.doors.cli import main


def open_echo(arguments: Sequence[str]) -> int:
    """A door that prints what it was given."""
    print(*arguments)
    return 7


def module(name: str, **content: object) -> ModuleType:
    """A module of doors with that content."""
    made = ModuleType(name)
    vars(made).update(content)
    return made


ECHO = Door("echo", "says what it hears", open_echo)


def test_no_door_is_there_yet() -> None:
    """What is not built is not listed."""
    assert find_doors() == {}


def test_a_door_is_found_in_its_module() -> None:
    """A module with a DOOR adds it; other modules add nothing; names are in order."""
    zebra = Door("zebra", "the last", open_echo)
    modules = [module("z", DOOR=zebra), module("cli"), module("e", DOOR=ECHO), module("x", DOOR=1)]
    assert list(find_doors(modules).items()) == [("echo", ECHO), ("zebra", zebra)]


def test_an_unknown_door_is_named_and_the_known_are_listed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Exit code 2, and what there is."""
    assert main(["tunnel"]) == 2
    assert capsys.readouterr().err == (
        "lingraft-door: there is no door 'tunnel'\n\nNo door is there yet.\n"
    )
    assert main(["tunnel"], {"echo": ECHO}) == 2
    assert "  echo  says what it hears\n" in capsys.readouterr().err


def test_no_name_is_misuse_and_help_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a name the usage goes to stderr; --help goes to stdout."""
    assert main([]) == 2
    assert capsys.readouterr().err.startswith("usage: lingraft-door NAME")
    assert main(["--help"]) == 0
    assert capsys.readouterr().out.startswith("usage: lingraft-door NAME")


def test_a_door_gets_its_arguments_and_gives_the_exit_code(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The command opens the door and steps aside."""
    assert main(["echo", "--port", "1"], {"echo": ECHO}) == 7
    assert capsys.readouterr().out == "--port 1\n"
