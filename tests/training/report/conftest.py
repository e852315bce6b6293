"""A report with everything in it; its figures are invented."""

from __future__ import annotations

from typing import Any

import pytest

_MODULES = (
    "shared embedding",
    *(f"encoder.{i}.{part}" for i in range(3) for part in ("attention", "ffn")),
    *(f"decoder.{i}.{part}" for i in range(2) for part in ("self", "cross", "ffn")),
)


def interval(value: float, low: float, high: float) -> dict[str, float]:
    """As gates give it."""
    return {"value": value, "low": low, "high": high}


def _arm(name: str, scores: list[float], bleu: float, gain: Any = None) -> dict[str, Any]:
    arm: dict[str, Any] = {"name": name, "scores": scores, "others": {"BLEU": bleu}}
    return (
        arm
        if gain is None
        else {**arm, "gain": gain, "p_holm": 0.0004 if gain["low"] > 0 else 0.31}
    )


def _results() -> list[dict[str, Any]]:
    yoruba = [
        _arm("graft", [31.42, 30.87, 31.9], 9.81),
        _arm("scratch", [24.1, 22.96, 23.71], 5.4, interval(7.8, 6.9, 8.7)),
        _arm("random_parent", [24.9, 25.3, 24.2], 5.9, interval(6.6, 5.6, 7.5)),
        _arm("shuffled_parent", [26.0, 26.31, 25.2], 6.3, interval(5.5, 4.7, 6.4)),
        _arm("parent", [4.21], 0.3, interval(27.2, 26.1, 28.3)),
    ]
    sindhi = [
        _arm("graft", [18.2, 17.1, 18.8], 3.1),
        _arm("scratch", [17.6, 17.95, 17.3], 2.9, interval(0.42, -0.38, 1.21)),
        _arm("random_parent", [16.9, 17.4, 17.2], 2.8, interval(0.87, -0.11, 1.7)),
        _arm("shuffled_parent", [17.1, 16.8, 17.0], 2.7, interval(1.1, 0.2, 1.9)),
        _arm("parent", [1.3], 0.0, interval(16.7, 15.9, 17.4)),
    ]
    common = {"metric": "chrF++", "effect": 1.0}
    signatures = {"chrF++": "nrefs:1|case:mixed|eff:yes|nc:6|nw:2|space:no|version:2.6.0"}
    return [
        {
            **common,
            "direction": "en-yo",
            "test_set": "stories",
            "sentences": 1200,
            "arms": yoruba,
            "baseline": "shuffled_parent",
            "gain": interval(5.5, 4.7, 6.4),
            "p_holm": 0.0004,
            "signatures": signatures,
        },
        {
            **common,
            "direction": "en-sd",
            "test_set": "letters",
            "sentences": 800,
            "arms": sindhi,
            "baseline": "scratch",
            "gain": interval(0.42, -0.38, 1.21),
            "p_holm": 0.31,
            "signatures": signatures,
        },
    ]


def _slices() -> list[dict[str, Any]]:
    labels = ("1 to 5 words", "6 to 10 words", "11 to 20 words", "21 to 40 words", "over 40 words")
    graft, scratch = (35.2, 33.9, 31.8, 28.1, 21.7), (27.4, 26.0, 23.9, 19.2, 12.3)
    fault = {"sentences": 1200, "false_alarms": 0.0083, "length_ratio": 0.97}
    return [
        {
            "direction": "en-yo",
            "metric": "chrF++",
            "lengths": [
                {"label": label, "sentences": 240 - 10 * i, "scores": {"graft": g, "scratch": s}}
                for i, (label, g, s) in enumerate(zip(labels, graft, scratch, strict=True))
            ],
            "sources": [
                {
                    "label": "village stories",
                    "sentences": 700,
                    "scores": {"graft": 33.0, "scratch": 24.9},
                },
                {
                    "label": "market prices",
                    "sentences": 500,
                    "scores": {"graft": 28.7, "scratch": 22.2},
                },
            ],
            "rates": {
                "graft": {
                    **fault,
                    "copied": 0.0125,
                    "wrong_language": 0.0308,
                    "looping": 0.0042,
                    "empty": 0.0,
                },
                "scratch": {
                    **fault,
                    "copied": 0.0017,
                    "wrong_language": None,
                    "looping": 0.0892,
                    "empty": 0.0008,
                },
            },
        }
    ]


