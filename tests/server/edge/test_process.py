"""`lingraft-server` as people start it: ready line, signals, errors without a traceback."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from lingraft.v1 import (
    classification_pb2,
    classification_pb2_grpc,
    translation_pb2,
    translation_pb2_grpc,
)

PATIENCE_S = 30.0
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
_PRIZE = classification_pb2.Document(content="Win a prize")
MODULE = [sys.executable, "-m", "lingraft.server"]


def _models_of(process: subprocess.Popen[str]) -> list[int]:
    """The processes that a server has started."""
    lists = Path(f"/proc/{process.pid}/task").glob("*/children")
    return [int(child) for each in lists for child in each.read_text("utf-8").split()]


def _until(condition: Callable[[], bool]) -> None:
    """Waits for what another process is about to do."""
    for _ in range(int(PATIENCE_S / 0.01)):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it never came to that")


def _runs(number: int) -> bool:
    """Whether a process is there and has not ended."""
    try:
        status = Path(f"/proc/{number}/stat").read_text("utf-8")
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] not in ("Z", "X")


def _translate(channel: grpc.Channel, text: str) -> str:
    stub = translation_pb2_grpc.TranslationServiceStub(channel)
    request = translation_pb2.TranslateTextRequest(
        contents=[text], target_language="yo", source_language="en"
    )
    said: str = stub.TranslateText(request, timeout=PATIENCE_S).results[0].translation.text
    return said


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


@pytest.mark.parametrize(
    ("number", "isolation"),
    [(signal.SIGTERM, "process"), (signal.SIGINT, "process"), (signal.SIGTERM, "thread")],
)
def test_a_server_says_that_it_is_ready_serves_and_ends_on_a_signal(
    golden: Path, number: signal.Signals, isolation: str
) -> None:
    """One line on standard output; exit code 0; no text of a caller in the log; nothing is left."""
    settings = ("--log-format", "json", "--isolation", isolation)
    with _server(str(golden / "v1-translation"), *settings) as process:
        assert process.stdout
        line = process.stdout.readline()
        assert line.startswith("lingraft-server listening on 127.0.0.1:")
        with grpc.insecure_channel(line.split()[-1]) as channel:
            assert _translate(channel, "Secret rain")
        models = _models_of(process)
        assert len(models) == (isolation == "process")
        process.send_signal(number)
        log = process.communicate(timeout=PATIENCE_S)[1]
    assert process.returncode == 0
    assert not any(map(_runs, models))
    assert "Secret" not in log
    assert '"method": "/lingraft.v1.TranslationService/TranslateText"' in log
    assert "calls_total:OK 1" in log
    assert "rows_answered_total 1" in log  # counted where the model runs, told here


def test_the_signal_of_a_terminal_leaves_running_calls_their_grace(golden: Path) -> None:
    """Ctrl-C reaches the models' processes too; they go on until the server has drained."""
    with _server(str(golden / "v1-translation")) as process:
        assert process.stdout
        address = process.stdout.readline().split()[-1]
        (model,) = _models_of(process)
        os.kill(model, signal.SIGINT)
        os.kill(model, signal.SIGTERM)
        with grpc.insecure_channel(address) as channel:
            assert _translate(channel, "Rain")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0


def test_a_model_whose_process_is_killed_is_down_and_the_server_says_so(golden: Path) -> None:
    """As the memory of a machine runs out: callers get UNAVAILABLE, health NOT_SERVING."""
    folders = [str(golden / name) for name in ("v1-translation", "v1-classification")]
    with _server(*folders) as process:
        assert process.stdout
        address = process.stdout.readline().split()[-1]
        with grpc.insecure_channel(address) as channel:
            assert _translate(channel, "Rain")
            translating, _ = _models_of(process)
            os.kill(translating, signal.SIGKILL)
            health = health_pb2_grpc.HealthStub(channel)
            _until(lambda: health.Check(health_pb2.HealthCheckRequest()).status == _NOT_SERVING)
            with pytest.raises(grpc.RpcError) as caught:
                _translate(channel, "Rain")
            stub = classification_pb2_grpc.ClassificationServiceStub(channel)
            asked = classification_pb2.ClassifyTextRequest(documents=[_PRIZE])
            assert stub.ClassifyText(asked, timeout=PATIENCE_S).results[0].classification.labels
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        process.send_signal(signal.SIGTERM)
        log = process.communicate(timeout=PATIENCE_S)[1]
    assert process.returncode == 0
    assert "the process of model golden-translation died: killed by signal 9" in log


def test_no_model_outlives_a_server_that_is_killed(golden: Path) -> None:
    """However the server ends."""
    with _server(str(golden / "v1-translation")) as process:
        assert process.stdout
        assert process.stdout.readline()
        (model,) = _models_of(process)
        process.kill()
        process.communicate(timeout=PATIENCE_S)
        _until(lambda: not _runs(model))


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


def test_a_graph_that_cannot_be_run_is_one_clear_error(
    golden: Path, edited: Callable[..., Path]
) -> None:
    """Also where another process meets it, and a third one has loaded by then."""
    graph, garbage = "decoder_step.int8.onnx", b"no graph"

    def edit(manifest: dict[str, Any]) -> None:
        (entry,) = (each for each in manifest["files"] if each["path"] == graph)
        entry["sizeBytes"], entry["sha256"] = str(len(garbage)), hashlib.sha256(garbage).hexdigest()

    folder = edited("v1-translation", edit)
    (folder / graph).write_bytes(garbage)
    code, words = _fails(str(golden / "v1-classification"), str(folder), "--precision", "int8")
    assert code == 1
    assert f"{graph} is no graph that this ONNX Runtime can run" in words


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
