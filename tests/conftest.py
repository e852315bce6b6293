"""What holds for every test: no network, no luck, no settings of the person who runs it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# Read by the libraries when they are imported, so these stand here and not in a fixture.
os.environ["HF_HUB_OFFLINE"] = "1"
for _name in [name for name in os.environ if name.startswith("LINGRAFT_")]:
    del os.environ[_name]

settings.register_profile("lingraft", derandomize=True, database=None, deadline=None)
settings.load_profile("lingraft")


@pytest.fixture(scope="session")
def repository() -> Path:
    """The folder of the checkout."""
    return Path(__file__).resolve().parent.parent
