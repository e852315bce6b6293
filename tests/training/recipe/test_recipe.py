"""Recipes: all shipped ones parse, and a faulty one is told all its faults with their lines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lingraft.training.errors import RecipeError
from lingraft.training.recipe.loading import SHIPPED, load_recipe, resolve_path
from lingraft.training.recipe.recipes import (
    ClassifyRecipe,
    GraftRecipe,
    PretrainRecipe,
)
from lingraft.training.recipe.wide import Wide

GRAFT = """\
task = "graft"
name = "toy"
licence = "CC0-1.0"
parent = "parent-xs"

[training]
max_steps = 100

[grid]
learning_rates = [1e-3]
dropouts = [0.1]
trial_steps = 10

[[train]]
name = "one"
path = "one.tsv"
source = "en"
target = "yo"

[[dev]]
name = "dev"
path = "$LINGRAFT_DATA/dev.tsv"
source = "en"
target = "yo"

[[test]]
name = "test"
path = "hf:owner/name:test"
source = "en"
target = "yo"
"""

CLASSIFY = """\
task = "classify"
name = "toy"
licence = "CC0-1.0"
parent = "parent-xs"
training = { max_steps = 100 }
grid = { learning_rates = [1e-3], dropouts = [0.1], trial_steps = 10 }
train = [{ name = "a", path = "a.tsv", language = "en" }]
dev = [{ name = "b", path = "b.tsv", language = "en" }]
test = [{ name = "c", path = "c.tsv", language_column = 2 }]
"""

Faults = Callable[[str], list[str]]


@pytest.fixture
def faults(tmp_path: Path) -> Faults:
    """The lines of the error that a recipe of this text gives, after the heading."""

    def load(text: str) -> list[str]:
        path = tmp_path / "recipe.toml"
        path.write_text(text, encoding="utf-8")
        with pytest.raises(RecipeError) as caught:
            load_recipe(str(path))
        heading, *lines = str(caught.value).splitlines()
        assert heading.startswith(str(path))
        return [line.strip() for line in lines] or [heading.removeprefix(str(path))]

    return load


def _line(text: str, start: str, nth: int = 1) -> int:
    """Number of the nth line that begins with `start`."""
    hits = [i for i, line in enumerate(text.splitlines(), start=1) if line.startswith(start)]
    return hits[nth - 1]


def test_every_shipped_recipe_parses(repository: Path) -> None:
    """Those in the package and those of the examples; none is left to be found broken by a user."""
    paths = sorted([*SHIPPED.rglob("*.toml"), *(repository / "examples").rglob("*.toml")])
    assert SHIPPED / "parent-xs.toml" in paths
    for path in paths:
        assert load_recipe(str(path)).name


def test_a_shipped_recipe_is_found_by_its_name() -> None:
    """With or without the ending."""
    assert load_recipe("parent-xs") == load_recipe("parent-xs.toml")
    assert isinstance(load_recipe("parent-xs"), PretrainRecipe)


METHODS = (
    "back-translation",
    "denoise",
    "distil",
    "explanation",
    "extend",
    "frozen",
    "full",
    "gradual",
    "interpolate",
    "l2-sp",
    "lora",
    "mixing",
    "optimizer-kept",
    "replace-align",
    "replace-match",
    "replace-random",
    "select-cross-entropy",
    "select-importance",
    "shuffled-parent",
    "unsupervised",
    "without-forgetting",
)


def test_every_method_has_a_recipe_of_its_own() -> None:
    """Found by its name, and its experiment is called by it."""
    classifiers = {"bridge", "few-shot", "frozen-encoder", "masked-lm", "translate-train", "wide"}
    there = {path.stem for path in (SHIPPED / "methods").iterdir()}
    assert there == {*METHODS, *classifiers}
    for name in METHODS:
        recipe = load_recipe(f"methods/{name}")
        assert isinstance(recipe, GraftRecipe)
        assert recipe.name == f"en-yo-{name}"


@pytest.mark.parametrize("name", METHODS)
def test_a_methods_recipe_says_what_it_is_and_when_it_pays(name: str) -> None:
    """In two lines under the command that runs it."""
    text = (SHIPPED / "methods" / f"{name}.toml").read_text(encoding="utf-8")
    command, *comment = (line for line in text.splitlines() if line.startswith("#"))
    assert command == f"# lingraft-train graft methods/{name}"
    assert len(comment) == 2
    assert any(word in " ".join(comment) for word in ("pays", "First:", "first:"))


def test_an_unknown_recipe_is_told_the_shipped_ones() -> None:
    """A typing error is mended by reading the message."""
    with pytest.raises(RecipeError, match=r"shipped: langid\.toml, methods/.*yo\.toml$"):
        load_recipe("methods/lara")
    with pytest.raises(RecipeError, match=r"parent-sx: no such recipe; .*parent-xs\.toml"):
        load_recipe("parent-sx")


def test_each_task_has_its_kind_of_recipe(tmp_path: Path) -> None:
    """`task` decides what else is asked for."""
    for text, kind in ((GRAFT, GraftRecipe), (CLASSIFY, ClassifyRecipe)):
        (tmp_path / "a.toml").write_text(text, encoding="utf-8")
        assert isinstance(load_recipe(str(tmp_path / "a.toml")), kind)


def test_four_faults_are_named_at_once_with_their_lines(faults: Faults) -> None:
    """A negative number, a forgotten path, a misspelt setting and a rate that is text."""
    text = (
        GRAFT.replace("max_steps = 100", "max_steps = -1\nwarmpu_steps = 10")
        .replace('path = "one.tsv"\n', "")
        .replace("dropouts = [0.1]", 'dropouts = ["much"]')
    )
    found = faults(text)
    assert len(found) == 4
    assert [line.split(":")[0] for line in found] == [
        f"line {_line(text, 'max_steps')}",
        f"line {_line(text, 'warmpu_steps')}",
        f"line {_line(text, 'dropouts')}",
        f"line {_line(text, '[[train]]')}",
    ]
    assert "training.max_steps: Input should be greater than 0 (found -1)" in found[0]
    assert "training.warmpu_steps: is not a setting of a recipe" in found[1]
    assert "grid.dropouts[0]: " in found[2]
    assert "train[0].path: is missing" in found[3]


def test_a_fault_in_the_second_table_of_an_array_has_that_tables_line(faults: Faults) -> None:
    """Tables of one name are told apart."""
    second = '\n[[train]]\nname = "two"\npath = "two.tsv"\nsource = "en"\ntarget = "yoruba"\n'
    (found,) = faults(GRAFT + second)
    assert found.startswith(f"line {len((GRAFT + second).splitlines())}: train[1].target: ")
    assert "'yoruba' is unknown: use BCP-47" in found


def test_a_wide_part_is_off_unless_asked_for_and_told_its_faults(
    faults: Faults, tmp_path: Path
) -> None:
    """An empty table is enough; of a translation it is no setting."""
    path = tmp_path / "a.toml"
    for text, wanted in ((CLASSIFY, None), (CLASSIFY + "\n[wide]\n", Wide())):
        path.write_text(text, encoding="utf-8")
        recipe = load_recipe(str(path))
        assert isinstance(recipe, ClassifyRecipe)
        assert recipe.wide == wanted
    found = faults(CLASSIFY + "\n[wide]\norders = 0\nbits = 30\nrate = 0\nbit = 8\n")
    named = [line.split(": ")[1] for line in found]
    assert named == ["wide.orders", "wide.bits", "wide.rate", "wide.bit"]
    assert faults(GRAFT + "\n[wide]\n")[0].endswith("wide: is not a setting of a recipe")


def test_a_fault_in_an_inline_table_has_its_line(faults: Faults) -> None:
    """Long arrays of inline tables are how the vocabulary's texts are listed."""
    text = CLASSIFY.replace(
        "train = [{",
        'train = [\n    { name = "x", path = "x.tsv", language = "en" },\n    '
        '{ name = "y", path = "y.tsv", language = "en", columns = [0, -1] },\n    {',
    )
    (found,) = faults(text)
    line = _line(text, '    { name = "y"')
    assert found == (
        f"line {line}: train[1].columns[1]: must be a column's name or its number, from 0, not -1"
    )


