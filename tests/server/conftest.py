"""Fakes where the world begins (clock, engine), and bundles to read and to damage."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lingraft.server.batching import Capacity, ContinuousBatch, Decoded, Entry, Source, WorkQueue
from lingraft.server.bundle import Bundle, read_bundle
from lingraft.server.config import ServerConfig
from lingraft.server.engines.base import Plan, Step
from lingraft.server.metrics import Metrics
from lingraft.server.search.base import Found

EOS, TAG, START = 0, 7, 99_999
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

    A step must hand in, for each row, the piece that this row said last: were rows mixed up, the
    step would fail. All candidates but the best are `start`, which no test allows to be taken.
    """

    def __init__(self, start: int = START) -> None:
        self.start = start
        self.rows: list[tuple[list[int], int]] = []  # what is to be said, and how much was
        self.joined: list[list[int]] = []  # the lengths of the sources of each pass
        self.selected: list[list[int]] = []
        self.steps = 0
        self.widest = 0
        self.broken: Callable[[Sequence[Sequence[int]]], bool] = lambda rows: False

    goes_ahead = pads = True

    def footprint(self, rows: int, source_tokens: int, target_tokens: int) -> int:
        """A byte for each position."""
        return rows * (source_tokens + target_tokens)

    def join(self, sources: Sequence[Sequence[int]], widths: Sequence[int]) -> None:
        """Puts rows at the end."""
        if self.broken(sources):
            raise RuntimeError("the encoder is broken")
        self.joined.append([len(source) for source in sources])
        for source, width in zip(sources, widths, strict=True):
            self.rows += [([*source[1:-1], EOS], 0)] * width
        self.widest = max(self.widest, len(self.rows))

    def step(self, input_ids: Sequence[int], candidates: int, late: bool = False) -> Step:
        """The next piece of each row."""
        said = [words[done - 1] if done else self.start for words, done in self.rows]
        if list(input_ids) != said:
            raise AssertionError(f"rows said {said}, the caller thinks {list(input_ids)}")
        if self.broken([words for words, _ in self.rows]):
            raise RuntimeError("the decoder is broken")
        others = [self.start] * (candidates - 1)
        ids = [[words[done], *others] for words, done in self.rows]
        self.rows = [(words, done + 1) for words, done in self.rows]
        self.steps += 1
        return Step(ids, [[-0.5] + [-9.0] * (candidates - 1)] * len(ids), None)

    def ahead(self, piece: int, plan: Plan, halt: Any) -> list[Step]:
        """Steps as they would be asked for one by one."""
        steps: list[Step] = []
        while True:
            steps.append(self.step([piece], plan.candidates, late=True))
            piece = next((each for each in steps[-1].ids[0] if each not in plan.banned), plan.eos)
            if halt[0] or piece == plan.eos or len(steps) == plan.steps:
                return steps

    def normalisers(self, unscored: Sequence[Any]) -> list[Any]:
        """Its probabilities are never late."""
        raise NotImplementedError

    def select(self, parents: Sequence[int]) -> None:
        """Rows go on from others."""
        self.selected.append(list(parents))
        self.rows = [self.rows[parent] for parent in parents]

    def clear(self) -> None:
        """Forgets all rows."""
        self.rows.clear()


class EchoSearch:
    """Takes the best candidate until the end or the limit, in each of `width` rows."""

    late = None

    def __init__(self, most: int, width: int = 1, start: int = START) -> None:
        self.width, self.candidates, self._most = width, width, most
        self._said: list[int] = []
        self._last = start

    def inputs(self) -> list[int]:
        """What was said last."""
        return [self._last] * self.width

    def advance(self, ids: Any, logprobs: Any, alignment: Any) -> list[int] | None:
        """One more piece; all rows say the same."""
        assert [len(row) for row in ids] == [len(row) for row in logprobs]
        (self._last,) = {row[0] for row in ids}
        self._said.append(self._last)
        ended = self._last == EOS or len(self._said) == self._most
        return None if ended else list(range(self.width))

    def found(self) -> tuple[Found, ...]:
        """The one hypothesis."""
        ended = self._said[-1] == EOS
        ids = tuple(self._said[:-1] if ended else self._said)
        return (Found(ids, (-0.5,) * len(self._said), -0.5, truncated=not ended),)


class GatedEngine(EchoEngine):
    """An EchoEngine whose steps wait until the test opens the gate."""

    def __init__(self, start: int) -> None:
        super().__init__(start)
        self.gate = threading.Event()
        self.inside = threading.Event()

    def step(self, input_ids: Sequence[int], candidates: int, late: bool = False) -> Step:
        """Waits, then steps."""
        self.inside.set()
        if not self.gate.wait(PATIENCE_S):
            raise RuntimeError("nobody opened the gate")
        return super().step(input_ids, candidates)


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


@dataclass
class Bench:
    """A batch with everything around it, driven by hand."""

    engine: Any
    clock: Any
    source: Callable[..., Source]
    max_rows: int = 4
    max_tokens: int = 10_000
    max_bytes: int = 100_000
    encode_s: float = 1.0
    metrics: Metrics = field(default_factory=Metrics)

    def __post_init__(self) -> None:
        self.queue: WorkQueue[Source, Decoded] = WorkQueue(1_000, 1.0, self.metrics)
        footprint = self.engine.footprint
        capacity = Capacity(self.max_rows, self.max_tokens, self.max_bytes, footprint)
        self.batch = ContinuousBatch(
            self.engine, self.queue, capacity, self.metrics, self.clock, self.encode_s
        )

    def put(
        self, words: Sequence[int], most: int = 50, width: int = 1, **options: Any
    ) -> Entry[Source, Decoded]:
        """Submits a sentence of these pieces."""
        return self.submit(self.source(words, most, width), **options)

    def submit(self, source: Source, **options: Any) -> Entry[Source, Decoded]:
        """Submits a sentence."""
        entry: Entry[Source, Decoded] = Entry(source, self.clock.now, **options)
        self.queue.put([entry], self.clock.now)
        return entry

    def run(self, most: int = 10_000) -> int:
        """Ticks until nothing is left; the number of ticks that did something."""
        for ticks in range(most):
            if not self.batch.tick():
                return ticks
        raise AssertionError("the batch does not come to an end")


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
def echo_source() -> Callable[..., Source]:
    """Makes sources of these words, with tag and end, and an EchoSearch for each."""

    def make(words: Sequence[int], most: int = 50, width: int = 1) -> Source:
        return Source((TAG, *words, EOS), most, partial(EchoSearch, most, width), width)

    return make


@pytest.fixture
def bench(
    echo_engine: Callable[..., Any], echo_source: Callable[..., Source], clock: FakeClock
) -> Callable[..., Bench]:
    """Makes a bench with a fake engine and a clock that stands still."""
    return lambda **options: Bench(echo_engine(), clock, echo_source, **options)


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
