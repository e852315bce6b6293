"""The report as data: what `report.json` holds and what the page is drawn from.

Every key but `name`, `verdict` and `reason` may be missing: what was not measured is left out, and
the page says so in one line. Other rooms put their results in as plain dicts (their `as_dict()`).
Scores are in points of `metric`; rates and shares are 0 to 1; times are seconds; energy is kWh;
losses are nats per target piece. `complete` adds what follows from the rest (mean, s.d., change),
so that each figure of the page stands in the twin.
"""

from __future__ import annotations

import math
from statistics import fmean, stdev
from typing import Any, Literal, Required, TypedDict, cast

from lingraft.training.gate.significance import seeds_needed

VERSION = 1


class Interval(TypedDict):
    """A figure with its 95% interval."""

    value: float
    low: float
    high: float


class ArmScores(TypedDict, total=False):
    """One arm on one test set."""

    name: Required[str]  # graft, scratch, random-parent, shuffled-parent, tfidf, parent
    scores: Required[list[float]]  # one per seed
    mean: float
    sd: float | None  # None for one seed
    gain: Interval  # of the graft over this arm
    p: float
    p_holm: float
    others: dict[str, float]  # further metrics by name, means over seeds


class SeedsNeeded(TypedDict):
    """How many seeds of each arm would show `effect` with a power of 80% at the 5% level."""

    effect: float
    sd: float
    seeds: int


class Result(TypedDict, total=False):
    """All arms on one test set."""

    direction: str  # "en-yo", for translation
    language: str  # for classification
    test_set: str
    sentences: int
    metric: Required[str]
    arms: Required[list[ArmScores]]
    baseline: str  # the arm that the gain is over: the better of the controls and the parent
    gain: Interval
    p: float
    p_holm: float
    effect: float  # the wanted effect, in points of the metric
    seeds_needed: SeedsNeeded
    signatures: dict[str, str]


class Pursuit(TypedDict):
    """How far a trained control lay behind on the selecting half of dev, and how it still rose."""

    arm: str
    gap: float  # points of the metric that it lay behind at the end
    again: float  # points that as many steps again would add at the pace of its last third
    catches_up: bool  # whether as many steps again would bring it to where the graft is


class Stage(TypedDict, total=False):
    """One stage of training."""

    name: Required[str]
    method: str
    steps: int
    learning_rate: float
    frozen: list[str]  # patterns of parameter names
    optimiser: Literal["kept", "reset"]
    data: list[str]


class VocabularyPreview(TypedDict, total=False):
    """What the parent's vocabulary makes of the child's text, seen before training."""

    method: str  # keep, extend, replace
    initialisation: str  # random, matching, aligned
    pieces: int
    new_pieces: int
    coverage: dict[str, float]  # by language: share of child pieces that have a parent row
    fertility: dict[str, float]  # by language: pieces per word
    fertility_before: dict[str, float]  # with the parent's own pieces


class Transfer(TypedDict, total=False):
    """What kind of transfer it is and what moves."""

    kind: Literal["inductive", "transductive", "unsupervised"]
    moves: list[str]  # parameters, instances
    stages: list[Stage]
    vocabulary: VocabularyPreview


class ScoreSlice(TypedDict, total=False):
    """Scores of the arms on a part of a test set."""

    label: Required[str]
    sentences: int
    scores: Required[dict[str, float]]  # by arm


class Slices(TypedDict, total=False):
    """Parts and faults of one test set; see `measure/slices.py` for the definitions."""

    direction: str
    language: str
    test_set: str
    metric: str
    lengths: list[ScoreSlice]
    sources: list[ScoreSlice]
    # By arm: sentences, copied, looping, empty, wrong_language, false_alarms, length_ratio.
    rates: dict[str, dict[str, float | None]]


class Forgetting(TypedDict, total=False):
    """One of the parent's own directions, before and after the graft."""

    test_set: str
    direction: Required[str]
    before: Required[float]
    after: Required[float]
    change: float
    gain: Interval  # after less before


class Bin(TypedDict):
    """Answers of like confidence."""

    confidence: float
    accuracy: float
    count: int


class Calibration(TypedDict, total=False):
    """Whether confidence can be believed, by language."""

    language: Required[str]
    calibrated: bool
    method: str
    size: int
    ece_before: float
    ece_after: float
    ece_by_chance: float  # 95th percentile, were the probabilities exactly right
    ece_on_test: float | None  # of the probabilities as they are served
    brier_before: float
    brier_after: float
    bins: list[Bin]
    bins_before: list[Bin]
    reason: str  # why this method, or none


class Contamination(TypedDict, total=False):
    """Training rows that stand in dev or test."""

    dropped: int
    exact: int
    near: int
    files: list[dict[str, Any]]  # train, test, exact, near


