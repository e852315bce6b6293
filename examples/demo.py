"""`make demo`: the whole way on text written for this project, phrasebook to gRPC answers.

Grafts Hawaiian onto the embedded parent and a spam classifier onto its encoder, each beside a
control; exports both; serves them; asks the server for held-out sentences and messages. Ends with
a table and build/demo/summary.json.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import mean
from typing import Any

from rich.console import Console
from rich.table import Table

from lingraft.client import Client, ClientError, Translation
from lingraft.training.data.tables import Table as Source
from lingraft.training.data.tables import read_rows
from lingraft.training.errors import TrainingError
from lingraft.training.pipeline import Options, Outcome, run_graft
from lingraft.training.recipe.loading import load_recipe
from lingraft.training.recipe.recipes import ClassifyRecipe, GraftRecipe
from lingraft.v1.bundle_pb2 import PRECISION_INT8

_EXAMPLES = Path(__file__).parent
_OUTPUT = Path("build/demo")
_SHOWN = 6  # held-out sentences of each direction in the table
_READY = "listening on "
_ARMS = ("graft", "control", "parent")

Row = tuple[str, ...]


def main() -> int:
    """Run the demo; exit status 0 when everything answered."""
    started = time.monotonic()
    shutil.rmtree(_OUTPUT, ignore_errors=True)
    try:
        hawaiian = _graft("Hawaiian", _EXAMPLES / "hawaiian" / "haw.toml")
        spam = _graft("spam classifier", _EXAMPLES / "spam" / "spam.toml")
        with _server([hawaiian.folder, spam.folder]) as address, Client(address) as client:
            translations = _translate(client, _rows("hawaiian"))
            accuracy, messages = _classify(client, _rows("spam"))
    except (TrainingError, ClientError, OSError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    summary = {
        **_figures(hawaiian),
        "translations": translations,
        "spam": {"accuracy": round(accuracy, 4), "n": messages},
        "seconds": round(time.monotonic() - started, 1),
    }
    path = _OUTPUT / "summary.json"
    text = json.dumps(summary, ensure_ascii=False, indent=1)
    path.write_text(text + "\n", encoding="utf-8")
    _show(summary, spam, path)
    return 0


def _graft(what: str, path: Path) -> Outcome:
    recipe = load_recipe(str(path))
    assert isinstance(recipe, GraftRecipe | ClassifyRecipe)
    print(f"\ngrafting: {what}, with its controls", flush=True)
    return run_graft(recipe, _OUTPUT / recipe.name, Options())


def _rows(example: str) -> list[Row]:
    return read_rows(Source(str(_EXAMPLES / example / "test.tsv"), (0, 1)))


@contextmanager
def _server(bundles: Sequence[Path]) -> Iterator[str]:
    """A real server process on a free port; gives its address and stops it at the end."""
    command = [sys.executable, "-m", "lingraft.server", *map(str, bundles), "--port", "0"]
    log = (_OUTPUT / "server.log").open("w", encoding="utf-8")
    with log, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if _READY not in line:
                raise OSError(f"the server did not start; see {_OUTPUT / 'server.log'}")
            yield line.split(_READY)[1].strip()
        finally:
            process.terminate()


def _translate(client: Client, rows: Sequence[Row]) -> list[dict[str, str]]:
    """Held-out sentences through the server, both ways."""
    step = max(1, len(rows) // _SHOWN)
    chosen = rows[::step][:_SHOWN]
    results = []
    for source, target, language in ((0, 1, "haw"), (1, 0, "en")):
        answers = client.translate([row[source] for row in chosen], language)
        for row, answer in zip(chosen, answers, strict=True):
            if not isinstance(answer, Translation):
                raise answer
            texts = {"source": row[source], "target": answer.text, "reference": row[target]}
            results.append(texts)
    return results


def _classify(client: Client, rows: Sequence[Row]) -> tuple[float, int]:
    """Accuracy on held-out messages through the server, and their number."""
    answers = client.classify([text for text, _ in rows])
    right = []
    for (_, label), answer in zip(rows, answers, strict=True):
        if isinstance(answer, ClientError):
            raise answer
        right.append(answer.labels[0].name == label)
    return mean(right), len(rows)


def _figures(outcome: Outcome) -> dict[str, Any]:
    report, bundle = outcome.report, outcome.bundle
    scores = [_by_name(result) for result in report["results"]]
    int8 = next(g for g in bundle.graphs if g.precision == PRECISION_INT8)
    return {
        "verdict": report["verdict"],
        "chrf": _by_arm(scores),
        "interval": [report["gain"]["low"], report["gain"]["high"]],
        "int8_chrf_loss": round(int8.quality_loss.value, 3),
    }


def _by_name(result: dict[str, Any]) -> dict[str, float]:
    return {arm["name"]: mean(arm["scores"]) for arm in result["arms"]}


def _by_arm(scores: Sequence[dict[str, float]]) -> dict[str, float]:
    """Mean chrF++ over directions of graft, best control and parent."""
    means = {arm: round(mean(s[arm] for s in scores), 2) for arm in scores[0]}
    best = max(value for arm, value in means.items() if arm not in ("graft", "parent"))
    return {"graft": means["graft"], "control": best, "parent": means["parent"]}


def _show(summary: dict[str, Any], spam: Outcome, path: Path) -> None:
    console = Console(width=100)
    table = Table(title="Held-out sentences, translated over gRPC")
    for column in ("source", "graft", "reference"):
        table.add_column(column)
    for row in summary["translations"]:
        table.add_row(row["source"], row["target"], row["reference"])
    console.print(table)
    chrf, (low, high) = summary["chrf"], summary["interval"]
    largest = max(spam.report["results"], key=lambda result: result["sentences"])
    facts = Table(title="What the graft gained", show_header=False)
    facts.add_row("verdict", summary["verdict"])
    facts.add_row("chrF++ on held-out phrases", ", ".join(f"{a} {chrf[a]:.1f}" for a in _ARMS))
    facts.add_row("95% interval of the gain", f"{low:+.1f} to {high:+.1f}")
    facts.add_row("int8 costs", f"{summary['int8_chrf_loss']:+.2f} chrF++")
    right, n = summary["spam"]["accuracy"], summary["spam"]["n"]
    facts.add_row("spam", f"{right:.1%} of {n} messages right")
    f1 = ", ".join(f"{arm} {score:.1f}" for arm, score in _by_name(largest).items())
    where = f"{largest['sentences']} of them ({largest['language']})"
    facts.add_row(f"macro-F1 on {where}", f1)
    facts.add_row("verdict on spam", spam.report["verdict"])
    facts.add_row("time", f"{summary['seconds']:.0f} seconds")
    console.print(facts)
    print(f"{path} holds all of it. The Hawaiian was not reviewed by native speakers.")


if __name__ == "__main__":
    sys.exit(main())
