"""Settings of the explanation: sound as they come, and faulty ones refused with their reason."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from lingraft.training.recipe.explanation import CheckpointScan, Economy, Explanation


def test_as_it_comes_it_trains_nothing() -> None:
    """The scan and the curve train for hours: they are asked for by name."""
    settings = Explanation()
    assert (settings.checkpoints, settings.economy) == (None, None)
    assert settings.blocks == [1, 2, 4, 8]
    assert Explanation.model_validate({"economy": {}}).economy == Economy()


@pytest.mark.parametrize(
    ("kind", "faulty", "reason"),
    [
        (Economy, {"shares": [10, 5]}, "must rise"),
        (Economy, {"shares": [50, 200]}, "less than or equal to 100"),
        (Economy, {"shares": [100]}, "at least 2"),
        (CheckpointScan, {"margin": 0}, "greater than 0"),
        (CheckpointScan, {"checkpoints": 1}, "greater than or equal to 2"),
        (Explanation, {"blocks": [1, 2, 2]}, "twice"),
        (Explanation, {"barrier_points": 2}, "greater than or equal to 3"),
        (Explanation, {"granularity": "weight"}, "'module' or 'layer'"),
    ],
)
def test_faulty_settings_are_refused(kind: Any, faulty: dict[str, Any], reason: str) -> None:
    """Each with what is wrong."""
    with pytest.raises(ValidationError, match=reason):
        kind.model_validate(faulty)
