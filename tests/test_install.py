"""What pip gives a user, proved in fresh environments and without a network.

An environment here is new and empty. pip installs our wheel into it, and it gets links to the files
of exactly those distributions that the wheel's metadata leads to, at the versions under test: what
pip would fetch, and nothing else.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email import message_from_bytes
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "tests" / "golden"
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input")

IMPORT_ALL = """
import importlib, pkgutil, sys
for name in sys.argv[1:]:
    package = importlib.import_module(name)
    for module in pkgutil.walk_packages(package.__path__, name + "."):
        if not module.name.endswith(".__main__"):
            importlib.import_module(module.name)
# What was imported has a spec; the names that Cython invents for itself have none.
imported = [name for name, module in sys.modules.items() if getattr(module, "__spec__", None)]
print(*{name.partition(".")[0] for name in imported} - set(sys.stdlib_module_names))
"""


@dataclass(frozen=True)
class Environment:
    """A virtual environment, and the distributions that it has beside lingraft."""

    folder: Path
    distributions: frozenset[str]

    def program(self, name: str) -> Path:
        """An executable of the environment."""
        return self.folder / "bin" / name

    def run(self, program: str, *arguments: str) -> str:
        """What a program of this environment prints; nothing of ours leaks into it."""
        command = [str(self.program(program)), *arguments]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=60, env=plain(), cwd=self.folder
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def imports(self, *packages: str) -> set[str]:
        """Names of all that is loaded, the standard library aside, by every module of packages."""
        return set(self.run("python", "-I", "-c", IMPORT_ALL, *packages).split())


def plain() -> dict[str, str]:
    """Variables of a process: none that Python or Lingraft would read."""
    return {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "TMPDIR")}


def closure(wheel: Path, extras: tuple[str, ...]) -> dict[str, Distribution]:
    """Every distribution that lingraft[extras] leads to, by name; lingraft itself is left out."""
    found: dict[str, Distribution] = {}
    waiting, seen = [("lingraft", extras)], set[tuple[str, tuple[str, ...]]]()
    while waiting:
        name, wanted = waiting.pop()
        if (name, wanted) in seen:
            continue
        seen.add((name, wanted))
        if name != "lingraft":
            found[name] = distribution(name)
        lines = found[name].requires or [] if name in found else requires_of(wheel)
        for each in map(Requirement, lines):
            if applies(each, wanted):
                waiting.append((canonicalize_name(each.name), tuple(each.extras)))
    return found


def applies(requirement: Requirement, extras: tuple[str, ...]) -> bool:
    """Whether a requirement holds on this system with one of the extras, or without any."""
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras))


def link(found: Distribution, site: Path) -> None:
    """Links every file of a distribution, which is safe where folders are shared (`google`)."""
    for file in found.files or []:
        if ".." not in file.parts and "__pycache__" not in file.parts:
            target = site.joinpath(*file.parts)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(Path(str(file.locate())).resolve())


def requires_of(wheel: Path) -> list[str]:
    """The Requires-Dist lines of a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return message_from_bytes(archive.read(name)).get_all("Requires-Dist") or []


