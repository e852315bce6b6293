"""From a TOML file to its recipe. All faults are reported at once, each with its line."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from lingraft.training.errors import RecipeError
from lingraft.training.recipe.bases import merged, with_roots
from lingraft.training.recipe.faults import explain, line_of
from lingraft.training.recipe.recipes import (
    AssessRecipe,
    ClassifyRecipe,
    GraftRecipe,
    IdentifyRecipe,
    PretrainRecipe,
    Recipe,
)
from lingraft.training.recipe.settings import Strict

DATA_VARIABLE = "LINGRAFT_DATA"
_DATA_DEFAULT = "../shared/data"
SHIPPED = Path(__file__).parent.parent / "recipes"
_R = TypeVar("_R", bound=Strict)
_KINDS: dict[str, type[Recipe]] = {
    "pretrain": PretrainRecipe,
    "graft": GraftRecipe,
    "classify": ClassifyRecipe,
    "identify": IdentifyRecipe,
    "assess": AssessRecipe,
}


def load_recipe(location: str) -> Recipe:
    """The recipe at a path, or the shipped one of that name; its data's paths are filled in.

    `base = "OTHER"` takes everything from another recipe, beside it or shipped, that the file does
    not say itself: tables are merged, lists replaced.

    Raises:
        RecipeError: it cannot be read, or does not say what it must; every fault with its line.
    """
    return _loaded(find_recipe(location), ())[0]


def _loaded(path: Path, above: tuple[Path, ...]) -> tuple[Recipe, dict[str, Any]]:
    """The recipe of a file, and what the file and its bases say, for those that build on it."""
    text = _read(path)
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{path}: not TOML: {error}") from None
    if (base := content.pop("base", None)) is not None:
        below = _base(base, path, text, (*above, path.resolve()))
        content = merged(_loaded(below, (*above, path.resolve()))[1], content)
    kind = _KINDS.get(str(content.get("task")))
    if kind is None:
        line = line_of(text, ("task",))
        known = ", ".join(f'"{name}"' for name in _KINDS)
        raise RecipeError(f"{path}, line {line}: task must be one of {known}")
    try:
        recipe = kind.model_validate(content)
    except ValidationError as error:
        raise RecipeError(explain(path, text, error)) from None
    return _with_paths(recipe, path.parent), with_roots(content, path.parent)


def _base(location: object, path: Path, text: str, above: tuple[Path, ...]) -> Path:
    """The file of a base, beside the recipe or shipped; RecipeError with the line where there is
    none, or where it leads back."""
    where = f"{path}, line {line_of(text, ('base',))}: base"
    if not isinstance(location, str) or not location:
        raise RecipeError(f"{where} must be the path or the name of a recipe, not {location!r}")
    for folder, name in (
        (path.parent, location),
        (SHIPPED, location),
        (SHIPPED, location + ".toml"),
    ):
        if (found := folder / name).is_file():
            if found.resolve() in above:
                raise RecipeError(f"{where}: {location} builds on this recipe itself")
            return found
    raise RecipeError(f"{where}: no recipe {location} beside it or among the shipped ones")


def find_recipe(location: str) -> Path:
    """A recipe file by path, or by name among the shipped ones."""
    for candidate in (Path(location), SHIPPED / location, SHIPPED / f"{location}.toml"):
        if candidate.is_file():
            return candidate
    shipped = ", ".join(sorted(p.relative_to(SHIPPED).as_posix() for p in SHIPPED.rglob("*.toml")))
    raise RecipeError(f"{location}: no such recipe; give a path or one of the shipped: {shipped}")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path}: not UTF-8 at byte {error.start}") from None
    except OSError as error:
        raise RecipeError(f"{path}: cannot be read: {error.strerror}") from None


def _with_paths(recipe: _R, folder: Path) -> _R:
    """The recipe with `$LINGRAFT_DATA` and paths relative to the recipe's folder resolved."""

    def resolve(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {k: resolve(v, k) for k, v in value.items()}
        if isinstance(value, list):
            return [resolve(v, key) for v in value]
        return resolve_path(value, folder) if key == "path" else value

    return type(recipe).model_validate(resolve(recipe.model_dump()))


def resolve_path(location: str, folder: Path) -> str:
    """`location` with `$LINGRAFT_DATA` filled in; relative ones start at the recipe's `folder`."""
    variable = f"${DATA_VARIABLE}"
    if location.startswith(variable):
        return (os.environ.get(DATA_VARIABLE) or _DATA_DEFAULT) + location.removeprefix(variable)
    if location.startswith("hf:"):
        return location
    return str(folder / location)
