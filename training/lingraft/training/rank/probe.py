"""A short fine-tuning on the child's data, compared by the log-likelihood of dev per character.

Likelihood tells short runs apart long before either translates well enough for chrF++ to. A sum
over pieces cannot be compared between vocabularies, so it is divided by the characters of the
references, which are the same for all; a classifier's by its texts.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import nn

from lingraft.training.data import corpora
from lingraft.training.data.batches import Corpus
from lingraft.training.errors import ParentError
from lingraft.training.models.classifier import ClassificationLoss, SequenceClassifier
from lingraft.training.models.marian import TranslationLoss, freeze_padding_row, load_model
from lingraft.training.models.tensors import all_batches, collate, targets
from lingraft.training.parents.find import ParentModel, fitted
from lingraft.training.rank.child import Child, Example
from lingraft.training.recipe.identity import identity_of
from lingraft.training.recipe.ranking import Ranking
from lingraft.training.recipe.recipes import GraftRecipe, Pairs, Training
from lingraft.training.run.arms import log_likelihood
from lingraft.training.run.loop import Batch, Job, run
from lingraft.training.vocabulary.codec import Codec, shorten
from lingraft.training.vocabulary.normalise import normalise

Module = TranslationLoss | ClassificationLoss
Likelihood = Callable[[nn.Module, Sequence[Batch], Callable[[Batch], int]], float]


def readable(child: Child, parents: Sequence[ParentModel]) -> tuple[Example, ...]:
    """Dev examples that no parent would have to shorten: what all are compared on.

    A classifier's are all kept: its target is the label, however much of the text was read.
    """
    if child.labels:
        return child.dev
    limits = [(p.codec, fitted(child.recipe.training, p).max_tokens) for p in parents]
    return tuple(
        example
        for example in child.dev
        if all(
            max(len(example.source_ids(codec)), len(answer_ids(example, child, codec))) <= limit
            for codec, limit in limits
        )
    )


def answer_ids(example: Example, child: Child, codec: Codec) -> list[int]:
    """Ids of the translation, or the label's index as the only target."""
    if example.target:
        return codec.encode_target(example.answer, example.target)
    return [child.labels.index(example.answer)]


def probe_settings(child: Child, settings: Ranking) -> tuple[Training, float]:
    """How every probe trains, and its dropout: the middle of the recipe's grid, as it stands."""
    steps, grid = settings.probe_steps, child.recipe.grid
    rates, dropouts = sorted(grid.learning_rates), sorted(grid.dropouts)
    training = child.recipe.training.model_copy(
        update={
            "learning_rate": settings.learning_rate or rates[len(rates) // 2],
            "max_steps": steps,
            "evaluate_every": steps,
            "save_every": min(child.recipe.training.save_every, max(1, steps // 4)),
            "warmup_steps": min(child.recipe.training.warmup_steps, max(1, steps // 4)),
            "average_last": 1,
            "milestones": [],
        }
    )
    return training, dropouts[len(dropouts) // 2]


def identity(child: Child, dev: Sequence[Example], settings: Ranking, parent: str) -> str:
    """What two probes of one parent must share to be the same."""
    training, dropout = probe_settings(child, settings)
    texts = [(e.text, e.language, e.answer, e.target) for e in dev]
    visits = [s.weight for s in child.recipe.train if isinstance(s, Pairs)]
    more = (parent, f"dropout {dropout:g} seed {child.recipe.seed} visits {visits}")
    return identity_of(training, [*child.trained_on, texts], *more)


def probe(
    parent: ParentModel,
    child: Child,
    dev: Sequence[Example],
    settings: Ranking,
    folder: Path,
    name: str,
    likelihood: Likelihood = log_likelihood,
) -> tuple[float, float]:
    """Train, and give (dev's log-likelihood in nats per character, seconds); per text in
    classification.

    `folder` holds the run while it lasts: killed and called again, it goes on from the loop's last
    checkpoint.

    Args:
        name: identity of the probe.
        likelihood: of dev, in nats per target.

    Raises:
        ParentError: the loss is no number after the last step.
        DataError: no training example is short enough for this parent.
    """
    started = time.monotonic()
    training, dropout = probe_settings(child, settings)
    training = fitted(training, parent)
    job = _job(parent, child, training, folder, name)
    module = _module(parent, child, training.label_smoothing, dropout)
    batches = all_batches(_corpus(parent, child, dev, training.max_tokens), parent.codec.pad)
    scale = sum(map(job.count, batches)) / amount(dev)
    state = run(job, module, lambda: scale * likelihood(module, batches, job.count))
    if not math.isfinite(state.best_score):
        raise ParentError(f"its probe diverged at learning rate {training.learning_rate:g}")
    return state.best_score, max(time.monotonic() - started, state.seconds)


def amount(dev: Sequence[Example]) -> int:
    """Characters of the translations, or the number of labels."""
    return sum(len(normalise(e.answer, e.target)) if e.target else 1 for e in dev)


def _job(parent: ParentModel, child: Child, training: Training, folder: Path, name: str) -> Job:
    pad = parent.codec.pad
    weights: tuple[float, ...] = (1.0,)
    if isinstance(child.recipe, GraftRecipe):
        corpus, weights = corpora.training_corpus(
            child.recipe.train, child.rows, parent.codec, training.max_tokens
        )
    else:
        corpus = _corpus(parent, child, child.train, training.max_tokens)

    return Job(
        name=f"probe {parent.name}",
        folder=folder,
        corpus=corpus,
        weights=weights,
        collate=lambda indices: collate(corpus, indices, pad),
        count=targets,
        score_name="log-likelihood",
        settings=training,
        seed=child.recipe.seed,
        identity=name,
    )


def _corpus(parent: ParentModel, child: Child, examples: Sequence[Example], limit: int) -> Corpus:
    """Ids of examples; texts lose what is over `limit`, as a classifier's do when it is grafted."""
    codec = parent.codec
    sources = [shorten(example.source_ids(codec), limit) for example in examples]
    answers = [answer_ids(example, child, codec) for example in examples]
    return Corpus(zip(sources, answers, strict=True), [0] * len(sources))


def _module(parent: ParentModel, child: Child, smoothing: float, dropout: float) -> Module:
    model = load_model(parent.folder, dropout)
    if not child.labels:
        freeze_padding_row(model)
        return TranslationLoss(model, smoothing)
    torch.manual_seed(child.recipe.seed)
    encoder, pad = model.model.encoder, parent.codec.pad
    classifier = SequenceClassifier(encoder, len(child.labels), pad, dropout)
    return ClassificationLoss(classifier, smoothing)
