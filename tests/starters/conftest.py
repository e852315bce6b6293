"""The embedded models in one server, as anybody would serve them.

Sentences are ours; figures on public test sets stand in the models' own cards.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lingraft.client import Client

_SENTENCES: dict[str, tuple[str, ...]] = {
    "en": (
        "I have lost my keys.",
        "She is reading a book.",
        "Where is the station?",
        "My brother lives in Germany.",
        "We will come tomorrow.",
        "The weather is beautiful today.",
    ),
    "fr": (
        "J'ai perdu mes clés.",
        "Elle lit un livre.",
        "Où est la gare ?",
        "Mon frère vit en Allemagne.",
        "Nous viendrons demain.",
        "Il fait beau aujourd'hui.",
    ),
    "de": (
        "Ich habe meine Schlüssel verloren.",
        "Sie liest ein Buch.",
        "Wo ist der Bahnhof?",
        "Mein Bruder lebt in Deutschland.",
        "Wir werden morgen kommen.",
        "Das Wetter ist heute schön.",
    ),
    "es": (
        "He perdido mis llaves.",
        "Ella está leyendo un libro.",
        "¿Dónde está la estación?",
        "Mi hermano vive en Alemania.",
        "Vendremos mañana.",
        "Hoy hace buen tiempo.",
    ),
}

_MODELS = Path(__file__).resolve().parents[2] / "models"


@pytest.fixture(scope="package")
def server() -> Iterator[Client]:
    """All starters in one server."""
    bundles = sorted(str(path.parent) for path in _MODELS.glob("*/bundle.json"))
    command = [sys.executable, "-m", "lingraft.server", *bundles, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().split()[-1]
        try:
            with Client(address) as client:
                yield client
        finally:
            process.terminate()


@pytest.fixture(scope="session")
def sentences() -> dict[str, tuple[str, ...]]:
    """The same simple sentences in each of the parent's languages."""
    return _SENTENCES
