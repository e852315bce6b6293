"""Stages: what a model goes through before its training on pairs, each resumable where it stopped.

OUTPUT/ARM/stages/seed-1/1-denoise/    the run of the first stage of the first seed
OUTPUT/ARM/stages/seed-1/2-back-translate/round-1/
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor
from transformers import MarianMTModel

from lingraft.training.data.corpora import Row
from lingraft.training.errors import RecipeError, SynthesisError
from lingraft.training.experiment.jobs import dev_batches, loss_of, pairs_identity, pairs_job
from lingraft.training.experiment.staging import (
    TRANSLATION,
    require_methods,
    some_of,
    stage_job,
    teacher_folder,
)
from lingraft.training.experiment.starts import Start
from lingraft.training.experiment.texts import Data
from lingraft.training.gate.significance import GRAFT
from lingraft.training.models.marian import (
    TranslationLoss,
    freeze_padding_row,
    load_weights,
    weights_of,
)
from lingraft.training.recipe.adaptation import Adaptation
from lingraft.training.recipe.recipes import GraftRecipe
from lingraft.training.recipe.settings import Pairs
from lingraft.training.recipe.stages import Stage
from lingraft.training.run.arms import log_likelihood
from lingraft.training.run.checkpoint import State
from lingraft.training.run.loop import Job, run
from lingraft.training.synthesis.back_translation import Plan, back_translation
from lingraft.training.synthesis.denoising import Denoiser, denoising_corpus
from lingraft.training.synthesis.distillation import distil
from lingraft.training.synthesis.generate import Translator, load_translator
from lingraft.training.synthesis.renewed import held_out, job_of
from lingraft.training.synthesis.rounds import Round
from lingraft.training.synthesis.unsupervised import iterative

_Weights = dict[str, Tensor]


@dataclass(frozen=True)
class Staged:
    """What the stages leave: weights to begin the last training with, and its pairs.

    weights: None where no stage trained.
    state: of the last stage that trained.
    sources, rows: the training text; a stage of distillation replaces it.
    notes: what of the stages was left out, and why.
    """

    weights: _Weights | None
    state: State | None
    sources: list[Pairs]
    rows: list[list[Row]]
    notes: tuple[str, ...] = ()


def through_stages(
    start: Start, recipe: GraftRecipe, data: Data, seed: int, output: Path
) -> Staged:
    """Take one arm through all stages with one seed.

    Raises:
        RecipeError: a stage has no text left.
        SynthesisError: back-translation by a model that is too weak, among others.
    """
    folder = output / start.name / "stages" / f"seed-{seed}"
    staged = Staged(None, None, list(recipe.train), [list(rows) for rows in data.train])
    for number, stage in enumerate(recipe.stages, start=1):
        place = folder / f"{number}-{stage.method}"
        staged = _Stage(start, recipe, data, seed, place, stage, staged).run()
    return staged


@dataclass(frozen=True)
class _Stage:
    """One stage of one arm, with what the stages before it have left."""

    start: Start
    recipe: GraftRecipe
    data: Data
    seed: int
    folder: Path
    stage: Stage
    before: Staged

    def run(self) -> Staged:
        """What this stage leaves."""
        methods: dict[str, Callable[[], Staged]] = {
            "pairs": self._pairs,
            "denoise": self._denoise,
            "back-translate": self._back_translate,
            "iterate": self._iterate,
            "distil": self._distil,
        }
        require_methods([self.stage], methods, TRANSLATION)
        return methods[self.stage.method]()

    def _model(self) -> MarianMTModel:
        """The model as the stage before has left it."""
        model = self.start.make(self.stage.dropout, self.seed)
        if self.before.weights is not None:
            load_weights(model, self.before.weights)
        freeze_padding_row(model)
        return model

    def _trained(self, job: Job, loss: TranslationLoss, score: Callable[[], float]) -> Staged:
        adaptation = self.stage.adaptation if self.start.inherits else Adaptation()
        job = stage_job(job, self.stage, self.seed, adaptation, self.start.origin)
        state = run(job, loss, score)
        return replace(self.before, weights=weights_of(loss.model), state=state)

    def _loss(self, model: MarianMTModel) -> TranslationLoss:
        assert self.stage.training is not None
        return loss_of(self.start, model, self.stage.training.label_smoothing)

    def _score(self, loss: TranslationLoss, job: Job) -> Callable[[], float]:
        """Log-likelihood of the selecting half of dev."""
        dev = dev_batches(self.data.select, self.start.codec, job.settings.max_tokens)
        return lambda: log_likelihood(loss, dev, job.count)

    def _pairs(self) -> Staged:
        loss = self._loss(self._model())
        job = self._pairs_job(self.before.sources, self.before.rows, self.folder)
        return self._trained(job, loss, self._score(loss, job))

    def _pairs_job(self, sources: Sequence[Pairs], rows: Sequence[list[Row]], folder: Path) -> Job:
        if not any(rows):
            raise RecipeError(f"stages: {self.stage.method} trains on pairs, and train has none")
        assert self.stage.training is not None
        recipe = self.recipe.model_copy(update={"training": self.stage.training})
        job = pairs_job(self.start, recipe, self.data, sources, rows, folder)
        name = f"{self.start.name} {self.stage.method}"
        return replace(job, name=name, folder=folder, score_name="log-likelihood")

    def _denoise(self) -> Staged:
        settings, codec = self.stage.training, self.start.codec
        assert settings is not None
        assert self.stage.denoising is not None
        sources, texts = self.recipe.monolingual, self.data.monolingual
        if not any(texts):
            raise RecipeError("stages: denoise needs [[monolingual]] text, and there is none")
        model = self._model()
        room = model.config.max_position_embeddings
        most = min(settings.max_tokens, room)
        corpus, weights = denoising_corpus(sources, texts, codec, most)
        few, _ = denoising_corpus(sources, some_of(texts), codec, most)
        noise = self.stage.denoising
        loss = self._loss(model)
        text = Denoiser(corpus, codec, noise, self.seed, room)
        dev = held_out(Denoiser(few, codec, noise, self.seed, room))
        job = job_of(
            text,
            weights,
            settings,
            name=f"{self.start.name} denoise",
            folder=self.folder,
            score_name="log-likelihood",
            identity=self._identity(texts),
        )
        return self._trained(job, loss, lambda: log_likelihood(loss, dev, job.count))

    def _identity(self, texts: Sequence[Sequence[Row]]) -> str:
        return pairs_identity(self.start, self.recipe, texts, self.data)

    def _back_translate(self) -> Staged:
        settings = self.stage.back_translation
        assert settings is not None
        languages = {text.language for text in self.recipe.monolingual}
        directions = _directions(self.before.sources, self.before.rows)
        plan = Plan(
            texts={code: self.data.texts_of(self.recipe, code) for code in sorted(languages)},
            real={d: size for d, size in directions.items() if d[1] in languages},
            dev=self.data.select,
            seed=self.seed,
        )
        rounds = _Rounds(self, list(self.before.sources), list(self.before.rows))
        return self._all(back_translation(settings, plan, rounds.translator, rounds.train), rounds)

    def _iterate(self) -> Staged:
        settings = self.stage.iterative
        assert settings is not None
        languages = dict.fromkeys(text.language for text in self.recipe.monolingual)
        texts = {code: self.data.texts_of(self.recipe, code) for code in languages}
        rounds = _Rounds(self, [], [])
        return self._all(
            iterative(settings, texts, self.seed, rounds.translator, rounds.train), rounds
        )

    def _all(self, made: Iterator[Round], rounds: _Rounds) -> Staged:
        """What all rounds leave; a control that is too weak for one goes on with what it has.

        A control's weakness is what it is there to show, so it must not stop the graft.
        """
        try:
            for _ in made:
                pass
        except SynthesisError as error:
            if self.start.name == GRAFT:
                raise
            note = f"{self.folder.name} stopped: {error}"
            print(f"{self.start.name}: {note}", file=sys.stderr)
            return replace(rounds.staged, notes=(*rounds.staged.notes, note))
        return rounds.staged

    def _distil(self) -> Staged:
        settings = self.stage.distillation
        assert settings is not None
        sources = self.before.sources
        spoken = {code for pairs in sources for code in (pairs.source, pairs.target)}
        folder = teacher_folder(self.folder.parents[3])
        teacher = load_translator(settings.teacher, spoken, folder, settings.decoding)
        made = distil(sources, self.before.rows, settings, teacher, self.recipe.seed)
        return replace(
            self.before, sources=[part.pairs for part in made], rows=[part.rows for part in made]
        )


class _Rounds:
    """The model that rounds of made text train, and what each round leaves."""

    def __init__(self, stage: _Stage, sources: list[Pairs], rows: list[list[Row]]) -> None:
        self._stage, self._sources, self._rows = stage, sources, rows
        self.staged = stage.before

    def translator(self, number: int, source: str, target: str) -> Translator:
        """The model as it stands, for any direction."""
        model = replace(self._stage, before=self.staged)._model()
        return Translator(model, self._stage.start.codec, self._stage.folder / "made")

    def train(self, made: Round) -> None:
        """Train on real and made pairs of one round."""
        stage = replace(self._stage, before=self.staged)
        loss = stage._loss(stage._model())
        folder = stage.folder / f"round-{made.number}"
        job = stage._pairs_job([*self._sources, *made.sources], [*self._rows, *made.rows], folder)
        self.staged = stage._trained(job, loss, stage._score(loss, job))


def _directions(
    sources: Sequence[Pairs], rows: Sequence[Sequence[Row]]
) -> dict[tuple[str, str], int]:
    """Training rows of each direction."""
    sizes: dict[tuple[str, str], int] = {}
    for pairs, texts in zip(sources, rows, strict=True):
        ways = [(pairs.source, pairs.target)]
        if pairs.both_directions:
            ways.append((pairs.target, pairs.source))
        for way in ways:
            sizes[way] = sizes.get(way, 0) + len(texts)
    return sizes
