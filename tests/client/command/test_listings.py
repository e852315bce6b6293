"""Listings, health, help and misuse of `lingraft`."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest

Command: TypeAlias = Callable[..., Any]


def test_pairs_are_a_table(lingraft: Command) -> None:
    """Each pair shows its figure, its gain with the interval, and the verdict."""
    head, proven, bare = lingraft("pairs").out.splitlines()
    assert head.split() == ["FROM", "TO", "STATUS", "QUALITY", "GAIN", "VERDICT", "MODEL"]
    assert "chrF++ 31.50 on phrases (100)" in proven
    assert "chrF++ 6.25 [5.50, 7.00] on phrases (100)  pass" in proven
    assert "not measured" in bare


def test_models_are_a_table(lingraft: Command) -> None:
    """Each model shows what it does."""
    _, line = lingraft("models").out.splitlines()
    assert line.split() == [
        *("models/tiny/versions/1", "translation", "ready", "int8", "en-yo", "CC0-1.0")
    ]


def test_a_card_is_its_markdown(lingraft: Command) -> None:
    """The card is printed as it is written."""
    assert lingraft("card", "tiny").out == "# tiny\n"


@pytest.mark.parametrize(
    ("command", "key"), [("pairs", "language_pairs"), ("models", "models"), ("card", "bundle")]
)
def test_listings_have_json(lingraft: Command, command: str, key: str) -> None:
    """What is printed for people is there for programs."""
    arguments = (command, "tiny") if command == "card" else (command,)
    assert json.loads(lingraft(*arguments, "--json").out)[key]


def test_health_is_an_exit_code(lingraft: Command) -> None:
    """0 for a server that answers, 1 for a service that does not."""
    assert (lingraft("health").code, lingraft("health").out) == (0, "SERVING\n")
    assert (lingraft("health", "models/tiny").code) == 1
    unknown = lingraft("health", "models/none")
    assert unknown.code == 1
    assert "has nothing of that name" in unknown.err


def test_a_missing_server_is_one_line(lingraft: Command, nobody: str) -> None:
    """No traceback: the address and the mend, exit code 1."""
    done = lingraft("translate", "--to", "yo", "one", server=nobody)
    assert (done.code, done.out, done.err.count("\n")) == (1, "", 1)
    assert f"no server answers at {nobody}" in done.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("translate", "--to", "yo", "--file", "texts", "one"), "not both"),
        (("translate", "--to", "yo", "--file", "/no/such/file"), "cannot read /no/such/file"),
        (("translate", "--to", "yo", "--server", "http://host:1", "one"), "--server"),
        (("health", "--timeout-s", "soon", "--attempts", "9"), "--timeout-s must be a number"),
        (("health", "--timeout-s", "soon", "--attempts", "9"), "--attempts must be at least 1"),
        (("health", "--timeout-s", "1e12"), "at least 0.001 and at most 604800, not 1000000000000"),
        (("health", "--max-response-bytes", "9999999999"), "at most 2147483647, not 9999999999"),
        (("health", "--ca-file", "/no/such/file"), "/no/such/file"),
    ],
)
def test_misuse_is_named_with_exit_code_2(
    lingraft: Command, arguments: tuple[str, ...], words: str
) -> None:
    """What the user did wrong is said in one line."""
    done = lingraft(*arguments)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert words in done.err


@pytest.mark.parametrize(
    "arguments", [(), ("fly",), ("translate", "one"), ("classify", "--top", "0", "one"), ("--xx",)]
)
def test_a_wrong_command_line_has_exit_code_2(
    lingraft: Command, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    """The usage goes to stderr, nothing to stdout."""
    assert lingraft(*arguments).code == 2
    printed = capsys.readouterr()
    assert (printed.out, printed.err[:15]) == ("", "usage: lingraft")


def test_help_and_version_succeed(lingraft: Command, capsys: pytest.CaptureFixture[str]) -> None:
    """Help names every command; the version is one line."""
    assert lingraft("--help").code == 0
    helped = capsys.readouterr().out
    assert all(
        name in helped for name in ("translate", "classify", "detect", "pairs", "models", "card")
    )
    assert lingraft("--version").code == 0
    assert capsys.readouterr().out.startswith("lingraft ")
