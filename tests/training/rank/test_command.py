"""`lingraft-train rank-parents`, end to end on tiny parents."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lingraft.training.cli import main
from lingraft.training.errors import ParentError
from lingraft.training.parents.find import find_parent
from lingraft.training.rank import probe as probing
from lingraft.training.rank.child import Child
from lingraft.training.rank.coverage import measure
from lingraft.training.rank.facts import facts_of
from lingraft.training.rank.regret import read_gains, record_gain, regret
from lingraft.training.rank.score import (
    Candidate,
    Scores,
    cheap_scores,
    comparable,
    open_parent,
)
from lingraft.training.recipe.ranking import Ranking

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs the command: (exit status, standard output, standard error)."""

    def run(recipe: Path, parents: list[Path | str], *more: str) -> tuple[int, str, str]:
        options = [part for parent in parents for part in ("--parent", str(parent))]
        output = ["--output", str(tmp_path / "out")]
        status = main(["rank-parents", str(recipe), *options, *output, *more])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


def _entries(path: Path) -> dict[str, dict[str, Any]]:
    content = json.loads(path.read_text(encoding="utf-8"))
    return {Path(entry["location"]).name: entry for entry in content["candidates"]}


def test_a_parent_of_the_task_is_ranked_above_a_random_one(
    command: Command,
    folder: Path,
    tmp_path: Path,
    pretrained: Path,
    random_parent: Path,
    unfit: Path,
) -> None:
    """By the probe; what cannot be a parent stands last with its reason and stops nothing."""
    file = tmp_path / "deep" / "ranking.json"
    candidates: list[Path | str] = [unfit, random_parent, "nobody/nothing", pretrained]
    recipe = folder / "child.toml"
    status, shown, told = command(recipe, candidates, "--probe-steps", "24", "--json", str(file))
    assert status == 0, told
    content = json.loads(file.read_text(encoding="utf-8"))
    assert content == json.loads((tmp_path / "out" / "ranking.json").read_text(encoding="utf-8"))
    assert content["by"] == "probe"
    assert content["child"] == "graft en-yo: toy en-yo; test toy test"
    assert [Path(entry["location"]).name for entry in content["candidates"]] == [
        "pretrained",
        "random",
    ]
    first, second = content["candidates"]
    assert (first["rank"], second["rank"]) == (1, 2)
    assert first["scores"]["probe"] > second["scores"]["probe"] + 0.1
    assert first["scores"]["coverage"] == second["scores"]["coverage"]
    assert first["scores"]["script_match"] == 1.0
    assert set(first["seconds"]) == {"vocabulary", "facts", "script", "logme", "probe"}
    assert first["reason"].startswith("first: lowest probe loss (")
    assert "above the first; its vocabulary knows " in second["reason"]
    reasons = [entry["reason"] for entry in content["unfit"]]
    assert "it is a t5 model; only marian ones are supported" in reasons[0]
    assert reasons[1].startswith("parent 'nobody/nothing': the hub did not give it: ")
    lines = shown.splitlines()
    assert lines[1].startswith("by probe; probe loss in nats per character of 16 dev examples")
    assert lines[3].split()[:5] == ["parent", "known", "whole", "fertility", "pairs"]
    assert lines[4].startswith(f"1  {pretrained}")
    assert "(seconds: vocabulary " in shown
    assert lines[4].split()[5] == "248"  # pairs, as pretraining has written them
    assert lines[6].startswith(f"-  {unfit}")
    assert not any(path.is_dir() for path in (tmp_path / "out" / "probes").iterdir())


def test_the_same_again_scores_nothing_twice(
    command: Command, folder: Path, tmp_path: Path, pretrained: Path
) -> None:
    """Figures and seconds are those of the first time, but for what the folder says of itself."""
    file = tmp_path / "a.json"
    seen = []
    for _ in range(2):
        arguments = ("--probe-steps", "4", "--json", str(file))
        assert command(folder / "child.toml", [pretrained], *arguments)[0] == 0
        seen.append(_entries(file)["pretrained"])
        seen[-1]["seconds"].pop("facts")
    assert seen[0] == seen[1]


