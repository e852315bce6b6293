"""Arms that are trained alone, so that several processes share the work of one graft."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def _curve(output: Path, arm: str) -> list[Any]:
    """Dev scores on the way of an arm's run."""
    (path,) = output.glob(f"{arm}/run/*/state.json")
    scores: list[Any] = json.loads(path.read_text(encoding="utf-8"))["scores"]
    return scores


def test_an_arm_alone_trains_as_it_does_among_the_others(
    toy: Any, changed: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """The same pieces and steps, and nothing of any other arm, of dev's verdict or of test."""
    alone = changed()
    assert alone.graft("--arm", "random-parent") == 0
    assert capsys.readouterr().out.startswith(f"{alone.output / 'random-parent'}: trained")
    assert _curve(alone.output, "random-parent") == _curve(toy.output, "random-parent")
    assert not any((alone.output / name).exists() for name in ("graft", "dev", "test", "bundle"))


def test_what_was_trained_already_is_taken_as_it_stands(toy: Any) -> None:
    """In either order: the arm of a finished graft trains no step more."""
    files = list(toy.output.glob("scratch/**/state.json"))
    before = [path.stat().st_mtime_ns for path in files]
    assert toy.graft("--arm", "scratch") == 0
    assert before
    assert [path.stat().st_mtime_ns for path in files] == before


def test_an_arm_that_the_recipe_lacks_is_told_those_it_has(
    toy: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one line."""
    assert toy.graft("--arm", "shuffled-parent") == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert "--arm shuffled-parent: the recipe trains no such arm; it has graft, scratch" in said
