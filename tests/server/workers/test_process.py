"""What a process that cannot serve says before it is gone."""

from __future__ import annotations

from pathlib import Path

import pytest

from lingraft.server.config import ServerConfig
from lingraft.server.errors import StartError
from lingraft.server.workers import Setup, Worker


def test_a_process_that_ends_while_it_loads_is_one_clear_error() -> None:
    """It names the bundle, and how the process ended."""
    folder = Path("bundle")
    worker = Worker("lingraft.server.no_such_module", Setup(folder, ServerConfig((folder,))))
    with pytest.raises(StartError, match=r"bundle: the process .* while it loaded, exit status 1"):
        worker.ready()
    worker.close()
