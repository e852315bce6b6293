"""Each way of parameter transfer through the loop: its effect, and the same after a kill."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from lingraft.training.adapt.origin import Origin
from lingraft.training.errors import CheckpointError
from lingraft.training.models.marian import TranslationLoss, digest_of, load_weights, weights_of
from lingraft.training.recipe.adaptation import Adaptation, Lora
from lingraft.training.run.arms import hastened
from lingraft.training.run.checkpoint import State
from lingraft.training.run.loop import Score

Run = Callable[..., tuple[State, TranslationLoss]]
Make = Callable[[], TranslationLoss]

METHODS = {
    "full": Adaptation(layer_decay=0.5),
    "frozen": Adaptation(method="frozen", frozen=["*.encoder.*"], layer_decay=0.5),
    "gradual": Adaptation(method="gradual", unfreeze_every=4),
    "l2-sp": Adaptation(l2_sp=0.1),
    "lora": Adaptation(method="lora", lora=Lora(rank=2, dropout=0.1, embeddings=True)),
    "kept": Adaptation(optimizer="keep"),
}


class Killed(BaseException):
    """Stands for kill -9 at a moment that a test chooses."""


def _dies_at(call: int) -> Score:
    numbers = count(1)

    def score() -> float:
        if (number := next(numbers)) == call:
            raise Killed
        return float(number)

    return score


def _moved(module: TranslationLoss, start: dict[str, Tensor]) -> dict[str, float]:
    """How far each weight is from its start, at most."""
    now = weights_of(module.model)
    return {name: float((now[name] - start[name]).abs().max()) for name in start}


@pytest.mark.parametrize("method", METHODS)
def test_a_killed_run_of_any_method_goes_on_to_the_same_weights(
    train: Run, tmp_path: Path, method: str
) -> None:
    """To the last bit; gradual unfreezing in the middle of opening, adapters in their places."""
    origin = Origin()
    if method == "kept":
        train("parent", max_steps=5)
        origin = Origin(state=tmp_path / "parent")
    adaptation = METHODS[method]
    whole, expected = train("whole", adaptation=adaptation, origin=origin)
    with pytest.raises(Killed):
        train("killed", _dies_at(3), adaptation=adaptation, origin=origin)
    again = iter((3.0, 4.0)).__next__
    state, module = train("killed", again, adaptation=adaptation, origin=origin)
    assert digest_of(module) == digest_of(expected)
    assert replace(state, seconds=0.0) == replace(whole, seconds=0.0)
    assert state.optimizer == adaptation.optimizer


def test_the_methods_are_different_runs(train: Run) -> None:
    """A folder of one is refused to another, and the weights differ."""
    digests = {digest_of(train(name, adaptation=METHODS[name])[1]) for name in list(METHODS)[:5]}
    assert len(digests) == 5
    with pytest.raises(CheckpointError, match="other settings"):
        train("lora", adaptation=METHODS["gradual"])


def test_each_layer_moves_at_its_own_rate(train: Run, make_module: Make) -> None:
    """Adam's first step moves a weight by the whole rate: 0.01 at the top, half in each layer
    further down."""
    start = weights_of(make_module().model)
    first = {"learning_rate": 0.01, "warmup_steps": 1, "max_steps": 1, "evaluate_every": 1}
    _, module = train(adaptation=Adaptation(layer_decay=0.5), **first)
    far = _moved(module, start)
    assert far["model.decoder.layers.0.fc1.weight"] == pytest.approx(0.01, rel=0.01)
    assert far["model.encoder.layers.0.fc1.weight"] == pytest.approx(0.005, rel=0.01)
    assert far["model.shared.weight"] == pytest.approx(0.0025, rel=0.01)


def test_frozen_parts_do_not_move(train: Run, make_module: Make) -> None:
    """Bit for bit, weight decay or not; all others do."""
    start = weights_of(make_module().model)
    _, module = train(adaptation=METHODS["frozen"], weight_decay=0.1)
    for name, far in _moved(module, start).items():
        assert (far == 0) == (".encoder." in name or name == "final_logits_bias"), name


def test_closed_layers_do_not_move_until_they_open(train: Run, make_module: Make) -> None:
    """Eight steps open decoder and encoder; the embeddings' turn would come at the ninth."""
    start = weights_of(make_module().model)
    _, module = train("8", adaptation=METHODS["gradual"], max_steps=8, weight_decay=0.1)
    assert _moved(module, start)["model.shared.weight"] == 0
    assert _moved(module, start)["model.encoder.layers.0.fc1.weight"] > 0
    _, module = train("9", adaptation=METHODS["gradual"], max_steps=12, weight_decay=0.1)
    assert _moved(module, start)["model.shared.weight"] > 0
    assert torch.count_nonzero(module.model.model.shared.weight[19]) == 0


