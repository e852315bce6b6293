"""The command `lingraft`: asks a server, prints answers to stdout and errors to stderr.

Exit codes: 0 all answered; 1 the service, or at least one text, failed; 2 the command or its input
is wrong; 130 interrupted; 141 the reader of the output went away.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress

from lingraft.client.arguments import parse
from lingraft.client.commands import COMMANDS, Streams
from lingraft.client.config import load
from lingraft.client.errors import ArgumentError, ServiceError
from lingraft.client.rendering import document, error_entry, error_line
from lingraft.client.sync import Client

FAILED, MISUSED, INTERRUPTED, PIPE_BROKEN = 1, 2, 130, 141


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command on the streams of this process; the entry point of `lingraft`."""
    try:
        given = sys.argv[1:] if arguments is None else arguments
        code = run(given, Streams.of_process(), os.environ)
        if sys.stdout is not None:
            sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _mute_stdout()
        return PIPE_BROKEN
    except OSError as error:
        _mute_stdout()
        print(f"lingraft: cannot write the output: {error.strerror}", file=sys.stderr)
        return FAILED


def run(arguments: Sequence[str], streams: Streams, environment: Mapping[str, str]) -> int:
    """Runs the command; the exit code."""
    try:
        options = parse(arguments)
    except SystemExit as stop:  # argparse has said what there is to say
        return stop.code if isinstance(stop.code, int) else MISUSED
    try:
        with Client(config=load(vars(options), environment)) as client:
            return COMMANDS[options.command](client, options, streams)
    except ArgumentError as error:
        streams.complain(str(error))
        return MISUSED
    except ServiceError as error:
        if options.json:
            streams.out.write(document({"error": error_entry(error)}))
        streams.complain(error_line(error))
        return FAILED


def _mute_stdout() -> None:
    """Sends what is still buffered nowhere, so that Python's last flush cannot fail."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
