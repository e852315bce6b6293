"""Settings come from flags, then the environment, then defaults; every fault is named."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from lingraft.server.config import ServerConfig, load
from lingraft.server.errors import ConfigError


def test_flags_win_over_the_environment_and_the_environment_over_defaults() -> None:
    """The order that the help promises."""
    environment = {"LINGRAFT_PORT": "7", "LINGRAFT_MAX_ROWS": "8", "LINGRAFT_BUNDLES": "e1:e2"}
    config = load(["flagged", "--port", "9"], environment)
    assert (config.port, config.max_rows, config.max_texts) == (9, 8, 1024)
    assert config.max_sentences == 16_384
    assert config.bundles == (Path("flagged"),)
    assert load([], environment).bundles == (Path("e1"), Path("e2"))


def test_every_fault_of_the_settings_is_named_at_once() -> None:
    """Unknown flag, wrong type, out of range, unknown choice, nothing to serve: one error."""
    arguments = ["--port", "70000", "--provider", "tpu", "--colour", "--grace-s", "soon"]
    with pytest.raises(ConfigError) as caught:
        load(arguments, {"LINGRAFT_MAX_ROWS": "0", "LINGRAFT_THREADS": "two"})
    message = caught.value.message
    for words in (
        "--colour is not a flag",
        "--port must be at least 0 and at most 65535, not 70000",
        "--provider must be one of cpu, cuda, not 'tpu'",
        "--grace-s must be a number, not 'soon'",
        "LINGRAFT_MAX_ROWS must be at least 1, not 0",
        "LINGRAFT_THREADS must be a whole number, not 'two'",
        "no bundle folder is named",
    ):
        assert words in message


def test_a_flag_is_never_guessed_from_its_beginning() -> None:
    """`--max` is not `--max-rows`."""
    with pytest.raises(ConfigError, match="--max is not a flag"):
        load(["bundle", "--max", "3"], {})


def test_a_flag_without_a_value_is_refused() -> None:
    """And says which."""
    with pytest.raises(ConfigError, match="--port"):
        load(["bundle", "--port"], {})


def test_infinite_and_undefined_times_are_refused() -> None:
    """A float can be parsed from "nan" and "inf"; a server cannot wait for them."""
    with pytest.raises(ConfigError, match="--grace-s must be at least"):
        load(["bundle", "--grace-s", "nan"], {})
    with pytest.raises(ConfigError, match="--grace-s must be at least"):
        load(["bundle", "--grace-s", "inf"], {})


def test_the_help_names_every_setting_with_its_default(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A setting that the help does not show does not exist."""
    with pytest.raises(SystemExit):
        load(["--help"], {})
    shown = capsys.readouterr().out
    for setting in fields(ServerConfig):
        if setting.name != "bundles":
            assert "--" + setting.name.replace("_", "-") in shown
    assert "LINGRAFT_MAX_ROWS" in shown
