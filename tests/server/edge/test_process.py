"""`lingraft-server` as people start it: ready line, signals, errors without a traceback."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from lingraft.v1 import translation_pb2, translation_pb2_grpc

PATIENCE_S = 30.0
MODULE = [sys.executable, "-m", "lingraft.server"]


@contextmanager
def _server(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [*MODULE, *arguments, "--port", "0", "--threads", "1"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def _fails(*arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        [*MODULE, *arguments], capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    return done.returncode, done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_server_says_that_it_is_ready_serves_and_ends_on_a_signal(
    golden: Path, number: signal.Signals
) -> None:
    """One line on standard output; exit code 0; no text of a caller in the log."""
    with _server(str(golden / "v1-translation"), "--log-format", "json") as process:
        assert process.stdout
        line = process.stdout.readline()
        assert line.startswith("lingraft-server listening on 127.0.0.1:")
        with grpc.insecure_channel(line.split()[-1]) as channel:
            stub = translation_pb2_grpc.TranslationServiceStub(channel)
            request = translation_pb2.TranslateTextRequest(
                contents=["Secret rain"], target_language="yo", source_language="en"
            )
            assert stub.TranslateText(request, timeout=PATIENCE_S).results[0].translation.text
        process.send_signal(number)
        log = process.communicate(timeout=PATIENCE_S)[1]
    assert process.returncode == 0
    assert "Secret" not in log
    assert '"method": "/lingraft.v1.TranslationService/TranslateText"' in log
    assert "calls_total:OK 1" in log


def test_the_server_imports_nothing_of_the_training_stack(golden: Path) -> None:
    """It translates in a process where torch and its kin cannot be imported."""
    code = """
import sys
for name in ("torch", "transformers", "onnx", "sacrebleu", "pydantic", "datasets", "accelerate"):
    sys.modules[name] = None  # an import of it fails
from pathlib import Path
import lingraft.server.__main__
from lingraft.server.app import load_models
from lingraft.server.config import ServerConfig
from lingraft.server.metrics import Metrics
folders = tuple(Path(each) for each in sys.argv[1:])
models = load_models(ServerConfig(bundles=folders), Metrics())
print(*(model.name for model in models))
print(*(name for name in sys.modules if name.startswith("lingraft.training")))
"""
    folders = [str(golden / name) for name in ("v1-translation", "v1-classification")]
    done = subprocess.run(
        [sys.executable, "-c", code, *folders],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    names, training = done.stdout.split("\n")[:2]
    assert names.split() == [
        "models/golden-translation/versions/1",
        "models/golden-classification/versions/1",
    ]
    assert training == ""


def test_a_port_that_is_taken_is_one_clear_error(golden: Path) -> None:
    """And never shared by chance."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        code, words = _fails(str(golden / "v1-translation"), "--port", port)
    assert code == 1
    assert f"lingraft-server: cannot listen on 127.0.0.1:{port}: " in words


def test_a_bundle_that_is_damaged_is_one_clear_error(
    edited: Callable[..., Path],
) -> None:
    """With everything that is wrong with it."""

    def edit(manifest: dict[str, Any]) -> None:
        del manifest["licence"]

    folder = edited("v1-translation", edit)
    (folder / "source.spm").unlink()
    code, words = _fails(str(folder), "/no/such/bundle")
    assert code == 1
    assert "missing: licence; source.spm is not there" in words
    assert "/no/such/bundle is not a folder" in words


def test_wrong_settings_are_one_clear_error() -> None:
    """Exit code 2, as for any wrong command line."""
    code, words = _fails("--port", "many", "--shout")
    assert code == 2
    assert "--shout is not a flag" in words
    assert "--port must be a whole number" in words
    assert "no bundle folder is named" in words


def test_the_command_is_installed() -> None:
    """`lingraft-server` is the module."""
    command = Path(sys.executable).with_name("lingraft-server")
    done = subprocess.run(
        [command, "--help"],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=True,
        env={**os.environ, "COLUMNS": "200"},
    )
    assert "BUNDLE_FOLDER" in done.stdout