def test_checks_across_settings_are_reported_with_the_others(faults: Faults) -> None:
    """Either a language or a column of languages, and a wrong seed beside it: both are told."""
    text = CLASSIFY.replace("language_column = 2", 'licence = "x"') + 'seed = "one"\n'
    found = faults(text)
    assert [line.split(": ", 1)[1].split(":")[0] for line in found] == [
        "test[0].language_column",
        "seed",
    ]
    assert "give either language or language_column" in found[0]


def test_a_parent_that_cannot_be_trained_is_refused_before_it_is(
    faults: Faults, parent_recipe_file: Path
) -> None:
    """Heads that do not divide, too long examples, languages without a tag or without text."""
    text = parent_recipe_file.read_text(encoding="utf-8")
    text = text.replace("heads = 2", "heads = 7").replace('["en", "fr", "yo"]', '["en", "wo"]')
    assert [fault.split(": ", 1)[1] for fault in faults(text)] == [
        "vocabulary.texts: no text of wo; add some",
        "model.heads: d_model must be a multiple of twice heads; 7 does not divide",
    ]
    text = text.replace("heads = 7", "heads = 2").replace('"wo"', '"yo"')
    text = text.replace("max_tokens = 60", "max_tokens = 65")
    assert [fault.split(": ", 1)[1] for fault in faults(text)] == [
        "training: max_tokens is above the model's max_positions",
        "train: fr: not among vocabulary.languages",
        "dev: fr: not among vocabulary.languages",
    ]