def _explanation() -> dict[str, Any]:
    return {
        "layers": [
            {
                "module": module,
                "cka": round(0.98 - 0.05 * i, 3),
                "distance": round(1.2 + 0.4 * i, 3),
                "relative_distance": round(0.05 + 0.02 * i, 3),
                "rewound": round(3.31 + 0.02 * i, 3),
                "reinitialised": round(5.9 - 0.17 * i, 3),
            }
            for i, module in enumerate(_MODULES)
        ],
        "barrier": {
            "points": [0, 0.25, 0.5, 0.75, 1],
            "losses": [5.2, 4.4, 3.9, 3.5, 3.3],
            "height": 0.0,
        },
        "shuffled": [
            {"block": block, "graft": graft, "control": control}
            for block, graft, control in (
                (1, 12.1, 11.6),
                (2, 15.9, 13.8),
                (4, 20.2, 16.4),
                (8, 25.5, 19.9),
            )
        ],
        "checkpoints": {
            "steps": [500, 1000, 2000, 4000, 8000, 16000],
            "graft": [interval(v, v - 0.7, v + 0.7) for v in (25.1, 27.4, 29.3, 31.0, 31.3, 31.4)],
            "earliest": 4000,
            "hours_saved": 5.25,
        },
        "economy": {
            "shares": [0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1],
            "sizes": [160, 320, 800, 1600, 4000, 8000, 16000],
            "graft": [
                interval(v, v - 0.8, v + 0.8) for v in (14.0, 17.5, 21.4, 24.6, 27.8, 29.9, 31.4)
            ],
            "control": [
                interval(v, v - 0.9, v + 0.9) for v in (3.0, 5.1, 8.8, 12.4, 17.6, 21.1, 23.6)
            ],
            "times": interval(12.4, 9.8, 16.1),
            "sentence": "from scratch needs 12 times the data (95% interval 10 to 16)",
            "seconds": [41, 77, 160, 300, 610, 1190, 2400],
            "kwh": [0.0006, 0.001, 0.0022, 0.0042, 0.0085, 0.0165, 0.0333],
        },
    }


def _calibration() -> list[dict[str, Any]]:
    bins = [
        {"confidence": c, "accuracy": a, "count": n}
        for c, a, n in (
            (0.15, 0.12, 80),
            (0.35, 0.37, 120),
            (0.55, 0.51, 210),
            (0.75, 0.78, 260),
            (0.93, 0.9, 330),
        )
    ]
    scores = {"ece_before": 0.143, "ece_after": 0.031, "brier_before": 0.221, "brier_after": 0.187}
    return [
        {
            "language": "yo",
            "method": "temperature",
            "size": 1000,
            "calibrated": True,
            "bins": bins,
            **scores,
        },
        {
            "language": "sw",
            "method": "vector",
            "size": 420,
            "calibrated": True,
            "bins": bins,
            **scores,
            "ece_after": 0.074,
        },
        {
            "language": "haw",
            "size": 60,
            "calibrated": False,
            "ece_before": 0.19,
            "brier_before": 0.25,
        },
    ]


def _examples() -> list[dict[str, Any]]:
    return [
        {
            "kind": "worst",
            "direction": "en-sd",
            "score": 7.3,
            "source": "The boat left before the rain came.",
            "reference": "مينهن اچڻ کان اڳ ٻيڙي هلي وئي.",
            "graft": "ٻيڙي مينهن ۾ مينهن ۾ مينهن ۾",
            "scratch": "",
        },
        {
            "kind": "best",
            "direction": "en-yo",
            "score": 71.6,
            "source": "My mother sells yams & <beans> at the market.",
            "reference": "Ìyá mi ń ta iṣu àti ẹ̀wà ní ọjà.",
            "graft": "Ìyá mi ń ta iṣu àti ẹ̀wà ní ọjà náà.",
            "scratch": "Ìyá mi wà ní ọjà.",
        },
    ]


