"""Did it help: every arm on every test set, and what the parent lost of its own."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from lingraft.training.report import words
from lingraft.training.report.blocks import (
    Block,
    Cell,
    Exhibit,
    Figure,
    Missing,
    Section,
    Table,
    Text,
)
from lingraft.training.report.figures import plots
from lingraft.training.report.schema import ArmScores, Document, Result

_ROLES = {
    "graft": "the parent, trained on for the new language",
    "control": "the same model without a parent",
    "scratch": "the same model without a parent",
    "random-parent": "a parent of random weights, same size",
    "random-rows": "as the graft, but new pieces begin with random numbers",
    "shuffled-parent": "a parent trained on text whose two sides do not belong together",
    "tfidf": "no network: character counts and a straight line",
    "parent": "the parent as it was, never shown the new language",
}


def results(report: Document) -> Section | Missing:
    """All arms by test set, with their spread and what the gap is worth."""
    title = "Did it help?"
    found = report.get("results") or []
    if not found:
        return Missing(title, "The arms were not scored on test text.")
    names = words.test_sets(found)
    exhibits = [_overview(found), _comparison(found), *map(_table, names, found)]
    return Section("results", title, "Scores", exhibits)


def _overview(found: list[Result]) -> Exhibit:
    labels = words.test_sets(found)
    present = list(dict.fromkeys(arm["name"] for result in found for arm in result["arms"]))
    roles = [words.cells(words.arm_cell(arm), _ROLES.get(arm, "–")) for arm in present]
    caption = (
        "Each shape is an arm's mean score; the thin strokes beside it are its single runs. "
        "Further right is better."
    )
    blocks: list[Block] = []
    for metric in dict.fromkeys(result["metric"] for result in found):
        rows = [i for i, result in enumerate(found) if result["metric"] == metric]
        svg = plots.arms(f"arms-{metric}", [found[i] for i in rows], [labels[i] for i in rows])
        blocks.append(Figure(svg, caption))
    blocks.append(Table(("arm", "what it is"), roles))
    return Exhibit(
        "All that was tried, side by side",
        blocks,
        "The graft is compared with every cheaper way to the same end. A random or a shuffled "
        "parent that helps as much as the real one would mean that no knowledge came over.",
        "Look whether the graft's strokes lie clear of all others. Where they overlap, the order "
        "may change with the next run.",
    )


def _comparison(found: list[Result]) -> Exhibit:
    rows = []
    for result in found:
        decimals = words.digits(result["metric"])
        p = result.get("p_holm", result.get("p"))
        rows.append(
            words.cells(
                words.direction(result.get("direction") or result.get("language") or "all text"),
                words.claim_cell(result.get("gain"), decimals),
                words.p_value(p),
                words.arm(result.get("baseline", "")) or "–",
                result.get("test_set", "–"),
                words.optional(result.get("sentences"), 0),
            )
        )
    columns = ("", "gain, 95% interval", "p (Holm)", "best alternative", "test text", "sentences")
    corrected = any("p_holm" in result for result in found)
    note = "p is corrected for the number of rows (Holm 1979). " if corrected else ""
    return Exhibit(
        "The gain over the best alternative",
        [Table(columns, rows)],
        "The interval holds the true gain in 95 of 100 such experiments. If it reaches across "
        f"zero, chance alone explains the difference. {note}p is how often chance would make "
        "as large a gap; below 0.05 is the custom.",
        "Claim a gain only for rows that show one. For the others, test on more sentences.",
    )


def _table(name: str, result: Result) -> Exhibit:
    arms, decimals = result["arms"], words.digits(result["metric"])
    seeds = max((len(arm["scores"]) for arm in arms), default=1)
    others = list(dict.fromkeys(name for arm in arms for name in arm.get("others", {})))
    tested = any("gain" in arm or "p" in arm or "p_holm" in arm for arm in arms)
    columns = ["arm", *(f"run\u00a0{i + 1}" for i in range(seeds))]
    columns += ["mean", "s.d."] if seeds > 1 else []
    columns += others
    columns += ["graft's gain over it", "p (Holm)"] if tested else []
    rows = [_row(arm, seeds, others, decimals, tested=tested) for arm in arms]
    means, do = _spread_says(result, seeds, decimals)
    signatures = " · ".join(result.get("signatures", {}).values())
    return Exhibit(f"{name}, {result['metric']}", [Table(columns, rows, signatures)], means, do)


def _row(
    arm: ArmScores, seeds: int, others: list[str], decimals: int, *, tested: bool
) -> list[Cell]:
    scores: list[Text] = [words.number(score, decimals) for score in arm["scores"]]
    row: list[Text | Cell] = [words.arm_cell(arm["name"]), *scores]
    row += [words.DASH] * (seeds - len(scores))
    if seeds > 1:
        mean = words.number(arm["mean"], decimals)
        row += [Cell(mean, number=True, strong=True), words.optional(arm.get("sd"), decimals + 1)]
    values = arm.get("others", {})
    row += [words.optional(values.get(name), words.digits(name)) for name in others]
    if tested:
        p = arm.get("p_holm", arm.get("p"))
        row += [words.claim_cell(arm.get("gain"), decimals), words.p_value(p)]
    return words.cells(*row)


def _spread_says(result: Result, seeds: int, decimals: int) -> tuple[Text, Text]:
    scale = (
        "Scores run from 0 to 100."
        if words.digits(result["metric"]) == 1
        else "Scores run from 0 to 1."
    )
    means: Text = (
        f"{scale} Each run starts from other random numbers; the s.d. is how far runs lie apart "
        "by luck alone."
    )
    if seeds < 2:
        means = f"{scale} One run only: how far luck moves the score was not measured."
        return means, "Repeat with at least three seeds before you publish the figure."
    needed = result.get("seeds_needed")
    if not needed:
        return means, "A gap smaller than the s.d. is not worth a decision."
    enough = needed["seeds"] <= seeds
    do = words.join(
        "To show a difference of ",
        words.number(needed["effect"], decimals),
        " by the runs alone, one would need ",
        words.number(needed["seeds"], 0),
        f" seeds of each arm; there were {seeds}. ",
        "That is enough." if enough else "Run more if you need to see so small a difference.",
    )
    return means, do


def retention(report: Document) -> Section | Missing:
    """The parent's own directions, before and after."""
    title = "What did the parent forget?"
    found = report.get("forgetting") or []
    if not found:
        return Missing(title, "The parent's own languages were not tested again after the graft.")
    rows = [_retained(each) for each in found]
    lost = [f for f in found if f["change"] < 0]
    worst = min(found, key=lambda f: f["change"])
    do: Text = "Nothing was lost in these directions; the graft can take the parent's place there."
    if lost:
        do = words.join(
            f"Most was lost in {words.direction(worst['direction'])}: ",
            words.number(worst["change"], 1, sign=True),
            ". If people use that direction, keep serving the parent for it, or mix some of its "
            "old text into the training.",
        )
    table = Table(("direction", "test text", "before", "after", "change"), rows)
    means: Text = (
        "A model that learns something new may lose what it knew. These are the scores of the "
        "directions that the parent could do before."
    )
    if (share := report.get("interpolation", {}).get("share", 1.0)) < 1:
        means = words.join(
            f"{means} Only ",
            words.number(100 * share, 0),
            "% of what training changed is kept in the weights, so that less is forgotten; dev "
            "text of these directions has chosen the share.",
        )
    exhibit = Exhibit("The parent's own languages, before and after", [table], means, do)
    return Section("retention", title, "Forgotten", [exhibit])


def _retained(f: Any) -> list[Cell]:
    change: Text | Cell = words.number(f["change"], 1, sign=True)
    if gain := f.get("gain"):
        change = words.claim_cell(gain)
    before, after = words.number(f["before"]), words.number(f["after"])
    where = Markup("").join([words.direction(f["direction"])])
    return words.cells(Cell(where), f.get("test_set", "–"), before, after, change)
