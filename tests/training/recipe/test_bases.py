"""`base`: a recipe says only what it does otherwise than another."""

from __future__ import annotations

from pathlib import Path

import pytest

from lingraft.training.errors import RecipeError
from lingraft.training.recipe.loading import load_recipe
from lingraft.training.recipe.recipes import PretrainRecipe

WHOLE = """
task = "pretrain"
name = "whole"
licence = "CC0-1.0"

[vocabulary]
size = 400
languages = ["en", "fr"]
texts = [{ language = "en", path = "en.txt" }, { language = "fr", path = "$LINGRAFT_DATA/fr.txt" }]

[model]
d_model = 16
ffn = 16
heads = 2
encoder_layers = 1
decoder_layers = 1

[training]
learning_rate = 1e-3
max_steps = 10
max_tokens = 60

[[train]]
name = "pairs"
path = "pairs.tsv"
source = "en"
target = "fr"

[[dev]]
name = "pairs"
path = "dev.tsv"
source = "en"
target = "fr"
"""


def _load(folder: Path, name: str, text: str) -> PretrainRecipe:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    recipe = load_recipe(str(path))
    assert isinstance(recipe, PretrainRecipe)
    return recipe


def test_what_a_recipe_does_not_say_it_takes_from_its_base(tmp_path: Path) -> None:
    """Tables key by key, lists whole."""
    whole = _load(tmp_path, "whole.toml", WHOLE)
    text = 'base = "whole.toml"\nseed = 7\n[training]\nmax_steps = 20\n[vocabulary]\n'
    text += 'languages = ["fr", "en"]\n'
    recipe = _load(tmp_path, "more.toml", text)
    assert (recipe.seed, recipe.training.max_steps, recipe.training.learning_rate) == (7, 20, 1e-3)
    assert recipe.vocabulary.languages == ["fr", "en"]
    assert recipe.vocabulary.texts == whole.vocabulary.texts
    assert (recipe.name, recipe.model, recipe.train) == (whole.name, whole.model, whole.train)


def test_paths_start_at_the_recipe_that_names_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A base in another folder keeps its own files, through two steps."""
    monkeypatch.setenv("LINGRAFT_DATA", "/somewhere")
    _load(tmp_path, "below/whole.toml", WHOLE)
    _load(tmp_path, "between/some.toml", 'base = "../below/whole.toml"\nseed = 2\n')
    text = 'base = "../between/some.toml"\n[[dev]]\nname = "own"\npath = "own.tsv"\n'
    recipe = _load(tmp_path, "above/own.toml", text + 'source = "en"\ntarget = "fr"\n')
    assert recipe.seed == 2
    assert Path(recipe.train[0].path) == (tmp_path / "below" / "pairs.tsv").resolve()
    assert [Path(each.path) for each in recipe.dev] == [tmp_path / "above" / "own.tsv"]
    assert recipe.vocabulary.texts[1].path == "/somewhere/fr.txt"


def test_a_shipped_recipe_may_be_a_base(tmp_path: Path) -> None:
    """By its name."""
    recipe = _load(tmp_path, "mine.toml", 'base = "parent-xs"\nseed = 9\n')
    assert recipe.seed == 9
    below = load_recipe("parent-xs")
    assert isinstance(below, PretrainRecipe)
    assert recipe.train == below.train


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"a.toml": 'base = "a.toml"\n'}, "line 1: base: a.toml builds on this recipe itself"),
        (
            {"a.toml": '\nbase = "b.toml"\n', "b.toml": 'base = "a.toml"\n'},
            "line 1: base: a.toml builds on this recipe itself",
        ),
        (
            {"a.toml": '\nbase = "gone.toml"\n'},
            "a.toml, line 2: base: no recipe gone.toml beside it or among the shipped ones",
        ),
        ({"a.toml": "base = 3\n"}, "line 1: base must be the path or the name of a recipe, not 3"),
        ({"a.toml": 'base = ""\n'}, "line 1: base must be the path or the name of a recipe"),
    ],
)
def test_a_base_that_leads_nowhere_is_refused(
    tmp_path: Path, files: dict[str, str], told: str
) -> None:
    """Instead of going round in circles."""
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(RecipeError) as caught:
        load_recipe(str(tmp_path / "a.toml"))
    assert told in str(caught.value)


def test_faults_are_told_in_the_file_that_has_them(tmp_path: Path) -> None:
    """With the line there."""
    (tmp_path / "whole.toml").write_text(WHOLE, encoding="utf-8")
    own = tmp_path / "own.toml"
    own.write_text('base = "whole.toml"\n[training]\nmax_steps = 0\n', encoding="utf-8")
    with pytest.raises(RecipeError, match=r"own\.toml: one fault:\n  line 3: training\.max_steps"):
        load_recipe(str(own))
    (tmp_path / "whole.toml").write_text(WHOLE.replace("size = 400", "size = 4"), encoding="utf-8")
    with pytest.raises(RecipeError, match=r"whole\.toml: one fault:\n  line 7: vocabulary\.size"):
        load_recipe(str(own))
