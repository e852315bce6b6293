"""The scores of one candidate, each with its seconds, kept so that they are made once.

FOLDER/cheap/IDENTITY.json   all scores that need no training
FOLDER/probes/IDENTITY.json  the probe's result
FOLDER/probes/IDENTITY/      the probe's run, while it is not finished
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from safetensors import SafetensorError

from lingraft.training.errors import ParentError
from lingraft.training.models.marian import load_model
from lingraft.training.parents.find import ParentModel, find_parent
from lingraft.training.rank import probe as probing
from lingraft.training.rank.child import Child, Example
from lingraft.training.rank.coverage import Coverage, coverage_of
from lingraft.training.rank.encodings import evidence
from lingraft.training.rank.facts import Facts, facts_of
from lingraft.training.rank.scripts import known_scripts, script_match, scripts_of
from lingraft.training.recipe.identity import identity_of
from lingraft.training.recipe.ranking import Ranking

_T = TypeVar("_T")


@dataclass(frozen=True)
class Scores:
    """What is known of a candidate.

    scripts: share of the child's letters in each script; script_match: in those of the parent.
    logme_by_direction: nats per example.
    logme: their mean, over the directions that candidates are compared on (`comparable`); None
        where there is too little text.
    probe: dev's log-likelihood in nats per character (per text in classification) after the probe;
        None where none was run.
    seconds: what each score took, by name.
    """

    coverage: Coverage
    facts: Facts
    scripts: dict[str, float]
    script_match: float
    logme_by_direction: dict[str, float]
    logme: float | None
    seconds: dict[str, float]
    probe: float | None = None


@dataclass(frozen=True)
class Candidate:
    """A candidate that can be a parent."""

    location: str
    parent: ParentModel
    scores: Scores


@dataclass(frozen=True)
class Unfit:
    """A candidate that cannot be the parent of this child, and why."""

    location: str
    reason: str


@dataclass
class _Watch:
    """Times what it is given to do."""

    seconds: dict[str, float] = field(default_factory=dict)

    def __call__(self, name: str, make: Callable[[], _T]) -> _T:
        started = time.monotonic()
        made = make()
        self.seconds[name] = time.monotonic() - started
        return made


def open_parent(location: str, child: Child) -> ParentModel:
    """The parent at `location`, fit for `child`.

    Raises:
        ParentError: it cannot be, in one line.
    """
    try:
        parent = find_parent(location)
        parent.require_tags(child.tags)
    except (KeyError, OSError, TypeError, ValueError) as error:  # files that are no such files
        raise ParentError(f"parent {location!r}: its files are damaged: {error!r}") from None
    return parent


def cheap_scores(parent: ParentModel, child: Child, settings: Ranking, folder: Path) -> Scores:
    """All scores but the probe.

    Raises:
        ParentError: the weights cannot be loaded, or give figures that are no numbers.
    """
    watch = _Watch()
    facts = watch("facts", lambda: facts_of(parent.folder))  # never kept: a card may be mended
    name = _cheap_identity(parent, child, settings)
    kept = _kept(folder / "cheap" / f"{name}.json", lambda: _cheap(parent, child, settings))
    return Scores(
        coverage=Coverage(**kept["coverage"]),
        facts=facts,
        scripts=kept["scripts"],
        script_match=kept["script_match"],
        logme_by_direction=kept["logme"],
        logme=_mean(kept["logme"].values()),
        seconds={**kept["seconds"], **watch.seconds},
    )


def _cheap(parent: ParentModel, child: Child, settings: Ranking) -> dict[str, Any]:
    watch = _Watch()
    codec, limit = parent.codec, settings.vocabulary_sentences
    coverage = watch("vocabulary", lambda: coverage_of(codec, child, limit))
    shares, match = watch("script", lambda: _script(parent, child))
    value = watch("logme", lambda: _logme(parent, child, settings))
    return {
        "coverage": asdict(coverage),
        "scripts": shares,
        "script_match": match,
        "logme": value,
        "seconds": watch.seconds,
    }


def _script(parent: ParentModel, child: Child) -> tuple[dict[str, float], float]:
    shares = scripts_of(text for code in child.languages for text in child.texts[code])
    return shares, script_match(shares, known_scripts(parent.languages, parent.codec))


def _logme(parent: ParentModel, child: Child, settings: Ranking) -> dict[str, float]:
    try:
        return evidence(load_model(parent.folder), parent.codec, child, settings)
    except (ValueError, RuntimeError, SafetensorError) as error:
        reason = str(error).splitlines()[0]
        raise ParentError(f"parent {parent.name!r}: its encoder is of no use: {reason}") from None


def comparable(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Candidates with `logme` over the directions out of languages that all of them know.

    A language that a parent never saw is read through rows that were never trained, and there a
    random encoder can be ahead: our starter against random weights of its shape, 400 verses of
    each direction, had -1.205 against -1.241 nats out of English, which it knows, and -1.338
    against -1.252 out of Yoruba, which it does not. Where candidates know no language of the
    child's in common, or none states any, all directions count.
    """
    stated = [set(c.parent.languages) for c in candidates if c.parent.languages]
    common = set.intersection(*stated) if stated else set()
    return [replace(c, scores=_within(c.scores, common)) for c in candidates]


def _within(scores: Scores, known: set[str]) -> Scores:
    values = scores.logme_by_direction
    chosen = [value for name, value in values.items() if name.split("-")[0] in known]
    return replace(scores, logme=_mean(chosen or values.values()))


def _mean(values: Iterable[float]) -> float | None:
    listed = list(values)
    return sum(listed) / len(listed) if listed else None


def with_probe(
    candidate: Candidate,
    child: Child,
    dev: Sequence[Example],
    settings: Ranking,
    folder: Path,
) -> Candidate:
    """The candidate with its probe, run to the end now or before.

    Raises:
        ParentError: the probe diverged.
        DataError: no training example is short enough for this parent.
    """
    parent = candidate.parent
    name = probing.identity(child, dev, settings, parent.sha256 + _vocabulary(parent))[:16]
    run, result = folder / "probes" / name, folder / "probes" / f"{name}.json"
    value, seconds = _kept(result, lambda: probing.probe(parent, child, dev, settings, run, name))
    shutil.rmtree(run, ignore_errors=True)  # weights and optimiser: five times the model's size
    scores = candidate.scores
    timed = {**scores.seconds, "probe": float(seconds)}
    return replace(candidate, scores=replace(scores, probe=float(value), seconds=timed))


def _cheap_identity(parent: ParentModel, child: Child, settings: Ranking) -> str:
    of = settings.model_copy(update={"candidates": [], "probe_steps": 0, "learning_rate": None})
    about = (str(parent.languages), parent.sha256, _vocabulary(parent))
    return identity_of(of, child.trained_on, *about)[:16]


def _vocabulary(parent: ParentModel) -> str:
    return hashlib.sha256(parent.codec.spm.serialized_model_proto()).hexdigest()


def _kept(path: Path, make: Callable[[], Any]) -> Any:
    """What `make` gives, or what it gave before, as JSON has it."""
    if path.is_file():
        return json.loads(path.read_text(encoding="utf-8"))
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(make(), allow_nan=False)
    fresh = path.with_suffix(".new")  # a kill in the middle leaves no half of a file
    fresh.write_text(text, encoding="utf-8")
    fresh.rename(path)
    return json.loads(text)
