"""`python -m benchmarks.odd BUNDLE --json FILE`: what a served model makes of odd texts.

Faults are looked for by rules other than the server's (those of the reports): an answer that loops,
says nothing, copies its source, or packs much better than it (over 2.4 times under DEFLATE, which
tells Whisper of a failed transcript; Radford et al. 2022, section 4.5). A fault is detected where
the server's answer has the warning that belongs to it, or is an error. Where there is real text,
the server's rules are tried on its human translations too: what they say there is a false alarm.
Counts only, no times.
"""

from __future__ import annotations

import argparse
import sys
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.common import Json, machine, write_json
from benchmarks.oddities import odd_texts
from benchmarks.sentences import data_folder
from benchmarks.services import Service, running
from lingraft.client import Client, ServiceError, Translation
from lingraft.server.text import is_copy as is_duplicate
from lingraft.server.text import is_loop, is_wordless
from lingraft.training.measure.slices import is_copy, is_empty, is_looping

_BATCH = 50
_TIMEOUT_S = 600.0
_LEAST_WORDS = 3  # a name or a link may well stay as it is
_WARNED = {
    "looping": ("REPETITION",),
    "packed": ("REPETITION",),
    "copied": ("COPIED_SOURCE", "WORDLESS"),  # the numbers of a list, its words gone
    "empty": ("WORDLESS",),
}
_PACKED = 2.4
# Development text with human translations: file, columns, rows of header.
_HUMAN = (
    ("parallel/tatoeba/en-fr.dev.tsv", (0, 1), 0),
    ("parallel/tatoeba/en-de.dev.tsv", (0, 1), 0),
    ("parallel/mediawiki-ui/en-es.dev.tsv", (0, 1), 0),
    ("parallel/bible/multi.dev.tsv", ("en", "yo"), 1),
    ("parallel/flores200/multi.dev.tsv", ("en", "sd"), 1),
)

Answer = Translation | ServiceError


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 1 where more than the wanted share of answers has a fault that nobody told."""
    given = _parser().parse_args(arguments)
    texts = odd_texts(given.texts, given.seed)
    settings = ("--port", "0", "--threads", "1", "--precision", given.precision)
    command = ("-m", "lingraft.server", str(given.bundle), *settings, "--log-level", "warning")
    cases = []
    with running(Service("lingraft-server", command)) as server:
        for direction in given.directions:
            source, target = direction.split("-")
            answers = list(_answers(server.address, [text for _, text in texts], source, target))
            cases.append(_case(direction, texts, answers, given.show))
    share = max(case["share_undetected"] for case in cases)
    content = {
        "machine": machine(),
        "seed": given.seed,
        "cases": cases,
        "share_undetected": share,
        "false_alarms": [
            _false_alarms(*part) for part in _HUMAN if (data_folder() / part[0]).is_file()
        ],
    }
    write_json(given.json, content)
    return int(share > given.most)


def told(fault: str, warnings: Sequence[str]) -> bool:
    """Whether one of an answer's warnings says what its fault is."""
    return any(warning in warnings for warning in _WARNED[fault])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.odd", description=__doc__)
    parser.add_argument("bundle", type=Path, metavar="BUNDLE")
    parser.add_argument("--json", type=Path, required=True, metavar="FILE")
    parser.add_argument("--directions", nargs="+", default=["en-fr", "fr-en"], metavar="en-fr")
    parser.add_argument("--texts", type=int, default=1000, metavar="N")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--precision", default="int8")
    parser.add_argument("--most", type=float, default=0.01, help="share undetected (default: 0.01)")
    parser.add_argument(
        "--show", type=int, default=0, metavar="N", help="print N undetected faults"
    )
    return parser


def _answers(address: str, texts: Sequence[str], source: str, target: str) -> Iterator[Answer]:
    with Client(address) as client:
        for begin in range(0, len(texts), _BATCH):
            batch = list(texts[begin : begin + _BATCH])
            yield from client.translate(batch, target, source, timeout=_TIMEOUT_S)


def _case(
    direction: str, texts: Sequence[tuple[str, str]], answers: Sequence[Answer], show: int
) -> Json:
    faults: Counter[str] = Counter()
    missed: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    warned: Counter[str] = Counter()
    for (kind, text), answer in zip(texts, answers, strict=True):
        if isinstance(answer, ServiceError):
            warned[type(answer).__name__] += 1
            continue
        warned.update(answer.warnings)
        for fault in faults_of(text, answer.text):
            faults[fault] += 1
            if not told(fault, answer.warnings):
                missed[fault] += 1
                kinds[kind] += 1
                if missed.total() <= show:
                    print(
                        f"{direction} {kind}, {fault}:\n  {text[:200]!r}\n  {answer.text[:200]!r}"
                    )
    return {
        "direction": direction,
        "texts": len(texts),
        "warnings": dict(warned.most_common()),
        "faults": dict(faults),
        "undetected": dict(missed),
        "undetected_by_kind": dict(kinds.most_common()),
        "share_undetected": round(missed.total() / len(texts), 4),
    }


def faults_of(source: str, output: str) -> list[str]:
    """What is wrong with an answer, by the rules of the reports; there is no reference, so the
    source stands for it where a fault is one only beyond what the source has itself."""
    faults = []
    if is_looping(source, output, source):
        faults.append("looping")
    elif _packing(output) > _PACKED >= _packing(source):
        faults.append("packed")
    if is_empty(output, source):
        faults.append("empty")
    words = [word for word in source.split() if any(map(str.isalpha, word)) and not _is_link(word)]
    if len(words) >= _LEAST_WORDS and is_copy(source, output, ""):
        faults.append("copied")
    return faults


def _is_link(word: str) -> bool:
    return any(sign in word for sign in ("://", "www.", "@"))


def _packing(text: str) -> float:
    """How many times shorter DEFLATE makes a text."""
    content = text.encode()
    return len(content) / len(zlib.compress(content))


def _false_alarms(name: str, columns: tuple[int | str, int | str], header: int) -> Json:
    """What the server's rules say of good translations."""
    lines = (data_folder() / name).read_text(encoding="utf-8").split("\n")
    names = lines[0].split("\t") if header else []
    places = [names.index(c) if isinstance(c, str) else c for c in columns]
    cells = (line.split("\t") for line in lines[header:] if line)
    pairs = [(row[places[0]], row[places[1]]) for row in cells]
    pairs = [pair for pair in pairs if all(pair)]
    rules = {"looping": is_loop, "copied": is_duplicate, "empty": is_wordless}
    told = {fault: sum(rule(*pair) for pair in pairs) for fault, rule in rules.items()}
    return {"text": name, "columns": list(columns), "pairs": len(pairs), **told}


if __name__ == "__main__":
    sys.exit(main())
