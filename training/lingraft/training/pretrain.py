"""Pretraining a parent: start -> vocabulary -> corpus -> loop -> model folder -> card."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from transformers import MarianMTModel

from lingraft.training.data import corpora
from lingraft.training.data.corpora import Row
from lingraft.training.data.testsets import TestSet
from lingraft.training.errors import CheckpointError
from lingraft.training.measure.evaluate import translate
from lingraft.training.measure.metrics import bleu, chrf, mean_chrf
from lingraft.training.models.marian import (
    TranslationLoss,
    freeze_padding_row,
    load_model,
    new_model,
    save_model,
)
from lingraft.training.models.tensors import collate, targets
from lingraft.training.parents.card import parent_card, parent_licence
from lingraft.training.parents.find import MODEL_FOLDER, PROVENANCE_FILE, ParentModel
from lingraft.training.parents.start import PastRun, runs_of, starting_point
from lingraft.training.recipe.identity import identity_of
from lingraft.training.recipe.recipes import PretrainRecipe
from lingraft.training.run.checkpoint import State
from lingraft.training.run.loop import Job, run
from lingraft.training.run.processes import is_main, main_first
from lingraft.training.vocabulary.codec import (
    SPM_FILE,
    Codec,
    load_codec,
    save_tokenizer,
    train_spm,
)


@dataclass(frozen=True)
class Parent:
    """A pretrained parent: its folder, how its run went and its dev scores."""

    folder: Path
    state: State
    scores: list[dict[str, object]]


def pretrain(recipe: PretrainRecipe, output: Path, *, shuffle_targets: bool = False) -> Parent:
    """Train the parent of `recipe`; `output`/model holds it in fp16, loadable by Transformers.

    With `shuffle_targets` every source sentence gets the target of another: the parent sees the
    same text and learns no translation, which makes it a control (Aji et al. 2020).

    Under `torchrun` all processes train, and the main one writes; the others return no scores.
    """
    start = starting_point(recipe)
    output.mkdir(parents=True, exist_ok=True)
    rows = corpora.read_pairs([*recipe.train, *recipe.dev])
    train_rows, dev_rows = rows[: len(recipe.train)], rows[len(recipe.train) :]
    if shuffle_targets:
        train_rows = [_shuffled(texts, recipe.seed) for texts in train_rows]
    with main_first():
        codec = vocabulary(recipe, output, start)
    model = first_model(recipe, start)
    dev = corpora.test_sets(recipe.dev, dev_rows, recipe.dev_sentences)
    job = pretrain_job(recipe, train_rows, codec, output, start)
    loss = TranslationLoss(model, recipe.training.label_smoothing)
    state = run(job, loss, lambda: _dev_score(model, codec, dev))
    if not is_main():
        return Parent(output / MODEL_FOLDER, state, [])
    tests = corpora.test_sets(recipe.dev, dev_rows, None)
    scores = _scores(model, codec, tests)
    made = Parent(output / MODEL_FOLDER, state, scores)
    _write(recipe, model, made, list(map(len, train_rows)), start)
    return made


def first_model(recipe: PretrainRecipe, start: ParentModel | None) -> MarianMTModel:
    """The model before training: that of `start`, or one of random weights."""
    if start:
        model = load_model(start.folder, recipe.model.dropout)
    else:
        model = new_model(recipe.model, recipe.vocabulary.size, recipe.seed)
    freeze_padding_row(model)
    return model


def pretrain_job(
    recipe: PretrainRecipe,
    rows: Sequence[Sequence[Row]],
    codec: Codec,
    output: Path,
    start: ParentModel | None,
) -> Job:
    """The run that trains the parent on `rows` of its sources."""
    corpus, weights = corpora.training_corpus(recipe.train, rows, codec, recipe.training.max_tokens)
    return Job(
        name=recipe.name,
        folder=output,
        corpus=corpus,
        weights=weights,
        collate=lambda indices: collate(corpus, indices, codec.pad),
        count=targets,
        score_name="chrF++",
        settings=recipe.training,
        seed=recipe.seed,
        identity=identity_of(recipe, rows, *([start.sha256] if start else [])),
    )


def _shuffled(rows: list[Row], seed: int) -> list[Row]:
    """Each source with the target of some row, drawn without replacement."""
    order = np.random.default_rng([seed, len(rows)]).permutation(len(rows))
    return [(row[0], rows[other][1]) for row, other in zip(rows, order, strict=True)]


def _write(
    recipe: PretrainRecipe,
    model: MarianMTModel,
    made: Parent,
    rows: list[int],
    start: ParentModel | None,
) -> None:
    """The model folder: weights, tokenizer, languages, scores and card."""
    folder, state = made.folder, made.state
    save_model(model, folder, dtype=torch.float16)
    save_tokenizer(folder.parent / SPM_FILE, folder, recipe.model.max_positions)
    run = PastRun(
        steps=state.step,
        target_pieces=state.tokens,
        seed=recipe.seed,
        start=start.sha256 if start else "",
    )
    runs = [*(runs_of(start.folder) if start else []), run]
    licence = parent_licence(recipe, start)
    languages = sorted({language for s in recipe.train for language in (s.source, s.target)})
    provenance = {"languages": languages, "licence": licence, "pairs": sum(rows), "runs": runs}
    (folder / PROVENANCE_FILE).write_text(json.dumps(provenance) + "\n", encoding="utf-8")
    told = json.dumps(made.scores, indent=1) + "\n"
    (folder / "scores.json").write_text(told, encoding="utf-8")
    card = parent_card(recipe, runs, rows, made.scores, licence)
    (folder / "README.md").write_text(card, encoding="utf-8")


def vocabulary(recipe: PretrainRecipe, output: Path, start: ParentModel | None) -> Codec:
    """The vocabulary that a killed run has left, that of `start`, or a new one.

    Raises:
        DataError: faulty text, or too little of it.
        CheckpointError: `output` holds another vocabulary.
    """
    path = output / SPM_FILE
    inherited = start.codec.spm.serialized_model_proto() if start else None
    if not path.is_file():
        fresh = path.with_suffix(".new")
        if inherited:
            fresh.write_bytes(inherited)
        else:
            sentences = corpora.vocabulary_text(recipe.vocabulary)
            train_spm(sentences, recipe.vocabulary.size, recipe.vocabulary.languages, fresh)
        fresh.rename(path)
    codec = load_codec(output)
    wanted = recipe.vocabulary
    same = inherited in (None, codec.spm.serialized_model_proto())
    if (
        not same
        or codec.pad != wanted.size - 1
        or not all(map(codec.has_language, wanted.languages))
    ):
        raise CheckpointError(
            f"{path}: a run with another vocabulary began here; give another --output, or delete "
            "the folder to start again"
        )
    return codec


def _dev_score(model: MarianMTModel, codec: Codec, tests: list[TestSet]) -> float:
    outputs = [translate(model, codec, test) for test in tests]
    return mean_chrf(outputs, [test.references for test in tests])


def _scores(model: MarianMTModel, codec: Codec, tests: list[TestSet]) -> list[dict[str, object]]:
    results: list[dict[str, object]] = []
    for test in tests:
        output = translate(model, codec, test)
        for score in (chrf(output, test.references), bleu(output, test.references)):
            results.append(
                {
                    "direction": test.direction,
                    "test_set": test.name,
                    "sentences": len(test.sources),
                    "name": score.name,
                    "value": round(score.value, 2),
                    "signature": score.signature,
                }
            )
    return results
