"""What each command of `lingraft` does: ask the client, print what it says."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, BinaryIO, TextIO, TypeAlias

from lingraft.client import rendering, texts
from lingraft.client.errors import ArgumentError, ServiceError
from lingraft.client.requests import Decoding, Details
from lingraft.client.sync import Client

Answer: TypeAlias = rendering.Answered | ServiceError
Ask: TypeAlias = Callable[[list[str]], tuple[Answer, ...]]
BATCH = 64


@dataclass(frozen=True)
class Streams:
    """Where a command reads and writes; `stdin` is None when standard input is closed."""

    stdin: BinaryIO | None
    out: TextIO
    err: TextIO

    @classmethod
    def of_process(cls) -> Streams:
        """The streams of this process, writing UTF-8 whatever the locale says."""
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(encoding="utf-8", errors="backslashreplace")
        stdin = sys.stdin.buffer if sys.stdin is not None else None
        return cls(stdin, sys.stdout or _nowhere(), sys.stderr or _nowhere())

    def complain(self, message: str) -> None:
        """One line to stderr."""
        self.err.write(f"lingraft: {message}\n")


def _nowhere() -> TextIO:
    return Path(os.devnull).open("w", encoding="utf-8")


def _translate(client: Client, options: argparse.Namespace, streams: Streams) -> int:
    decoding = Decoding(**{each.name: getattr(options, each.name) for each in fields(Decoding)})
    wanted = {each.name: getattr(options, each.name) for each in fields(Details)}
    if any(wanted.values()) and not options.json:
        flags = " ".join("--" + name.replace("_", "-") for name, is_on in wanted.items() if is_on)
        raise ArgumentError(f"{flags}: only with --json")
    details = Details(**wanted)

    def ask(batch: list[str]) -> tuple[Answer, ...]:
        return client.translate(
            batch,
            options.to,
            options.source,
            options.model,
            decoding=decoding,
            details=details,
            allow_pivot=options.allow_pivot,
        )

    return _answer(ask, options, streams)


def _classify(client: Client, options: argparse.Namespace, streams: Streams) -> int:
    def ask(batch: list[str]) -> tuple[Answer, ...]:
        return client.classify(
            batch, options.model, options.language, top_k=options.top, thresholds=options.thresholds
        )

    return _answer(ask, options, streams)


def _detect(client: Client, options: argparse.Namespace, streams: Streams) -> int:
    def ask(batch: list[str]) -> tuple[Answer, ...]:
        return client.detect(batch, options.candidates)

    return _answer(ask, options, streams)


def _models(client: Client, options: argparse.Namespace, streams: Streams) -> int:
    models = client.list_models()
    content = {"models": [asdict(each) for each in models]}
    _print(options, streams, content, rendering.model_table(models))
    return 0


def _pairs(client: Client, options: argparse.Namespace, streams: Streams) -> int:
    pairs = client.list_language_pairs()
    content = {"language_pairs": [asdict(each) for each in pairs]}
    _print(options, streams, content, rendering.pair_table(pairs))
    return 0


def _card(client: Client, options: argparse.Namespace, streams: Streams) -> int:
    card = client.get_model_card(options.model)
    _print(options, streams, asdict(card), card.markdown.rstrip("\n") + "\n")
    return 0


def _health(client: Client, options: argparse.Namespace, streams: Streams) -> int:
    health = client.check_health(options.service)
    _print(options, streams, asdict(health), health.status + "\n")
    return 0 if health.ok else 1


COMMANDS: Mapping[str, Callable[[Client, argparse.Namespace, Streams], int]] = {
    "translate": _translate,
    "classify": _classify,
    "detect": _detect,
    "models": _models,
    "pairs": _pairs,
    "card": _card,
    "health": _health,
}


def _print(
    options: argparse.Namespace, streams: Streams, content: dict[str, Any], plain: str
) -> None:
    streams.out.write(rendering.document(content) if options.json else plain)


def _answer(ask: Ask, options: argparse.Namespace, streams: Streams) -> int:
    """Answers every text of the command; 1 when one failed, or the call that it was in."""
    entries: list[dict[str, Any]] = []
    failed = False
    try:
        for batch in _batches(options, streams):
            for item, answer in _ask_batch(ask, batch):
                _report(item, answer, options, streams)
                failed = failed or isinstance(answer, ServiceError)
                if options.json and answer is not None:
                    entries.append(rendering.item_entry(item, answer))
            streams.out.flush()
    except ServiceError as error:
        if not options.json:
            raise
        content = {"results": entries, "error": rendering.error_entry(error)}
        streams.out.write(rendering.document(content))
        streams.complain(rendering.error_line(error))
        return 1
    if options.json:
        streams.out.write(rendering.document({"results": entries}))
    return int(failed)


def _batches(options: argparse.Namespace, streams: Streams) -> Iterator[list[texts.Item]]:
    if options.texts and options.file:
        raise ArgumentError("give texts as arguments or with --file, not both")
    if options.texts:
        return texts.batches(texts.from_arguments(options.texts), options.batch or BATCH)
    if options.file not in (None, "-"):
        return texts.batches(texts.from_file(options.file), options.batch or BATCH)
    if streams.stdin is None:
        raise ArgumentError("standard input is closed; give texts as arguments or with --file")
    by_hand = streams.stdin.isatty()
    if by_hand:
        streams.complain("one text a line; Ctrl-D ends")
    lines = texts.from_lines(streams.stdin, "standard input")
    return texts.batches(lines, options.batch or (1 if by_hand else BATCH))


def _ask_batch(ask: Ask, batch: list[texts.Item]) -> Iterator[tuple[texts.Item, Answer | None]]:
    """Each item with its answer; None for a blank line, which is not asked."""
    asked = [item.text for item in batch if not item.is_blank_line]
    answers = iter(ask(asked) if asked else ())
    return ((item, None if item.is_blank_line else next(answers)) for item in batch)


def _report(
    item: texts.Item, answer: Answer | None, options: argparse.Namespace, streams: Streams
) -> None:
    """The line of one item to stdout (not for JSON); its error or its warnings to stderr."""
    line = ""
    if isinstance(answer, ServiceError):
        streams.complain(f"{item.place}: {rendering.error_line(answer)}")
    elif answer is not None:
        line = rendering.answer_line(answer)
        warnings = rendering.warnings(answer)
        if warnings:
            streams.complain(f"{item.place}: warning: {', '.join(warnings)}")
    if not options.json:
        streams.out.write(line + "\n")
