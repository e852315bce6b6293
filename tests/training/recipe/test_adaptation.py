"""Settings of parameter transfer: what contradicts itself is told, all at once."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from lingraft.training.recipe.adaptation import Adaptation, Lora


def _faults(**settings: Any) -> dict[str, str]:
    with pytest.raises(ValidationError) as caught:
        Adaptation.model_validate(settings)
    return {str(fault["loc"][0]): fault["msg"] for fault in caught.value.errors()}


def test_nothing_said_is_everything_trained() -> None:
    """Plain fine-tuning with a fresh optimizer, as before there was a choice."""
    plain = Adaptation()
    assert (plain.method, plain.layer_decay, plain.optimizer) == ("full", 1.0, "reset")
    assert (plain.frozen, plain.unfreeze_every, plain.lora) == ([], None, None)


def test_settings_of_another_method_are_faults_told_together() -> None:
    """A table or key that would do nothing is never passed over."""
    faults = _faults(method="full", frozen=["*"], unfreeze_every=5, lora={"rank": 4})
    assert faults.keys() == {"frozen", "unfreeze_every", "lora"}
    assert 'method "full" freezes nothing by name' in faults["frozen"]
    assert 'belongs to method "gradual", not "full"' in faults["unfreeze_every"]
    assert 'belongs to method "lora", not "full"' in faults["lora"]


def test_what_a_method_needs_must_be_there() -> None:
    """Patterns of what is frozen, steps between layers."""
    assert "needs patterns" in _faults(method="frozen")["frozen"]
    assert "steps until one more" in _faults(method="gradual")["unfreeze_every"]


def test_lora_neither_pulls_nor_keeps_moments() -> None:
    """Its frozen weights cannot leave the parent's, and its adapters are new."""
    faults = _faults(method="lora", l2_sp=0.1, l2_new=0.1, optimizer="keep")
    assert faults.keys() == {"l2_sp", "l2_new", "optimizer"}


def test_lora_has_defaults() -> None:
    """The table may be left out, and other methods have none."""
    assert Adaptation(method="lora").lora == Lora()
    assert Adaptation.model_validate({"method": "lora", "lora": {"rank": 2}}).lora == Lora(rank=2)


def test_bounds_are_kept() -> None:
    """Of rates, strengths and ranks; unknown names are told."""
    faults = _faults(method="half", layer_decay=0.0, l2_sp=-1.0, lora={"rank": 0}, unfreeze_every=0)
    assert faults.keys() == {"method", "layer_decay", "l2_sp", "lora", "unfreeze_every"}


def test_gradual_may_freeze_some_for_good() -> None:
    """The two go together."""
    both = Adaptation(method="gradual", unfreeze_every=3, frozen=["*.shared.*"])
    assert both.frozen == ["*.shared.*"]
