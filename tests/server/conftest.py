"""Fakes where the world begins (clock, engine), and bundles to read and to damage."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lingraft.server.bundle import Bundle, read_bundle
from lingraft.server.config import ServerConfig

EOS, START = 0, 99_999
PATIENCE_S = 20.0  # no test waits that long unless something hangs


class FakeClock:
    """A clock that stands still until it is told to go on."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        """Lets time pass."""
        self.now += seconds


class EchoEngine:
    """Says each source again (without tag and end), then ends. Strict about who says what.

    A step must hand in, for each slot, the piece that this slot said last: were rows mixed up, the
    step would fail. The second candidate is `start`, which no test allows to be taken.
    """

    def __init__(self, start: int = START) -> None:
        self.start = start
        self.slots: list[tuple[list[int], int]] = []  # what is to be said, and how much was
        self.joined: list[list[int]] = []
        self.steps = 0
        self.widest = 0
        self.broken: Callable[[Sequence[Sequence[int]]], bool] = lambda rows: False

    def join(self, sources: Sequence[Sequence[int]]) -> None:
        """Puts rows at the end."""
        if self.broken(sources):
            raise RuntimeError("the encoder is broken")
        self.joined.append([len(source) for source in sources])
        self.slots += [([*source[1:-1], EOS], 0) for source in sources]
        self.widest = max(self.widest, len(self.slots))

    def step(self, input_ids: Sequence[int]) -> tuple[Any, Any]:
        """The next piece of each row."""
        said = [words[done - 1] if done else self.start for words, done in self.slots]
        if list(input_ids) != said:
            raise AssertionError(f"slots said {said}, the caller thinks {list(input_ids)}")
        if self.broken([words for words, _ in self.slots]):
            raise RuntimeError("the decoder is broken")
        ids = [[words[done], self.start] for words, done in self.slots]
        self.slots = [(words, done + 1) for words, done in self.slots]
        self.steps += 1
        logprobs = np.tile(np.array([-0.5, -9.0], dtype=np.float32), (len(ids), 1))
        return np.array(ids, dtype=np.int64), logprobs

    def leave(self, slot: int) -> None:
        """Moves the last row into the hole."""
        self.slots[slot] = self.slots[-1]
        self.slots.pop()

    def clear(self) -> None:
        """Forgets all rows."""
        self.slots.clear()


class GatedEngine(EchoEngine):
    """An EchoEngine whose steps wait until the test opens the gate."""

    def __init__(self, start: int) -> None:
        super().__init__(start)
        self.gate = threading.Event()
        self.inside = threading.Event()

    def step(self, input_ids: Sequence[int]) -> tuple[Any, Any]:
        """Waits, then steps."""
        self.inside.set()
        if not self.gate.wait(PATIENCE_S):
            raise RuntimeError("nobody opened the gate")
        return super().step(input_ids)


class LengthEngine:
    """A classifier whose logits are the number of pieces and its negative."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.broken = False

    def logits(self, rows: Sequence[Sequence[int]]) -> Any:
        """[B,2]."""
        if self.broken:
            raise RuntimeError("the classifier is broken")
        self.batches.append([len(row) for row in rows])
        return np.array([[len(row), -len(row)] for row in rows], dtype=np.float32)


@pytest.fixture(scope="session")
def golden() -> Path:
    """The folder of the golden bundles."""
    return Path(__file__).parent.parent / "golden"


@pytest.fixture(scope="session")
def translation_bundle(golden: Path) -> Bundle:
    """The golden translation bundle: en, yo, haw."""
    return read_bundle(golden / "v1-translation")


@pytest.fixture(scope="session")
def classification_bundle(golden: Path) -> Bundle:
    """The golden classification bundle: ham, spam."""
    return read_bundle(golden / "v1-classification")


@pytest.fixture(scope="session")
def expected(golden: Path) -> Callable[[str], list[dict[str, Any]]]:
    """The answers that a golden bundle must give."""

    def cases(name: str) -> list[dict[str, Any]]:
        text = (golden / "expected.json").read_text(encoding="utf-8")
        found: list[dict[str, Any]] = json.loads(text)[name]
        return found

    return cases


@pytest.fixture
def edited(golden: Path, tmp_path: Path) -> Callable[..., Path]:
    """Copies a golden bundle and changes its manifest (a dict of JSON) as told."""

    def copy(name: str, edit: Callable[[dict[str, Any]], None], folder: str = "bundle") -> Path:
        target = tmp_path / folder
        shutil.copytree(golden / name, target)
        manifest = json.loads((target / "bundle.json").read_text(encoding="utf-8"))
        edit(manifest)
        (target / "bundle.json").write_text(json.dumps(manifest), encoding="utf-8")
        return target

    return copy


@pytest.fixture
def clock() -> FakeClock:
    """A clock that stands still."""
    return FakeClock()


@pytest.fixture(scope="session")
def echo_engine() -> Callable[..., EchoEngine]:
    """Makes engines that say the source again."""
    return EchoEngine


@pytest.fixture(scope="session")
def gated_engine() -> Callable[..., GatedEngine]:
    """Makes engines that step when the test says so."""
    return GatedEngine


@pytest.fixture(scope="session")
def length_engine() -> Callable[[], LengthEngine]:
    """Makes classifiers that count pieces."""
    return LengthEngine


@pytest.fixture(scope="session")
def settings() -> Callable[..., ServerConfig]:
    """Makes settings for a test: a free port, one thread, little grace."""

    def make(*bundles: Path, **changes: Any) -> ServerConfig:
        given: dict[str, Any] = {"port": 0, "threads": 1, "precision": "fp32", "grace_s": 5.0}
        given.update(changes)
        return ServerConfig(bundles=bundles, **given)

    return make
