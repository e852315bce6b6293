"""Under torchrun: two processes train as one would, and one of them writes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from lingraft.training.data.batches import Corpus
from lingraft.training.models.marian import (
    TranslationLoss,
    digest_of,
    freeze_padding_row,
    load_model,
    new_model,
)
from lingraft.training.models.tensors import collate
from lingraft.training.parents.find import find_parent
from lingraft.training.pretrain import pretrain
from lingraft.training.recipe.adaptation import Adaptation
from lingraft.training.recipe.loading import load_recipe
from lingraft.training.recipe.recipes import PretrainRecipe, Shape, Training
from lingraft.training.run.loop import Job, run

_PROCESSES = 2


def _train(folder: Path) -> dict[str, Any]:
    """Train a tiny model on 24 examples, all of them in one step of all processes together."""
    random = np.random.default_rng(1)
    rows = [random.integers(2, 19, 5).tolist() for _ in range(24)]
    corpus = Corpus([([*row, 0], [*row[::-1], 0]) for row in rows], [0] * 24)
    shape = Shape(d_model=16, ffn=16, heads=2, encoder_layers=1, decoder_layers=1, dropout=0.0)
    model = new_model(shape, 20, seed=1)
    freeze_padding_row(model)
    asked: list[int] = []

    def score() -> float:
        asked.append(1)
        return -float(len(asked))  # the first is the best: dev stops the run

    settings = Training(
        learning_rate=1e-2,
        warmup_steps=1,
        max_steps=40,
        batch_tokens=24 * 6 // int(os.environ.get("WORLD_SIZE", "1")),
        evaluate_every=2,
        save_every=2,
        patience=1,
        precision="fp32",
        threads=1,
    )
    job = Job(
        name="toy",
        folder=folder,
        corpus=corpus,
        weights=(1.0,),
        collate=lambda indices: collate(corpus, indices, 19),
        count=lambda batch: int((batch["labels"] >= 0).sum()),
        score_name="score",
        settings=settings,
        seed=1,
        identity="toy",
        adaptation=Adaptation(method="gradual", unfreeze_every=1),
    )
    state = run(job, TranslationLoss(model, 0.1), score)
    # The gradient of keys' biases is rounding alone, and Adam makes steps of it.
    counted = [p for n, p in model.named_parameters() if not n.endswith("k_proj.bias")]
    return {
        "digest": digest_of(model),
        "weights": [number for p in counted for number in p.flatten().tolist()],
        "state": [state.step, state.tokens, state.best_step, state.finished],
        "asked": len(asked),
        "wrote": sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()),
    }


def _one_of_many(folder: str, recipe_file: str) -> None:
    told = _train(Path(folder) / "run")
    recipe = load_recipe(recipe_file)
    assert isinstance(recipe, PretrainRecipe)
    short = recipe.training.model_copy(update={"max_steps": 2, "evaluate_every": 2})
    recipe = recipe.model_copy(update={"training": short, "dev_sentences": 2})
    parent = pretrain(recipe, Path(folder) / "parent")
    told["parent"] = [parent.state.step, len(parent.scores)]
    (Path(folder) / f"{os.environ['RANK']}.json").write_text(json.dumps(told), encoding="utf-8")


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory, parent_recipe_file: Path) -> Path:
    """Folder of what two processes did, with what each of them told in RANK.json."""
    folder = tmp_path_factory.mktemp("both")
    command = [sys.executable, "-W", "error", __file__, str(folder), str(parent_recipe_file)]
    one_thread = os.environ | {"OMP_NUM_THREADS": "1"}  # as torchrun sets it for its processes
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=240, check=False, env=one_thread
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("dev score") == 2  # told by one of them
    return folder


def _told(folder: Path) -> list[dict[str, Any]]:
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(_PROCESSES)]


def test_two_processes_pretrain_one_parent(both: Path) -> None:
    """They share one vocabulary, and the main process writes the model that both trained."""
    assert [told["parent"] for told in _told(both)] == [
        [2, 4],
        [2, 0],
    ]  # chrF++ and BLEU of two directions
    found = find_parent(str(both / "parent" / "model"))
    assert found.codec.pad == 344
    assert load_model(found.folder).config.vocab_size == 345


def test_two_processes_train_as_one_would(both: Path, tmp_path: Path) -> None:
    """Same weights in both, to the last bit, and those of a single process with all of a step's
    examples but for rounding; both stop when dev says so, which the main process alone asks."""
    main, other = _told(both)
    assert main["digest"] == other["digest"]
    assert np.isfinite(main["weights"]).all()
    assert main["state"] == other["state"] == [4, 4 * 24 * 6, 2, True]
    assert (main["asked"], other["asked"]) == (3, 0)
    alone = _train(tmp_path / "alone")
    assert alone["state"] == main["state"]
    assert alone["weights"] == pytest.approx(main["weights"], abs=1e-4)
    # One process's files, and one file of events among them.
    stems = [[name.split(".")[0] for name in of["wrote"]] for of in (main, alone)]
    assert stems[0] == stems[1]


if __name__ == "__main__":
    # What torchrun calls, but for new interpreters: importing everything once is enough.
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=_PROCESSES,
        run_id="toy",
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        start_method="fork",
        max_restarts=0,
    )
    elastic_launch(config, _one_of_many)(*sys.argv[1:])
