"""Parameter transfer: which of the parent's weights a child's training moves, and how far."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from lingraft.training.recipe.settings import Fraction, Positive, Strict

Method = Literal["full", "frozen", "gradual", "lora"]
_Strength = Annotated[float, Field(ge=0)]


class Lora(Strict):
    """Adapters of low rank beside frozen linear layers (Hu et al. 2022), merged at the end."""

    rank: Positive = 8
    alpha: Positive = 16  # an adapter's output is scaled by alpha / rank
    dropout: Fraction = 0.0  # of an adapter's input
    # Shell patterns over the names of linear layers, as in "*.decoder.layers.0.*.q_proj".
    targets: list[str] = Field(default_factory=lambda: ["*.q_proj", "*.v_proj"], min_length=1)
    embeddings: bool = False  # whether the embeddings train too, whole: new pieces need it


class Adaptation(Strict):
    """How a model that starts from a parent is trained.

    Names of parameters are those of the model itself, `MarianMTModel` ("model.shared.weight",
    "model.encoder.layers.0.fc1.weight") or `SequenceClassifier` ("encoder.layers.0.fc1.weight",
    "head.weight"), never of the loss around it; `*` in a pattern matches dots too.

    method: "full" moves everything; "frozen" all but what `frozen` names; "gradual" opens layer
        after layer from the top, one more every `unfreeze_every` steps (ULMFiT: Howard and Ruder
        2018), and never what `frozen` names; "lora" trains adapters and what the parent lacks.
    layer_decay: the rate of a layer is that of the one above it times this (discriminative
        fine-tuning, ULMFiT).
    l2_sp: strength of the pull toward the parent's weights; l2_new: of that toward zero, for
        weights that the parent lacks (L2-SP: Li et al. 2018, alpha and beta).
    optimizer: whether Adam's moments are the parent's ("keep") or begin at zero ("reset").
    """

    method: Method = "full"
    frozen: list[str] = Field(default_factory=list, validate_default=True)
    layer_decay: Annotated[float, Field(gt=0, le=1)] = 1.0
    unfreeze_every: Annotated[Positive | None, Field(validate_default=True)] = None
    l2_sp: _Strength = 0.0
    l2_new: _Strength = 0.0
    lora: Annotated[Lora | None, Field(validate_default=True)] = None
    optimizer: Literal["reset", "keep"] = "reset"

    # As in settings.py, checks across settings belong to fields, so that all are reported at once.
    @field_validator("frozen")
    @classmethod
    def _frozen_fits(cls, frozen: list[str], info: ValidationInfo) -> list[str]:
        method = info.data.get("method")
        if method == "frozen" and not frozen:
            raise ValueError('method "frozen" needs patterns of what stays as it is')
        if frozen and method in ("full", "lora"):
            raise ValueError(
                f'method "{method}" freezes nothing by name; use "frozen" or "gradual"'
            )
        return frozen

    @field_validator("unfreeze_every")
    @classmethod
    def _gradual_fits(cls, steps: int | None, info: ValidationInfo) -> int | None:
        method = info.data.get("method", "gradual" if steps else "full")
        if method == "gradual" and steps is None:
            raise ValueError('method "gradual" needs it: steps until one more layer opens')
        if method != "gradual" and steps is not None:
            raise ValueError(f'belongs to method "gradual", not "{method}"')
        return steps

    @field_validator("l2_sp", "l2_new")
    @classmethod
    def _pull_fits(cls, strength: float, info: ValidationInfo) -> float:
        if strength and info.data.get("method") == "lora":
            raise ValueError('method "lora" keeps the parent\'s weights anyway; leave it out')
        return strength

    @field_validator("lora", mode="before")
    @classmethod
    def _lora_fits(cls, lora: Any, info: ValidationInfo) -> Any:
        method = info.data.get("method")
        if lora is not None and method not in (None, "lora"):
            raise ValueError(f'belongs to method "lora", not "{method}"')
        return Lora() if lora is None and method == "lora" else lora

    @field_validator("optimizer")
    @classmethod
    def _optimizer_fits(cls, choice: str, info: ValidationInfo) -> str:
        if choice == "keep" and info.data.get("method") == "lora":
            raise ValueError('adapters have no moments in the parent: method "lora" must "reset"')
        return choice
