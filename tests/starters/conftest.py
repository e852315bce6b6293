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
