"""`--dry-run`: reads what a run would read, tries a few steps, and tells the plan.

Recipe, data and parent are looked at by the functions of the run itself, in its order, so that a
fault says here what it would say there. Vocabularies are made in a folder that is thrown away;
those that a run has left in the output are taken.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lingraft.training.data import corpora
from lingraft.training.data.corpora import Row
from lingraft.training.data.testsets import TestSet
from lingraft.training.errors import TrainingError
from lingraft.training.experiment.jobs import loss_of, pairs_job
from lingraft.training.experiment.preparing import prepare
from lingraft.training.experiment.starts import SCRATCH, Start, begin
from lingraft.training.experiment.texts import Data, load_data
from lingraft.training.experiment.translation import budget
from lingraft.training.gate.significance import GRAFT
from lingraft.training.measure.evaluate import translate
from lingraft.training.models.marian import (
    TranslationLoss,
    freeze_padding_row,
)
from lingraft.training.parents.start import starting_point
from lingraft.training.planning.classifiers import plan_classifier
from lingraft.training.planning.plans import Held, Plan, Source, Speed, halves
from lingraft.training.planning.probe import measured
from lingraft.training.planning.schedule import arm_runs, pretrain_run, remarks, threads_of
from lingraft.training.pretrain import first_model, pretrain_job, vocabulary
from lingraft.training.recipe.recipes import GraftRecipe, Planned, PretrainRecipe
from lingraft.training.recipe.settings import Pairs
from lingraft.training.run.loop import Job
from lingraft.training.synthesis.texts import read_texts
from lingraft.training.vocabulary.codec import SPM_FILE

_ANSWERED = 16  # sentences that are answered for the estimate


def plan(recipe: Planned, output: Path) -> Plan:
    """What `lingraft-train graft` or `pretrain` would do with this recipe and output folder.

    Raises:
        TrainingError: what the run would refuse before its training begins.
    """
    if isinstance(recipe, PretrainRecipe):
        return _pretrain(recipe, output)
    if isinstance(recipe, GraftRecipe):
        return _graft(recipe, output)
    return plan_classifier(recipe, output)


def _graft(recipe: GraftRecipe, output: Path) -> Plan:
    ready = prepare(recipe)
    recipe, parent = ready.recipe, ready.parent
    data = load_data(recipe)
    with _beside(output) as folder:
        starts = begin(recipe, parent, data, folder).starts
        jobs = {start.name: _job(start, recipe, data, folder) for start in starts}
        speeds: dict[str, Speed] = {}
        for start in starts:
            # All but the control from scratch have the graft's size and text.
            known = speeds.get(GRAFT) if start.name != SCRATCH else None
            speeds[start.name] = known or _speed(start, recipe, data, jobs[start.name])
    chosen = sum(len(test.sources) for test in data.select)
    runs = [
        run
        for start in starts
        for run in arm_runs(start.name, recipe, budget(start.name, recipe), chosen)
    ]
    held = _held(data)
    answers = recipe.seeds * len(starts) + 1  # of every seed's model, and of the parent
    decided = [part.sentences for part in held[1:3]]
    return Plan(
        title=f"{recipe.name}: a graft onto {parent.name}",
        output=output,
        sources=[*_sources(recipe, data, jobs[GRAFT]), *_monolingual(recipe, data)],
        held=held,
        runs=runs,
        speeds=speeds,
        answered=answers * sum(decided),
        threads=threads_of(recipe.training),
        notes=remarks(recipe),
    )


def _job(start: Start, recipe: GraftRecipe, data: Data, folder: Path) -> Job:
    """The job of an arm; where train has no pairs, of dev's, for its size and speed."""
    sources, rows = list(recipe.train), data.train
    if not any(rows):
        sources = [_as_source(test) for test in data.select]
        rows = data.select_rows
    return pairs_job(start, recipe, data, sources, rows, folder)


def _as_source(test: TestSet) -> Pairs:
    return Pairs(
        name=test.name,
        path="",
        source=test.source_language,
        target=test.target_language,
        both_directions=False,
    )


def _speed(start: Start, recipe: GraftRecipe, data: Data, job: Job) -> Speed:
    model = start.make(recipe.grid.dropouts[0], recipe.seed)
    freeze_padding_row(model)
    some = _few(data.select)

    def answer() -> int:
        return sum(len(translate(model, start.codec, test)) for test in some)

    return measured(job, loss_of(start, model, recipe.training.label_smoothing), answer)