def test_a_strong_pull_keeps_weights_at_the_parent(train: Run, make_module: Make) -> None:
    """Within a tenth of the way that they go without it; a weak one changes little."""
    start = weights_of(make_module().model)

    def far(strength: float) -> float:
        settings = Adaptation(l2_sp=strength)
        _, module = train(f"{strength}", adaptation=settings, max_steps=24, schedule="linear")
        return sum(float((w - start[n]).norm()) for n, w in weights_of(module.model).items())

    free = far(0.0)
    assert far(100.0) < 0.1 * free
    assert far(1e-9) == pytest.approx(free, rel=0.05)


def test_no_pull_is_a_plain_run(train: Run) -> None:
    """Zero is the same as nothing, to the last bit."""
    zero = Adaptation(l2_sp=0.0, l2_new=0.0)
    assert digest_of(train("a", adaptation=zero)[1]) == digest_of(train("b")[1])


def test_what_a_lora_run_leaves_are_weights_of_a_plain_model(
    train: Run, make_module: Make, tmp_path: Path
) -> None:
    """Snapshots, the best and milestones load as those of any run, merged."""
    _, module = train(adaptation=METHODS["lora"], milestones=[50, 100])
    names = weights_of(module).keys()
    folder = tmp_path / "run"
    files = [folder / "best.safetensors", *(folder / "milestones").iterdir()]
    for path in [*files, *(folder / "snapshots").iterdir()]:
        plain = make_module()
        load_weights(plain, load_file(path))
        assert weights_of(plain).keys() == names
    last = load_file(folder / "snapshots" / "00000012.safetensors")
    milestone = load_file(folder / "milestones" / "100.0.safetensors")
    assert all(torch.equal(milestone[name], tensor.half()) for name, tensor in last.items())


def test_a_kept_optimizer_begins_where_pretraining_ended(train: Run, tmp_path: Path) -> None:
    """Adam counts on from the parent's steps; with a fresh one the same step goes elsewhere."""
    steady = {"schedule": "constant", "warmup_steps": 1, "max_steps": 1, "evaluate_every": 1}
    _, parent = train("parent", **steady)
    weights = weights_of(parent.model)

    def child() -> TranslationLoss:
        load_weights(parent.model, weights)
        return parent

    state, module = train(
        "kept",
        make=child,
        adaptation=METHODS["kept"],
        origin=Origin(state=tmp_path / "parent"),
        **steady,
    )
    saved = torch.load(tmp_path / "kept" / "checkpoint" / "optimizer.pt", weights_only=True)
    assert float(saved["state"][0]["step"]) == 2
    assert state.optimizer == "keep"
    kept = digest_of(module)
    state, module = train("reset", make=child, **steady)
    assert state.optimizer == "reset"
    assert digest_of(module) != kept


def test_a_trial_opens_layers_at_the_same_share_of_its_steps() -> None:
    """A short run of the grid must train what the long one does."""
    assert hastened(METHODS["gradual"], 0.5).unfreeze_every == 2
    assert hastened(METHODS["gradual"], 0.01).unfreeze_every == 1
    assert hastened(METHODS["lora"], 0.5) == METHODS["lora"]
