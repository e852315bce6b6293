"""Typed transfer: does the recipe's data fit the kind of transfer that it says it is?

Inductive, transductive and unsupervised transfer after Pan & Yang (2010); what moves is the
parent's parameters, its instances, or both.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from lingraft.training.errors import RecipeError
from lingraft.training.recipe.adaptation import Adaptation
from lingraft.training.recipe.experiment import Moved, TransferKind
from lingraft.training.recipe.recipes import ClassifyRecipe, GraftRecipe
from lingraft.training.recipe.settings import Labelled, Pairs

_OF_CLASSIFIERS = ("masked-lm", "translate-train")
_READS_TEXT = ("denoise", "back-translate", "iterate")
_LATE_MOMENTS = (
    'would go on with the parent\'s optimizer after another stage; "keep" it in the first stage '
    'that trains, and "reset" it here'
)


@dataclass(frozen=True)
class TypedTransfer:
    """What kind of transfer an experiment is.

    child: languages that the parent learns.
    moves: what goes from parent to child.
    """

    kind: TransferKind
    moves: tuple[Moved, ...]
    child: tuple[str, ...]

    def as_dict(self) -> dict[str, object]:
        """For the report."""
        return {"kind": self.kind, "moves": list(self.moves), "child": list(self.child)}


def typed_translation(recipe: GraftRecipe, known: Sequence[str]) -> TypedTransfer:
    """The type of a translation graft onto a parent of the languages `known`.

    Raises:
        RecipeError: the data does not fit; every fault is named, with its mend.
    """
    sources = [*recipe.train, *recipe.dev, *recipe.test]
    spoken = [code for pairs in sources for code in (pairs.source, pairs.target)]
    spoken += [text.language for text in recipe.monolingual]
    child = recipe.transfer.child or _new(spoken, known) or tuple(sorted(set(spoken)))
    moves = recipe.transfer.moves or _moved(bool(recipe.rehearsal))
    result = TypedTransfer(recipe.transfer.kind, moves, child)
    faults = [*_moves_fit(recipe, moves), *_pairs_fit(recipe, result), *_stages_fit(recipe)]
    _refuse(recipe.name, result, [*faults, *_moments_fit(recipe)])
    return result


def typed_classification(recipe: ClassifyRecipe) -> TypedTransfer:
    """The type of a classifier: its child languages are those that it is tested on.

    Raises:
        RecipeError: the data does not fit; every fault is named, with its mend.
    """
    trained = _told(recipe.train)
    child = recipe.transfer.child or tuple(sorted(_told(recipe.test)))
    moves = recipe.transfer.moves or ("parameters",)
    result = TypedTransfer(recipe.transfer.kind, moves, child)
    faults = []
    if moves != ("parameters",):
        faults.append('moves: a classifier takes over parameters alone; set moves = ["parameters"]')
    if result.kind == "unsupervised":
        faults.append("kind: a classifier needs labels in some language: say transductive")
    if result.kind == "transductive" and (shared := sorted(trained & set(child))):
        named = ", ".join(shared)
        faults.append(f"kind: transductive transfer has no labels of {named}; train holds some")
    if recipe.wide and recipe.wide.alone and "random-parent" in recipe.controls.arms:
        faults.append(
            "controls.arms: where the wide part alone counts, random-parent is the graft over "
            'again; compare it with ["tfidf"]'
        )
    # A column may hold the language: then only the rows tell, and nothing is known yet.
    told = all(source.language for source in [*recipe.train, *recipe.test])
    if result.kind == "inductive" and told and not trained & set(child):
        named = ", ".join(child)
        faults.append(
            f"kind: inductive transfer has labels of {named}, and train holds none: add some, or "
            'say kind = "transductive"'
        )
    _refuse(recipe.name, result, [*faults, *_moments_fit(recipe)])
    return result


def _new(spoken: Iterable[str], known: Sequence[str]) -> tuple[str, ...]:
    """Languages that the parent does not name; all, where it names none."""
    return tuple(sorted(set(spoken) - (set(known) or {"en"})))


def _moved(rehearsal: bool) -> tuple[Moved, ...]:
    return ("parameters", "instances") if rehearsal else ("parameters",)


def _told(sources: Sequence[Labelled]) -> set[str]:
    return {source.language for source in sources if source.language}


def _moves_fit(recipe: GraftRecipe, moves: tuple[Moved, ...]) -> Iterator[str]:
    if "instances" in moves and not recipe.rehearsal:
        yield "moves: instances are the parent's sentences: give some as [[rehearsal]]"
    if "instances" not in moves and recipe.rehearsal:
        yield 'moves: [[rehearsal]] moves instances too: add "instances", or leave it out'
    if "parameters" not in moves and recipe.adaptation != Adaptation():
        yield "adaptation: no parameters move, so there are none to hold on to; leave it out"
    if "parameters" not in moves and "random-parent" in recipe.controls.arms:
        yield (
            "controls.arms: where no parameters move the graft itself begins with random weights, "
            "and random-parent is the same; compare it with scratch"
        )
    if recipe.rehearse == "parent":
        if not recipe.rehearsal:
            yield "rehearse: the parent is asked about [[rehearsal]], and there is none"
        if recipe.vocabulary.method == "replace":
            yield "rehearse: under new pieces the parent predicts nothing; rehearse references"
        if "parameters" not in moves:
            yield "rehearse: no parameters move, so there is no parent to hold on to"
    if recipe.interpolation and "parameters" not in moves:
        yield "interpolation: no parameters move, so there are none to go back to; leave it out"
    if recipe.interpolation and not recipe.parent_dev:
        yield "interpolation: dev text of the parent tells how far to go back: add [[parent_dev]]"
    if recipe.selection and not recipe.rehearsal:
        yield "selection: it chooses among [[rehearsal]], and there is none"


def _pairs_fit(recipe: GraftRecipe, result: TypedTransfer) -> Iterator[str]:
    child, named = set(result.child), ", ".join(result.child) or "none"
    labelled = [pairs.name for pairs in recipe.train if child & _sides(pairs)]
    own = {text.language for text in recipe.monolingual} & child
    stages = {stage.method for stage in recipe.stages}
    if result.kind == "inductive" and not labelled:
        yield (
            f"kind: inductive transfer has pairs of the child ({named}), and train holds none: add "
            "some, or say transductive or unsupervised"
        )
    if result.kind != "inductive":
        if labelled:
            yield (
                f"kind: {result.kind} transfer has no pairs of the child ({named}); train holds "
                f"{', '.join(labelled)}: say inductive, or leave them out"
            )
        if not own:
            yield f"kind: {result.kind} transfer needs [[monolingual]] text of the child ({named})"
    if result.kind == "transductive" and not (labelled or recipe.train or recipe.rehearsal):
        yield "kind: transductive transfer has pairs of the parent's languages in train"
    if result.kind == "unsupervised":
        if recipe.train and not labelled:
            yield "kind: unsupervised transfer has no pairs at all; leave train out"
        if not stages & {"denoise", "iterate"}:
            yield "stages: unsupervised transfer learns by denoise and iterate; add them"


def _stages_fit(recipe: GraftRecipe) -> Iterator[str]:
    texts = {text.language for text in recipe.monolingual}
    into = {code for pairs in recipe.train for code in _targets(pairs)}
    for number, stage in enumerate(recipe.stages, start=1):
        at = f"stages, {number}: {stage.method}"
        if stage.method in _OF_CLASSIFIERS:
            yield f"{at} belongs to a classifier; leave it out"
        elif stage.method in _READS_TEXT and not texts:
            yield f"{at} needs [[monolingual]] text, and there is none"
        elif stage.method == "back-translate" and not into & texts:
            yield (
                f"{at} needs pairs into a language of [[monolingual]] ({', '.join(sorted(texts))}),"
                " and train has none; without pairs there is iterate"
            )
        elif stage.method == "iterate" and len(texts) != 2:
            yield f"{at} needs [[monolingual]] text of two languages, and there is {len(texts)}"


def _targets(pairs: Pairs) -> set[str]:
    return _sides(pairs) if pairs.both_directions else {pairs.target}


def _moments_fit(recipe: GraftRecipe | ClassifyRecipe) -> Iterator[str]:
    """The parent's moments are those of its last step: nothing may have trained since."""
    trained = False
    for stage in recipe.stages:
        if trained and stage.adaptation.optimizer == "keep":
            yield f"stages: {stage.method} {_LATE_MOMENTS}"
        trained = trained or stage.training is not None
    if trained and recipe.adaptation.optimizer == "keep":
        yield f"adaptation: it {_LATE_MOMENTS}"


def _sides(pairs: Pairs) -> set[str]:
    return {pairs.source, pairs.target}


def _refuse(name: str, result: TypedTransfer, faults: Sequence[str]) -> None:
    if faults:
        listed = "".join(f"\n  - {fault}" for fault in faults)
        raise RecipeError(f"{name}: the data does not fit {result.kind} transfer:{listed}")