def _few(tests: Sequence[TestSet]) -> list[TestSet]:
    each = max(1, _ANSWERED // max(1, len(tests)))
    return [
        TestSet(t.name, t.source_language, t.target_language, t.sources[:each], t.references[:each])
        for t in tests
    ]


def _sources(recipe: GraftRecipe, data: Data, job: Job) -> Iterator[Source]:
    told = [("train", pairs) for pairs in recipe.train]
    told += [("rehearsal", pairs) for pairs in recipe.rehearsal]
    read = corpora.read_pairs([pairs for _, pairs in told])
    kept = [*data.train, *data.rehearsal]
    for place, ((part, pairs), before, after) in enumerate(zip(told, read, kept, strict=True)):
        if any(data.train):
            yield _source(part, pairs, len(before), after, job, place)
        else:
            yield Source(part, pairs.name, len(before), len(after))


def _source(
    part: str, pairs: Pairs, read: int, kept: Sequence[Row], job: Job, place: int
) -> Source:
    examples = len(kept) * (2 if pairs.both_directions else 1)
    trained = int((job.corpus.group == place).sum())
    return Source(part, pairs.name, read, len(kept), examples, examples - trained)


def _monolingual(recipe: GraftRecipe, data: Data) -> Iterator[Source]:
    read = read_texts(recipe.monolingual)
    for source, before, after in zip(recipe.monolingual, read, data.monolingual, strict=True):
        yield Source("monolingual", source.name, len(before), len(after))


def _held(data: Data) -> list[Held]:
    sizes = [
        [len(test.sources) for test in tests]
        for tests in (
            *(data.select, data.decide, data.test, data.parent_test),
            [*data.parent_select, *data.parent_dev],
        )
    ]
    result = [*halves(sizes[0], sizes[1], "every arm and seed and by the parent")]
    result.append(
        Held("test", sum(sizes[2]), "opened once, answered by every arm and seed and by the parent")
    )
    if sizes[3]:
        result.append(Held("parent_test", sum(sizes[3]), "to see what was forgotten"))
    if sizes[4]:
        told = "to calibrate the parent's directions"
        if any(test.sources for test in data.parent_select):
            told += ", and half of it to choose how far to go back"
        result.append(Held("parent_dev", sum(sizes[4]), told))
    return result


def _pretrain(recipe: PretrainRecipe, output: Path) -> Plan:
    start = starting_point(recipe)
    rows = corpora.read_pairs([*recipe.train, *recipe.dev])
    train, dev_rows = rows[: len(recipe.train)], rows[len(recipe.train) :]
    with _beside(output) as folder:
        codec = vocabulary(recipe, folder, start)
    job = pretrain_job(recipe, train, codec, output, start)
    model = first_model(recipe, start)
    dev = corpora.test_sets(recipe.dev, dev_rows, recipe.dev_sentences)
    some = _few(dev)

    def answer() -> int:
        return sum(len(translate(model, codec, test)) for test in some)

    loss = TranslationLoss(model, recipe.training.label_smoothing)
    everything = corpora.test_sets(recipe.dev, dev_rows, None)
    chosen, last = (sum(len(test.sources) for test in tests) for tests in (dev, everything))
    return Plan(
        title=f"{recipe.name}: a parent from {start.name if start else 'nothing'}",
        output=output,
        sources=[
            _source("train", pairs, len(texts), texts, job, place)
            for place, (pairs, texts) in enumerate(zip(recipe.train, train, strict=True))
        ],
        held=[
            Held("dev", chosen, "to choose and stop by, at each evaluation"),
            Held("dev", last, "to score the parent, once"),
        ],
        runs=[pretrain_run(recipe, chosen)],
        speeds={recipe.name: measured(job, loss, answer)},
        answered=last,
        threads=threads_of(recipe.training),
        notes=[] if start else [f"a vocabulary of {recipe.vocabulary.size:,} pieces comes first"],
    )


@contextmanager
def _beside(output: Path) -> Iterator[Path]:
    """A folder that is thrown away, with the vocabularies that a run has left in `output`."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for left in output.glob("vocabulary-*"):
            (folder / left.name).symlink_to(left.resolve())
        for place in ("", SCRATCH):
            if (output / place / SPM_FILE).is_file():
                (folder / place).mkdir(exist_ok=True)
                (folder / place / SPM_FILE).symlink_to((output / place / SPM_FILE).resolve())
        try:
            yield folder
        except TrainingError as error:
            raise type(error)(str(error).replace(name, str(output))) from None
