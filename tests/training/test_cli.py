"""`lingraft-train`: a user's mistake is one message and exit status 1, never a traceback."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lingraft.training.cli import main

GRAFT = """\
task = "graft"
name = "toy"
licence = "CC0-1.0"
parent = "{parent}"
training = {{ max_steps = 10 }}
grid = {{ learning_rates = [1e-3], dropouts = [0.1], trial_steps = 5 }}
train = [{{ name = "a", path = "a.tsv", source = "en", target = "yo" }}]
dev = [{{ name = "a", path = "a.tsv", source = "en", target = "yo" }}]
test = [{{ name = "a", path = "a.tsv", source = "en", target = "yo" }}]
"""

Write = Callable[[str], str]


@pytest.fixture
def recipe(tmp_path: Path) -> Write:
    """Writes a recipe and gives its path."""

    def write(text: str) -> str:
        (tmp_path / "recipe.toml").write_text(text, encoding="utf-8")
        return str(tmp_path / "recipe.toml")

    return write


@pytest.fixture
def message(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """What a failing command prints, exit status checked."""

    def run(*arguments: str) -> str:
        assert main(list(arguments)) == 1
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.startswith("lingraft-train: ")
        assert "Traceback" not in captured.err
        return captured.err

    return run


def test_help_names_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    """And each command its flags."""
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    shown = capsys.readouterr().out
    for name in ("pretrain", "graft", "assess", "identify", "rank-parents", "export"):
        assert name in shown
    with pytest.raises(SystemExit):
        main(["graft", "--help"])
    shown = capsys.readouterr().out
    for flag in ("--output", "--accept-negative", "--no-examples", "--arm", "--dry-run"):
        assert flag in shown
    with pytest.raises(SystemExit):
        main(["rank-parents", "--help"])
    shown = capsys.readouterr().out
    for flag in ("--parent", "--json", "--probe-steps", "--output"):
        assert flag in shown


def test_a_process_fails_with_one_message_and_status_one(recipe: Write) -> None:
    """As a person sees it, and at once: PyTorch is not even imported to read a recipe."""
    path = recipe('task = "graft"\nname = "Not A Name"\nseed = "x"\n[training]\nmax_steps = 0\n')
    code = "import sys; from lingraft.training.cli import main; status = main(sys.argv[1:]); "
    code += "sys.exit(99 if 'torch' in sys.modules else status)"
    command = [sys.executable, "-W", "error", "-c", code, "graft", path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    heading, *faults = done.stderr.splitlines()
    assert heading == f"lingraft-train: {path}: 9 faults:"
    assert len(faults) == 9
    assert faults[-1].startswith("  line 5: training.max_steps: ")


def test_each_command_wants_its_kind_of_recipe(
    recipe: Write, message: Callable[..., str], parent_recipe_file: Path
) -> None:
    """And says which command the recipe is for."""
    said = message("pretrain", recipe(GRAFT.format(parent="parent-xs")))
    assert 'task is "graft"; this command needs "pretrain"' in said
    said = message("graft", str(parent_recipe_file))
    assert 'task is "pretrain"; use lingraft-train pretrain' in said


def test_an_unknown_recipe_and_an_unknown_parent_are_told_their_choices(
    recipe: Write, message: Callable[..., str], tmp_path: Path
) -> None:
    """One line each."""
    assert "no such recipe" in message("graft", "nowhere.toml")
    said = message("graft", recipe(GRAFT.format(parent="oak")), "--output", str(tmp_path / "run"))
    assert "parent 'oak': no folder with a config.json" in said
    assert len(said.splitlines()) == 1


def test_a_hub_parent_without_network_is_one_line(
    recipe: Write, message: Callable[..., str], tmp_path: Path
) -> None:
    """Quickly, and it names the parent."""
    path = recipe(GRAFT.format(parent="nobody/nothing"))
    said = message("graft", path, "--output", str(tmp_path / "run"))
    assert "parent 'nobody/nothing': the hub did not give it" in said
    assert len(said.splitlines()) == 1


def test_an_output_that_cannot_be_written_is_named(
    message: Callable[..., str], parent_recipe_file: Path, tmp_path: Path
) -> None:
    """Here a file stands in the way."""
    (tmp_path / "taken").write_text("x", encoding="utf-8")
    said = message("pretrain", str(parent_recipe_file), "--output", str(tmp_path / "taken"))
    assert str(tmp_path / "taken") in said