def test_a_killed_probe_goes_on(child: Child, pretrained: Path, tmp_path: Path) -> None:
    """It ends as one that was never killed."""
    parent, settings = find_parent(str(pretrained)), Ranking(probe_steps=8)
    dev = probing.readable(child, [parent])

    class KilledError(Exception):
        pass

    def die(*_: object) -> float:
        raise KilledError

    whole = probing.probe(parent, child, dev, settings, tmp_path / "whole", "same")
    with pytest.raises(KilledError):
        probing.probe(parent, child, dev, settings, tmp_path / "killed", "same", die)
    state = json.loads((tmp_path / "killed" / "checkpoint" / "state.json").read_text("utf-8"))
    assert state["step"] == 6
    again = probing.probe(parent, child, dev, settings, tmp_path / "killed", "same")
    assert again[0] == whole[0]


def test_the_probe_counts_characters_and_not_pieces(child: Child, pretrained: Path) -> None:
    """The unit does not depend on the vocabulary; a classifier's unit is a text."""
    references = [example.answer for example in child.dev]
    assert probing.amount(child.dev) == sum(map(len, references))
    parent = find_parent(str(pretrained))
    assert probing.readable(child, [parent]) == child.dev


def test_dev_rows_too_long_for_one_parent_are_left_out_for_all(
    child: Child, pretrained: Path
) -> None:
    """Likelihoods of different texts do not compare."""
    parent = find_parent(str(pretrained))
    lengths = [len(example.source_ids(parent.codec)) for example in child.dev]
    limit = sorted(lengths)[5]
    training = child.recipe.training.model_copy(update={"max_tokens": limit})
    recipe = child.recipe.model_copy(update={"training": training})
    short = Child(recipe, child.rows, child.train, child.dev)
    kept = probing.readable(short, [parent])
    assert 0 < len(kept) < len(child.dev)
    codec = parent.codec
    assert all(len(e.source_ids(codec)) <= limit for e in kept)


def test_without_a_probe_the_cheap_scores_decide(
    command: Command, folder: Path, tmp_path: Path, pretrained: Path, random_parent: Path
) -> None:
    """A twin is tied with its first; data size counts where every folder states it."""
    pretrained, random_parent, twin = (
        shutil.copytree(source, tmp_path / name)
        for name, source in (
            ("pretrained", pretrained),
            ("random", random_parent),
            ("twin", pretrained),
        )
    )
    for parent in (pretrained, random_parent, twin):
        _state_pairs(parent, None)
    file = tmp_path / "a.json"
    arguments = ("--probe-steps", "0", "--json", str(file))
    candidates: list[Path | str] = [random_parent, pretrained, twin]
    status, shown, _ = command(folder / "child.toml", candidates, *arguments)
    assert status == 0
    entries = _entries(file)
    assert entries["pretrained"]["rank"] == entries["twin"]["rank"]
    assert "tied: mean rank " in entries["twin"]["reason"]
    assert entries["twin"]["scores"]["probe"] is None
    assert "by mean rank of cheap scores\n" in shown
    assert "not run" in shown
    _state_pairs(twin, 500)
    assert command(folder / "child.toml", candidates, *arguments)[0] == 0
    assert _entries(file)["twin"]["rank"] == _entries(file)["pretrained"]["rank"]
    _state_pairs(pretrained, 100)
    _state_pairs(random_parent, 100)
    assert command(folder / "child.toml", candidates, *arguments)[0] == 0
    assert _entries(file)["twin"]["rank"] < _entries(file)["pretrained"]["rank"]
    assert "best in data size" in _entries(file)["twin"]["reason"]


def _state_pairs(parent: Path, pairs: int | None) -> None:
    path = parent / "provenance.json"
    content = json.loads(path.read_text(encoding="utf-8")) | {"pairs": pairs}
    path.write_text(json.dumps(content), encoding="utf-8")