def test_an_unknown_task_is_told_the_known_ones(faults: Faults) -> None:
    """So is a recipe without any."""
    (found,) = faults(GRAFT.replace('task = "graft"', '\ntask = "grow"'))
    known = '"pretrain", "graft", "classify", "identify", "assess"'
    assert found == f", line 2: task must be one of {known}"
    assert "task must be one of" in faults("")[0]


def test_text_that_is_not_toml_is_told_where(faults: Faults) -> None:
    """tomllib knows line and column."""
    (found,) = faults(GRAFT.replace("max_steps = 100", "max_steps = "))
    assert "not TOML" in found
    assert f"line {_line(GRAFT, 'max_steps')}" in found


def test_a_recipe_that_is_not_utf_8_is_told_so(tmp_path: Path) -> None:
    """One sentence, no traceback."""
    (tmp_path / "a.toml").write_bytes(b'name = "n\xe9"')
    with pytest.raises(RecipeError, match="not UTF-8 at byte 9"):
        load_recipe(str(tmp_path / "a.toml"))


def test_paths_are_filled_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`$LINGRAFT_DATA`, paths beside the recipe, and names on the hub."""
    monkeypatch.setenv("LINGRAFT_DATA", "/somewhere/data")
    (tmp_path / "a.toml").write_text(GRAFT, encoding="utf-8")
    recipe = load_recipe(str(tmp_path / "a.toml"))
    assert isinstance(recipe, GraftRecipe)
    assert recipe.train[0].path == str(tmp_path / "one.tsv")
    assert recipe.dev[0].path == "/somewhere/data/dev.tsv"
    assert recipe.test[0].path == "hf:owner/name:test"


def test_data_lies_beside_the_project_unless_said_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An empty variable is as good as none; absolute paths stay as they are."""
    monkeypatch.setenv("LINGRAFT_DATA", "")
    assert resolve_path("$LINGRAFT_DATA/x.tsv", Path("recipes")) == "../shared/data/x.tsv"
    assert resolve_path("/data/x.tsv", Path("recipes")) == "/data/x.tsv"


def test_a_setting_that_would_do_nothing_is_refused(faults: Faults) -> None:
    """Thresholds are for labels; nobody explains a classifier yet; even is of naive Bayes."""
    (found,) = faults(GRAFT + '\n[calibration.thresholds]\nlabel = "spam"\n')
    assert "calibration: thresholds belong to a classifier's labels" in found
    (found,) = faults(CLASSIFY + "\n[explanation]\n")
    assert "explanation: is not a setting of a recipe" in found
    (found,) = faults(CLASSIFY + "\n[wide]\neven = true\n")
    assert "wide.even: is a setting of naive Bayes" in found