class Instances(TypedDict, total=False):
    """Parent sentences chosen for the child."""

    method: str
    kept: int
    of: int
    helpful: list[dict[str, Any]]  # source, target (or text), score, language
    harmful: list[dict[str, Any]]


class Cost(TypedDict, total=False):
    """What training took."""

    arms: list[dict[str, Any]]  # name, runs, seconds, target_tokens, kwh
    seconds: float
    target_tokens: int
    kwh: float
    watts: float  # that the energy was reckoned with
    device: str


class Provenance(TypedDict, total=False):
    """What the graft is made of."""

    data: list[dict[str, Any]]  # name, licence, rows, use, sha256
    licence: str  # the strictest that follows
    versions: dict[str, str]
    seeds: list[int]
    identity: str  # hash over recipe and data
    tests: list[dict[str, Any]]  # name, sha256


class Document(TypedDict, total=False):
    """The whole report."""

    version: int
    name: Required[str]
    task: Literal["translation", "classification"]
    verdict: Required[str]
    reason: Required[str]
    gain: Interval  # mean over test sets, over the better of the controls and the parent
    pursuits: list[Pursuit]
    parent: dict[str, Any]  # name, sha256, languages, licence
    training_rows: int
    rows_dropped_for_overlap: int
    labels: list[str]
    wide: dict[str, Any]  # of a classifier: alone, orders, buckets, weights, chosen, grid
    test_openings: int
    results: list[Result]
    arms: dict[str, Any]  # by arm: what was chosen, steps, target_tokens, seconds
    transfer: Transfer
    slices: list[Slices]
    forgetting: list[Forgetting]
    interpolation: dict[str, Any]  # share of the trained weights; tried: share, direction, lost
    explanation: dict[str, Any]  # layers, barrier, shuffled, checkpoints, economy
    calibration: list[Calibration]
    contamination: Contamination
    instances: Instances
    cost: Cost
    # direction, source, reference and a translation per arm; or text, label and a label per arm;
    # `kind` (best, worst) and `score` where they were chosen by score.
    examples: list[dict[str, Any]]
    provenance: Provenance


def complete(report: Document | dict[str, Any]) -> Document:
    """A copy with all that follows from the rest; what is there already stays as it is."""
    done = {"version": VERSION, **_finite(dict(report))}
    if results := done.get("results"):
        done["results"] = [_completed(result) for result in results]
    if forgetting := done.get("forgetting"):
        done["forgetting"] = [
            {"change": round(f["after"] - f["before"], 4), **f}
            for f in forgetting
            if {"before", "after"} <= f.keys()
        ]
    return cast(Document, done)


def without_sentences(report: Document | dict[str, Any]) -> Document:
    """A copy that shows no sentence of any data set."""
    content: dict[str, Any] = dict(report)
    bare = {key: value for key, value in content.items() if key != "examples"}
    if "instances" in bare:
        hidden = ("helpful", "harmful")
        bare["instances"] = {k: v for k, v in bare["instances"].items() if k not in hidden}
    return cast(Document, bare)


def _finite(value: Any) -> Any:
    """Without what is None, infinite or no number: to JSON and to the page it is missing."""
    if isinstance(value, dict):
        clean = {key: kept for key, each in value.items() if (kept := _finite(each)) is not None}
        # Of an interval nothing is left when one end is missing.
        ends = {"value", "low", "high"}
        return None if ends <= value.keys() and not ends <= clean.keys() else clean
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _completed(result: Result) -> Result:
    done: Result = {**result, "arms": [_with_spread(arm) for arm in result["arms"]]}
    if "seeds_needed" not in done and (needed := _seeds_needed(done)):
        done["seeds_needed"] = needed
    return done


def _with_spread(arm: ArmScores) -> ArmScores:
    scores = arm["scores"]
    spread = stdev(scores) if len(scores) > 1 else None
    mean = round(fmean(scores), 4)
    return {"mean": mean, "sd": None if spread is None else round(spread, 4), **arm}


def _seeds_needed(result: Result) -> SeedsNeeded | None:
    """From the pooled s.d. of graft and baseline; one seed has no spread, so two at least."""
    of = ("graft", result.get("baseline", ""))
    spreads = [sd for a in result["arms"] if a["name"] in of and (sd := a.get("sd")) is not None]
    if len(spreads) < 2 or not (effect := result.get("effect")):
        return None
    pooled = math.sqrt(fmean(s * s for s in spreads))
    seeds = max(2, seeds_needed(pooled, effect))
    return {"effect": effect, "sd": round(pooled, 4), "seeds": seeds}