def test_logme_is_compared_on_what_all_candidates_can_read(pretrained: Path, child: Child) -> None:
    """Out of languages that all know, where there are such; else out of all."""
    parent = find_parent(str(pretrained))  # knows en and fr
    scores = Scores(
        coverage=measure(parent.codec, {"yo": ["ẹno"]}, {}),
        facts=facts_of(pretrained),
        scripts={},
        script_match=1.0,
        logme_by_direction={"en-yo": -1.0, "yo-en": -2.0},
        logme=None,
        seconds={},
    )

    def logmes(*languages: tuple[str, ...]) -> list[float | None]:
        parents = [replace(parent, languages=spoken) for spoken in languages]
        return [c.scores.logme for c in comparable([Candidate("x", p, scores) for p in parents])]

    assert logmes(("en", "fr"), ("en", "yo")) == [-1.0, -1.0]
    assert logmes(("en",), ()) == [-1.0, -1.0]  # one of them does not say
    assert logmes(("en",), ("yo",)) == [-1.5, -1.5]
    assert logmes((), ()) == [-1.5, -1.5]
    none = replace(scores, logme_by_direction={})
    assert comparable([Candidate("x", parent, none)])[0].scores.logme is None


def test_a_classifiers_parents_are_ranked_by_nats_per_text(
    command: Command, folder: Path, pretrained: Path, random_parent: Path, tmp_path: Path
) -> None:
    """Labels are the same for all."""
    file = tmp_path / "a.json"
    arguments = ("--probe-steps", "12", "--json", str(file))
    status, shown, _ = command(folder / "labels.toml", [random_parent, pretrained], *arguments)
    assert status == 0
    assert "probe loss in nats per text of 12 dev examples" in shown
    for entry in _entries(file).values():
        assert -2.0 < entry["scores"]["probe"] < 0.0
        assert entry["scores"]["logme"] is not None
        assert entry["scores"]["coverage"]["english_fertility"] is None


def test_a_ranking_on_disk_has_its_regret(
    command: Command, folder: Path, pretrained: Path, random_parent: Path, tmp_path: Path
) -> None:
    """From the command's JSON and the grafts that followed."""
    candidates: list[Path | str] = [pretrained, random_parent]
    assert command(folder / "child.toml", candidates, "--probe-steps", "0")[0] == 0
    ranking = json.loads((tmp_path / "out" / "ranking.json").read_text(encoding="utf-8"))
    gains = tmp_path / "gains.jsonl"
    first, last = ranking["candidates"]
    for entry, score in ((first, 20.0), (last, 22.5)):
        record_gain(entry["parent"], entry["sha256"], ranking["child"], score, file=gains)
    found = regret(ranking, read_gains(gains))
    assert found is not None
    assert (found.regret, found.best) == (2.5, last["location"])


def test_damaged_candidates_are_one_line_each(
    child: Child, pretrained: Path, tmp_path: Path
) -> None:
    """Whatever is wrong with their files."""
    damages = {"config.json": "{", "provenance.json": "[]", "model.safetensors": "no weights"}
    for name, text in damages.items():
        spoilt = shutil.copytree(pretrained, tmp_path / name.replace(".", "-"))
        (spoilt / name).write_text(text, encoding="utf-8")
        with pytest.raises(ParentError):
            cheap_scores(open_parent(str(spoilt), child), child, Ranking(), tmp_path / "out")


def test_users_mistakes_are_told(
    command: Command, folder: Path, pretrained: Path, parent_recipe_file: Path
) -> None:
    """No candidates, steps under none, a recipe that has no child."""
    status, _, told = command(folder / "child.toml", [])
    assert (status, told) == (
        1,
        "lingraft-train: no candidates: give --parent LOCATION, once for each, or name them in the "
        "recipe as ranking.candidates\n",
    )
    status, _, told = command(folder / "child.toml", [pretrained], "--probe-steps", "-1")
    assert status == 1
    assert "--probe-steps is -1; give 0 or more" in told
    status, _, told = command(parent_recipe_file, [pretrained])
    assert status == 1
    assert 'task is "pretrain"' in told
