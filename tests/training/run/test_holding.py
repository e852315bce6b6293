"""What one process makes in a folder, another waits for."""

from __future__ import annotations

from pathlib import Path
from threading import Event, Thread

from lingraft.training.run.holding import held

SOON = 10.0  # seconds after which a test gives up


def test_who_comes_second_says_so_and_waits(tmp_path: Path) -> None:
    """And goes in when the first is out."""
    told: list[str] = []
    waiting, entered = Event(), Event()

    def say(line: str) -> None:
        told.append(line)
        waiting.set()

    def second() -> None:
        with held(tmp_path, "scratch", say):
            entered.set()

    thread = Thread(target=second)
    with held(tmp_path, "scratch"):
        thread.start()
        assert waiting.wait(SOON)
        assert not entered.is_set()
    thread.join(SOON)
    assert entered.is_set()
    assert told == [f"{tmp_path / 'scratch'}: another process is at it; waiting for it to end"]


def test_other_names_are_free(tmp_path: Path) -> None:
    """Two arms of one graft train at once; a folder that is not there yet is made."""
    told: list[str] = []
    with held(tmp_path / "run", "graft", told.append), held(tmp_path / "run", "b", told.append):
        assert not told


def test_a_block_that_fails_lets_go(tmp_path: Path) -> None:
    """Or nobody could ever resume it."""
    told: list[str] = []
    for _ in range(2):
        try:
            with held(tmp_path, "graft", told.append):
                raise KeyError
        except KeyError:
            pass
    assert not told
