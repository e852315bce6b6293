"""From a measured journey to the report's tables: origin, cost, strengths and faults."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from lingraft.training import classify as classification
from lingraft.training import graft as translation
from lingraft.training.data.corpora import Row
from lingraft.training.data.licences import strictest
from lingraft.training.measure.languages import Languages
from lingraft.training.measure.slices import by_length, rates, worst_and_best
from lingraft.training.recipe.recipes import GraftRecipe, Pairs

_PACKAGES = ("lingraft", "torch", "transformers", "sacrebleu", "scikit-learn", "numpy")
_ARMS = ("graft", "control")  # whose faults are counted

Graft = translation.Graft | classification.Graft


def versions() -> dict[str, str]:
    """Of Python and of the packages that scores depend on."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # run from a checkout
            continue
    return found


def provenance_of(graft: Graft) -> dict[str, Any]:
    """As `schema.Provenance`."""
    recipe = graft.recipe
    rehearsal = recipe.rehearsal if isinstance(recipe, GraftRecipe) else []
    parts = ((recipe.train, "training"), (rehearsal, "rehearsal"))
    data = [
        {"name": source.name, "licence": source.licence, "use": use}
        for sources, use in parts
        for source in sources
    ]
    licences = [recipe.licence, graft.parent.licence, *(str(each["licence"]) for each in data)]
    return {
        "data": data,
        "licence": strictest(licences),
        "versions": versions(),
        "seeds": [recipe.seed],
    }


def cost_of(graft: Graft) -> dict[str, Any]:
    """As `schema.Cost`; energy is left out, as no power is known."""
    arms = [
        {
            "name": arm.name,
            "runs": 1,
            "seconds": round(arm.state.seconds, 1),
            "target_tokens": arm.state.tokens,
        }
        for arm in (graft.graft, graft.control)
    ]
    return {
        "arms": arms,
        "seconds": round(sum(arm.state.seconds for arm in (graft.graft, graft.control)), 1),
        "target_tokens": sum(arm.state.tokens for arm in (graft.graft, graft.control)),
    }


def slices_of(graft: translation.Graft) -> list[dict[str, Any]]:
    """As `schema.Slices`, one per test set."""
    languages = Languages(_texts(graft))
    found = []
    for i, test in enumerate(graft.test.tests):
        outputs = {arm: graft.test.outputs[arm][i] for arm in _ARMS}
        faults = {
            arm: rates(test.sources, texts, test.references, test.target_language, languages)
            for arm, texts in outputs.items()
        }
        found.append(
            {
                "direction": test.direction,
                "metric": "chrF++",
                "lengths": [each.as_dict() for each in by_length(outputs, test.references)],
                "rates": {arm: rate.as_dict() for arm, rate in faults.items()},
            }
        )
    return found


def _texts(graft: translation.Graft) -> dict[str, list[str]]:
    """All text at hand by language, to tell languages apart by."""
    texts: dict[str, list[str]] = {}
    recipe, data = graft.recipe, graft.data
    parts: Sequence[tuple[Pairs, Sequence[Row]]] = [
        *zip(recipe.train, data.train, strict=True),
        *zip(recipe.rehearsal, data.rehearsal, strict=True),
    ]
    for pairs, rows in parts:
        texts.setdefault(pairs.source, []).extend(row[0] for row in rows)
        texts.setdefault(pairs.target, []).extend(row[1] for row in rows)
    for test in (*data.select, *data.decide, *graft.test.tests):
        texts.setdefault(test.source_language, []).extend(test.sources)
        texts.setdefault(test.target_language, []).extend(test.references)
    return texts


def side_by_side(
    direction: str,
    sources: Sequence[str],
    references: Sequence[str],
    outputs: dict[str, Sequence[str]],
    count: int,
) -> list[dict[str, Any]]:
    """The graft's `count` worst and best sentences with every arm's, as `Document.examples`.

    Args:
        outputs: by arm, "graft" among them.
    """
    worst, best = worst_and_best(outputs["graft"], references, count)
    return [
        {
            "kind": kind,
            "direction": direction,
            "score": score,
            "source": sources[i],
            "reference": references[i],
            **{arm: texts[i] for arm, texts in outputs.items()},
        }
        for kind, chosen in (("worst", worst), ("best", best))
        for i, score in chosen
    ]