def install(folder: Path, wheel: Path, *extras: str) -> Environment:
    """A new environment with lingraft[extras]."""
    venv.create(folder, with_pip=False, symlinks=True)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    needed = closure(wheel, extras)
    for found in needed.values():
        link(found, folder / "lib" / version / "site-packages")
    python = str(folder / "bin" / "python")
    options = ("--quiet", "--no-index", "--no-deps")
    subprocess.run([*PIP, "--python", python, "install", *options, str(wheel)], check=True)
    return Environment(folder, frozenset(needed))


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout, as pip builds it."""
    folder = tmp_path_factory.mktemp("wheel")
    options = ("--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--wheel-dir")
    subprocess.run([*PIP, "wheel", *options, str(folder), str(ROOT)], check=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="session")
def client(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """After `pip install lingraft`."""
    return install(tmp_path_factory.mktemp("client") / "venv", wheel)


@pytest.fixture(scope="session")
def server(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """After `pip install 'lingraft[server]'`."""
    return install(tmp_path_factory.mktemp("server") / "venv", wheel, "server")


@contextmanager
def served(server: Environment, *bundles: Path) -> Iterator[str]:
    """The address of a server on a free port. It must end by itself, and well, when told to."""
    command = [str(server.program("lingraft-server")), *map(str, bundles)]
    command += ["--port", "0", "--precision", "fp32", "--threads", "1"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=plain(), cwd=server.folder
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("lingraft-server listening on "), line
            yield line.split()[-1]
        finally:
            process.terminate()
        assert process.wait(timeout=30) == 0


def test_the_wheel_holds_every_file_of_the_portions(wheel: Path) -> None:
    """Modules, py.typed and recipes travel; nothing else does."""
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if name.startswith("lingraft/")}
    portions = [ROOT / part for part in ("protos/gen", "client", "server", "training")]
    written = {
        path.relative_to(portion).as_posix()
        for portion in portions
        for path in (portion / "lingraft").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert packed == written


def test_the_client_needs_grpc_and_protobuf_and_nothing_more(client: Environment) -> None:
    """A plain install brings gRPC, protobuf and Google's common messages."""
    grpc_needs = {"typing-extensions"}
    assert client.distributions - grpc_needs == {"grpcio", "protobuf", "googleapis-common-protos"}


def test_every_module_of_the_client_runs_on_a_plain_install(client: Environment) -> None:
    """No import of client and doors reaches for what is not there."""
    loaded = client.imports("lingraft.client", "lingraft.doors")
    assert loaded <= {"lingraft", "grpc", "google", "typing_extensions"}


@pytest.mark.parametrize("command", ["lingraft", "lingraft-door"])
def test_the_commands_of_a_plain_install_explain_themselves(
    client: Environment, command: str
) -> None:
    """--help and success."""
    assert client.run(command, "--help").startswith(f"usage: {command}")


@pytest.mark.parametrize(
    ("command", "mend"),
    [
        (("lingraft-server", "folder"), "pip install 'lingraft[server]'"),
        (("lingraft-train", "graft", "recipe"), "pip install 'lingraft[training]'"),
    ],
)
def test_a_plain_install_says_what_other_commands_need(
    client: Environment, command: tuple[str, ...], mend: str
) -> None:
    """A command whose extra is missing names it in one line, without a traceback."""
    program, *arguments = command
    done = subprocess.run(
        [str(client.program(program)), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env=plain(),
        cwd=client.folder,
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert mend in done.stderr


def test_the_server_needs_no_training_stack(server: Environment) -> None:
    """Neither the heavy libraries nor anything that leads to them."""
    heavy = {"torch", "transformers", "onnx", "sacrebleu", "pydantic", "accelerate", "datasets"}
    assert not server.distributions & heavy
    assert {"onnxruntime", "sentencepiece", "numpy"} <= server.distributions


def test_every_module_of_the_server_runs_without_the_training_stack(server: Environment) -> None:
    """No import of the server reaches for what is not there."""
    assert {"onnxruntime", "sentencepiece"} <= server.imports("lingraft.server")
    assert server.run("lingraft-server", "--help").startswith("usage: lingraft-server")


@pytest.mark.parametrize("name", ["client", "server"])
def test_the_environments_are_whole(name: str, request: pytest.FixtureRequest) -> None:
    """Every requirement of every distribution is met at a version that it accepts."""
    environment: Environment = request.getfixturevalue(name)
    python = str(environment.program("python"))
    done = subprocess.run(
        [*PIP, "--python", python, "check"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout


def test_a_plain_client_is_answered_by_a_plain_server(
    client: Environment, server: Environment
) -> None:
    """The golden bundle, served without torch, gives over gRPC what PyTorch gave."""
    expected = json.loads((GOLDEN / "expected.json").read_text(encoding="utf-8"))
    case = expected["v1-translation"][0]
    way = ("--from", case["source_language"], "--to", case["target_language"])
    with served(server, GOLDEN / "v1-translation") as address:
        assert "SERVING" in client.run("lingraft", "health", "--server", address).upper()
        text = client.run("lingraft", "translate", *way, "--server", address, case["text"])
    assert text == case["translation"] + "\n"
