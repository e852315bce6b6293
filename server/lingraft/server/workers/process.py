"""The process of a model, from the server's side: started, loaded, waited for."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from lingraft.server.errors import StartError
from lingraft.server.workers.messages import Failed, Ready, Setup, hear, say

# Without the folder that the server was started in among those that Python imports from.
_PYTHON = (sys.executable, "-P", "-m")
# What a process has left to do once its socket is closed takes less, unless it hangs.
_LAST_S = 5.0


class Worker:
    """A process and the socket to it.

    Once its model is loaded, it ends by itself when the server, or the socket, is gone.
    """

    def __init__(self, module: str, setup: Setup) -> None:
        """Starts `python -m module DESCRIPTOR` and tells it what to load; does not wait for that.

        `module` hears `Setup` at that descriptor, and says `Ready` or `Failed`. Raises StartError.
        """
        self.folder: Path = setup.folder
        self.end, theirs = socket.socketpair()
        with theirs:
            command = [*_PYTHON, module, str(theirs.fileno())]
            try:
                self._process = _started(command, theirs.fileno())
            except OSError as error:
                self.end.close()
                raise StartError(
                    f"{self.folder}: no process can be started for this model: {error}; "
                    "--isolation thread does without"
                ) from error
        with contextlib.suppress(ConnectionError):  # gone already: `ready` tells
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
            raise answer.error
        assert isinstance(answer, Ready)
        return answer

    def ending(self) -> str:
        """Waits until the process is gone, and says how it ended; one that hangs is killed."""
        try:
            code = self._process.wait(_LAST_S)
        except subprocess.TimeoutExpired:
            self.kill()
            return "it closed its socket and did not end"
        return f"killed by signal {-code}" if code < 0 else f"exit status {code}"

    def kill(self) -> None:
        """Ends the process, whatever it does."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """Ends the process and the socket to it, where no event loop listens to that."""
        self.kill()
        self.end.close()


def _started(command: Sequence[str], descriptor: int) -> subprocess.Popen[bytes]:
    """Its standard output goes nowhere, for the server's is read by others; its log goes along.

    It has a process group of its own: a terminal's signals are for the server, which lets running
    calls finish.
    """
    return subprocess.Popen(
        command,
        pass_fds=[descriptor],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        process_group=0,
    )
