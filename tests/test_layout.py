"""How the house is built: namespace portions, entry points, nothing of one machine in a file."""

from __future__ import annotations

import ast
import importlib
import os
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import EntryPoint, packages_distributions
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PORTIONS = ("protos/gen", "client", "server", "training")
PACKAGES = {
    "lingraft.v1": "protos/gen",
    "lingraft.client": "client",
    "lingraft.doors": "client",
    "lingraft.server": "server",
    "lingraft.training": "training",
}
# What `pip install lingraft[EXTRA]` promises to be enough for; "" is the plain install.
EXTRAS = {
    "lingraft.v1": "",
    "lingraft.client": "",
    "lingraft.doors": "doors",
    "lingraft.server": "server",
    "lingraft.training": "training",
}

# Extras that a package can do without, and what they bring, which need not be installed here.
OPTIONAL = {"lingraft.training": {"mlflow": "mlflow"}}  # by the extra, the module

# A registry's host, a file's URL, or a folder that is somebody's own.
MACHINE = re.compile(
    rb"https?://[\w.-]*(?:pypi|pythonhosted|npmjs|download\.pytorch)\.org"
    rb"|registry\.npmjs|file:/{2}"
    rb"|(?<![\w.$}~-])/(?:work|root|home/\w+|Users/\w+|tmp/\w+)/"
)


def project() -> dict[str, Any]:
    """The tables of pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def ours(folder: Path, ignored: frozenset[str]) -> Iterator[Path]:
    """Every file below a folder that git does not ignore."""
    for path in sorted(folder.iterdir()):
        if path.name in ignored:
            continue
        if path.is_dir():
            yield from ours(path, ignored)
        elif not path.is_symlink():
            yield path


def ignored_names() -> frozenset[str]:
    """Names of the folders in .gitignore, which holds nothing else that a test would meet."""
    lines = (ROOT / ".gitignore").read_text(encoding="utf-8").split()
    return frozenset((".git", *(line.strip("/") for line in lines)))


def package_folders() -> list[Path]:
    """The folder of each package that a portion holds."""
    return [ROOT / portion / name.replace(".", "/") for name, portion in PACKAGES.items()]


def imported(folder: Path) -> set[str]:
    """Top-level names of all that the modules below a folder import, the standard library aside."""
    names: set[str] = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                names.add(node.module)
    return {name.partition(".")[0] for name in names} - set(sys.stdlib_module_names) - {"lingraft"}


def declared(extra: str) -> set[str]:
    """Distributions that pyproject.toml names for an extra, with those of every install."""
    tables = project()["project"]
    lines = [*tables["dependencies"], *tables["optional-dependencies"].get(extra, ())]
    named = [Requirement(line) for line in lines]
    nested = [inner for each in named if each.name == "lingraft" for inner in each.extras]
    return {canonicalize_name(each.name) for each in named}.union(*map(declared, nested))


def test_lingraft_is_a_namespace_in_every_portion() -> None:
    """One stray `lingraft/__init__.py` would hide the other portions."""
    strays = [ROOT / portion / "lingraft" / "__init__.py" for portion in PORTIONS]
    assert [stray for stray in strays if stray.exists()] == []


def test_the_portions_hold_the_packages_and_no_others() -> None:
    """What a portion holds is named above, so that a new package gets all tests of this file."""
    held = {path for part in PORTIONS for path in (ROOT / part / "lingraft").iterdir()}
    folders = {path for path in held if path.is_dir() and path.name != "__pycache__"}
    assert folders == set(package_folders())


def test_the_build_knows_every_portion() -> None:
    """Wheel, editable install and type checker are told of the same four folders."""
    tool = project()["tool"]
    build = tool["hatch"]["build"]
    assert tuple(build["dev-mode-dirs"]) == PORTIONS
    assert build["targets"]["wheel"]["packages"] == [f"{part}/lingraft" for part in PORTIONS]
    assert tuple(tool["mypy"]["mypy_path"]) == PORTIONS


@pytest.mark.parametrize("folder", package_folders(), ids=lambda folder: folder.name)
def test_every_package_tells_type_checkers_that_it_is_typed(folder: Path) -> None:
    """PEP 561: without py.typed our users' type checkers see nothing."""
    assert (folder / "py.typed").is_file()


