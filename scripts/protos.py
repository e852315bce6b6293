"""Generates the Python code of `protos/`, and gathers the Google protos it imports.

    python scripts/protos.py generate [FOLDER]   writes the code (default: protos/gen)
    python scripts/protos.py google FOLDER       copies google/{api,rpc,longrunning}, for buf

The Google protos are those of the installed googleapis-common-protos, so none is kept here.
"""

from __future__ import annotations

import importlib.resources
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

from google.rpc import status_pb2

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"
# The package keeps these under another file name than the one they are imported by.
RENAMED = {"operations_proto.proto": "operations.proto"}


def copy_google_protos(folder: Path) -> None:
    """Copies google/{api,rpc,longrunning}/*.proto into `folder`, named as they are imported."""
    google = Path(status_pb2.__file__).parent.parent
    for package in ("api", "rpc", "longrunning"):
        target = folder / "google" / package
        target.mkdir(parents=True, exist_ok=True)
        for proto in sorted((google / package).glob("*.proto")):
            shutil.copyfile(proto, target / RENAMED.get(proto.name, proto.name))


def protoc(include: Path, *arguments: str) -> None:
    """Runs protoc on our protos; Google's are read from `include`."""
    builtin = importlib.resources.files("grpc_tools") / "_proto"
    plugin = Path(sysconfig.get_path("scripts")) / "protoc-gen-mypy_grpc"
    subprocess.run(
        [
            *(sys.executable, "-m", "grpc_tools.protoc"),
            *(f"-I{PROTOS}", f"-I{include}", f"-I{builtin}"),
            f"--plugin=protoc-gen-mypy_grpc={plugin}",
            *arguments,
        ],
        check=True,
    )


def generate(folder: Path) -> None:
    """Replaces `folder`/lingraft by freshly generated code."""
    shutil.rmtree(folder / "lingraft", ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    protos = sorted((PROTOS / "lingraft" / "v1").glob("*.proto"))
    services = [str(p) for p in protos if "\nservice " in p.read_text(encoding="utf-8")]
    with tempfile.TemporaryDirectory() as scratch:
        include = Path(scratch)
        copy_google_protos(include)
        protoc(include, f"--python_out={folder}", f"--pyi_out={folder}", *map(str, protos))
        protoc(include, f"--grpc_python_out={folder}", f"--mypy_grpc_out=quiet:{folder}", *services)
    (folder / "lingraft" / "v1" / "py.typed").touch()


def main(arguments: list[str]) -> int:
    """Runs one of the two commands; 2 for another."""
    match arguments:
        case ["generate"]:
            generate(PROTOS / "gen")
        case ["generate", folder]:
            generate(Path(folder))
        case ["google", folder]:
            copy_google_protos(Path(folder))
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