def _helpful() -> list[dict[str, Any]]:
    return [
        {
            "direction": "en-fr",
            "score": 3.21,
            "source": "She carries water home.",
            "target": "Elle porte l'eau à la maison.",
        },
        {
            "direction": "en-fr",
            "score": 2.98,
            "source": "The goat ate the maize.",
            "target": "La chèvre a mangé le maïs.",
        },
    ]


@pytest.fixture
def full_report() -> dict[str, Any]:
    """Every section."""
    return {
        "name": "en-yo-sd",
        "task": "translation",
        "verdict": "PASS",
        "reason": "the gain of +2.96 [+2.21, +3.70] lies above zero",
        "gain": interval(2.96, 2.21, 3.7),
        "parent": {
            "name": "parent-xs",
            "sha256": "3f" * 32,
            "languages": ["en", "fr", "de"],
            "licence": "CC-BY-4.0",
        },
        "training_rows": 16714,
        "test_openings": 1,
        "results": _results(),
        "arms": {
            "graft": {
                "chosen": {"learning_rate": 3e-4, "dropout": 0.1},
                "grid": [1, 2, 3],
                "steps": 4000,
                "best_step": 3200,
            },
            "scratch": {
                "chosen": {"learning_rate": 7e-4, "dropout": 0.3},
                "grid": [1, 2, 3],
                "steps": 4000,
                "best_step": 4000,
            },
        },
        "transfer": {
            "kind": "inductive",
            "moves": ["parameters", "instances"],
            "stages": [
                {
                    "name": "warm",
                    "method": "head only",
                    "steps": 400,
                    "learning_rate": 1e-3,
                    "frozen": ["model.encoder.*"],
                    "optimiser": "reset",
                    "data": ["stories en-yo"],
                },
                {
                    "name": "whole",
                    "method": "full",
                    "steps": 3600,
                    "learning_rate": 3e-4,
                    "frozen": [],
                    "optimiser": "kept",
                    "data": ["stories en-yo", "letters en-sd", "en-fr, one in three"],
                },
            ],
            "vocabulary": {
                "method": "extend",
                "initialisation": "matching",
                "pieces": 8200,
                "new_pieces": 200,
                "coverage": {"yo": 0.912, "sd": 0.383},
                "fertility": {"yo": 1.61, "sd": 2.94},
            },
        },
        "slices": _slices(),
        "forgetting": [
            {"test_set": "parent dev", "direction": "en-fr", "before": 41.2, "after": 40.7},
            {"test_set": "parent dev", "direction": "fr-en", "before": 42.9, "after": 43.0},
        ],
        "explanation": _explanation(),
        "calibration": _calibration(),
        "contamination": {
            "dropped": 48,
            "exact": 32,
            "near": 16,
            "files": [{"train": "stories en-yo", "test": "stories test", "exact": 32, "near": 16}],
        },
        "instances": {
            "method": "cross-entropy difference",
            "kept": 40000,
            "of": 300000,
            "helpful": _helpful(),
            "harmful": [
                {
                    "direction": "en-fr",
                    "score": -4.4,
                    "source": "§ 12 (3) a",
                    "target": "§ 12 (3) a",
                }
            ],
        },
        "cost": {
            "arms": [
                {
                    "name": "graft",
                    "runs": 3,
                    "seconds": 7320.0,
                    "target_tokens": 12345678,
                    "kwh": 0.102,
                },
                {
                    "name": "scratch",
                    "runs": 3,
                    "seconds": 9105.0,
                    "target_tokens": 15345678,
                    "kwh": 0.126,
                },
            ],
            "seconds": 16425.0,
            "target_tokens": 27691356,
            "kwh": 0.228,
            "watts": 50.0,
            "device": "2 processor cores",
        },
        "examples": _examples(),
        "provenance": {
            "data": [
                {
                    "name": "stories en-yo",
                    "licence": "CC-BY-NC-4.0",
                    "rows": 10070,
                    "use": "training",
                },
                {
                    "name": "letters en-sd",
                    "licence": "CC-BY-SA-4.0",
                    "rows": 6644,
                    "use": "training",
                },
            ],
            "licence": "CC-BY-NC-4.0",
            "versions": {"lingraft": "0.3.0", "torch": "2.13.0"},
            "seeds": [1, 2, 3],
            "identity": "a1" * 32,
            "tests": [{"name": "stories test", "sha256": "b2" * 32}],
        },
    }