@pytest.mark.parametrize("name", PACKAGES)
def test_every_package_is_imported_from_this_checkout(name: str) -> None:
    """The editable install shows the folders of this repository, all of them at once."""
    package = importlib.import_module(name)
    assert list(package.__path__) == [str(ROOT / PACKAGES[name] / name.replace(".", "/"))]


@pytest.mark.parametrize("folder", package_folders()[1:], ids=lambda folder: folder.name)
def test_every_package_of_ours_says_what_it_is(folder: Path) -> None:
    """Each folder with modules has an `__init__.py` with a docstring."""
    homes = {path.parent for path in folder.rglob("*.py")}
    silent = [home for home in homes if not (home / "__init__.py").is_file()]
    assert silent == []
    texts = [(home / "__init__.py").read_text(encoding="utf-8") for home in homes]
    assert all(text.startswith('"""') for text in texts)


@pytest.mark.parametrize("name", PACKAGES)
def test_what_a_package_imports_its_extra_names(name: str) -> None:
    """Nothing is there only because something else happened to bring it along."""
    optional = OPTIONAL.get(name, {})
    assert all(map(declared, optional))
    homes = packages_distributions()
    enough = declared(EXTRAS[name])
    folder = ROOT / PACKAGES[name] / name.replace(".", "/")
    chance = {
        top
        for top in imported(folder)
        if top not in optional.values()
        and not enough & {canonicalize_name(home) for home in homes.get(top, ())}
    }
    assert chance == set()


@pytest.mark.parametrize("command", project()["project"]["scripts"])
def test_every_command_leads_to_a_function(command: str) -> None:
    """The entry points of pyproject.toml resolve."""
    target = project()["project"]["scripts"][command]
    assert callable(EntryPoint(command, target, "console_scripts").load())


def test_no_file_names_a_machine_or_a_registry() -> None:
    """A clone works anywhere: where packages come from is the business of whoever installs."""
    found = [
        f"{path.relative_to(ROOT)}: {match.group().decode(errors='replace')}"
        for path in ours(ROOT, ignored_names())
        for match in MACHINE.finditer(path.read_bytes())
    ]
    assert found == []


@pytest.mark.parametrize(
    "text",
    [
        b"--index-url https://pypi." + b"org/simple",
        b"torch @ file:" + b"///wheels/torch.whl",
        b"cd /wo" + b"rk/main",
        b"HOME=/ro" + b"ot/x",
        b'"/tm' + b'p/scratch/a"',
    ],
)
def test_the_search_for_machines_would_find_one(text: bytes) -> None:
    """The pattern above catches what it is there for."""
    assert MACHINE.search(text)


def test_ci_runs_make_check_and_nothing_else() -> None:
    """One command for people and machines; set-up is part of it."""
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert script.read_text(encoding="utf-8").splitlines()[-1] == "exec make check"
    rules = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(r"^check: lint test\b", rules, re.MULTILINE)
    assert re.findall(r"^(?:lint|test): \$\(STAMP\)", rules, re.MULTILINE) == [
        "lint: $(STAMP)",
        "test: $(STAMP)",
    ]


def test_the_image_is_built_from_what_is_there() -> None:
    """Every COPY of the Dockerfile finds its source, and .dockerignore lets it through."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    lines = re.findall(r"^COPY (?!--from)(.+)$", text, flags=re.MULTILINE)
    sources = {source for line in lines for source in line.split()[:-1]}
    allowed = re.findall(
        r"^!(.+)$", (ROOT / ".dockerignore").read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    assert sources == set(allowed)
    assert [source for source in sources if not (ROOT / source).exists()] == []


def test_constraints_are_names_and_versions_only() -> None:
    """No host, no path, no local version such as +cpu; what must be pinned is pinned."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not re.fullmatch(r"[\w.-]+==[\d.]+", line)] == []
    pins = dict(line.lower().split("==") for line in lines)
    assert len(pins) == len(lines)
    assert pins["torch"] == "2.13.0"
    assert pins["grpcio-tools"] == "1.76.0"
    assert pins["protobuf"].startswith("6.33.")
    assert "grpc-stubs" not in pins
