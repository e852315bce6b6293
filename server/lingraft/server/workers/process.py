"""The process of a model, from the server's side: started, loaded, waited for."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from lingraft.server.errors import StartError
from lingraft.server.workers.messages import Failed, Ready, Setup, hear, say

# Without the folder that the server was started in among those that Python imports from.
_PYTHON = (sys.executable, "-P", "-m")


class Worker:
    """A process and the socket to it. It ends by itself when the server, or the socket, is gone."""

    def __init__(self, module: str, setup: Setup) -> None:
        """Starts `python -m module DESCRIPTOR` and tells it what to load; does not wait for that.

        `module` hears `Setup` at that descriptor, and says `Ready` or `Failed`.
        """
        self.folder: Path = setup.folder
        self.end, theirs = socket.socketpair()
        with theirs:
            self._process = _started([*_PYTHON, module, str(theirs.fileno())], theirs.fileno())
        say(self.end, setup)

    def ready(self) -> Ready:
        """Waits until the model is loaded. Raises StartError, the one that the process met."""
        try:
            answer = hear(self.end)
        except (EOFError, ConnectionError):
            raise StartError(
                f"{self.folder}: the process of this model ended while it loaded, "
                f"{self.ending()}; the log above may say why"
            ) from None
        if isinstance(answer, Failed):
            self.kill()
            raise answer.error
        assert isinstance(answer, Ready)
        return answer

    def ending(self) -> str:
        """Waits for the process, and says how it ended."""
        code = self._process.wait()
        return f"killed by signal {-code}" if code < 0 else f"exit status {code}"

    def kill(self) -> None:
        """Ends the process, whatever it does, and the socket to it."""
        self._process.kill()
        self._process.wait()
        self.end.close()


def _started(command: Sequence[str], descriptor: int) -> subprocess.Popen[bytes]:
    """Its standard output goes nowhere, for the server's is read by others; its log goes along."""
    return subprocess.Popen(
        command,
        pass_fds=[descriptor],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
