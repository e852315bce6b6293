"""From text files to answers on the command line, through every room."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from lingraft.training.pipeline import Outcome


def _lingraft(server: str, *arguments: str, stdin: str | None = None) -> str:
    command = [sys.executable, "-m", "lingraft.client.cli", *arguments, "--server", server]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _examples(outcome: Outcome, direction: str) -> list[dict[str, Any]]:
    return [e for e in outcome.report["examples"] if e["direction"] == direction]


def test_the_server_answers_what_the_trained_model_says(server: str, translation: Outcome) -> None:
    """Held-out sentences come back over gRPC exactly as PyTorch translated them in training."""
    for direction, target in (("en-yo", "yo"), ("yo-en", "en")):
        examples = _examples(translation, direction)
        lines = "".join(example["source"] + "\n" for example in examples)
        answers = _lingraft(server, "translate", "--to", target, stdin=lines).splitlines()
        assert answers == [example["graft"] for example in examples]


def test_the_classifier_answers_what_the_trained_model_says(
    server: str, classifier: Outcome
) -> None:
    """Held-out texts come back over gRPC with the label that PyTorch gave them."""
    examples = classifier.report["examples"]
    texts = [example["text"] for example in examples]
    answer = json.loads(_lingraft(server, "classify", "--json", *texts))
    names = [item["labels"][0]["name"] for item in _items(answer)]
    assert names == [example["graft"] for example in examples]


def _items(document: Any) -> list[dict[str, Any]]:
    """The list of results of a JSON document of the client."""
    return next(value for value in document.values() if isinstance(value, list))


def test_the_verdict_travels_to_the_listing(server: str, translation: Outcome) -> None:
    """A client sees the gate's verdict on every pair, as the report says it."""
    document = json.loads(_lingraft(server, "pairs", "--json"))
    verdicts = {pair["transfer"]["verdict"] for pair in _items(document)}
    assert verdicts == {translation.report["verdict"]}


def test_the_card_says_what_was_trained_on(server: str) -> None:
    """The model card over gRPC names the data and its licence."""
    card = _lingraft(server, "card", "toy")
    assert "toy train" in card
    assert "CC0-1.0" in card
