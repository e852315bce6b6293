"""Where parents come from: a folder, an embedded starter by name, or a Hugging Face hub id."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import huggingface_hub
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

from lingraft.training.errors import ParentError
from lingraft.training.models.marian import WEIGHTS_FILE, fingerprint
from lingraft.training.recipe.languages import tag
from lingraft.training.recipe.recipes import Training
from lingraft.training.vocabulary.codec import EOS, Codec, load_codec, same_ids

PROVENANCE_FILE = "provenance.json"  # what `pretrain` says of its data, for machines
MODEL_FOLDER = "model"  # where a run of `pretrain` leaves the parent
_CONFIG_FILE = "config.json"
_HUB_FILES = ["*.json", "*.safetensors", "*.spm"]
# training/lingraft/training/parents/find.py -> the checkout's models/
_STARTERS = Path(__file__).resolve().parents[4] / "models"


@dataclass(frozen=True)
class ParentModel:
    """A parent on disk with its codec and the SHA-256 of its weights."""

    name: str
    folder: Path
    codec: Codec
    sha256: str
    languages: tuple[str, ...]
    licence: str  # of the weights; "not stated" where the folder does not say
    positions: int  # longest sequence, in pieces

    def require_tags(self, languages: Iterable[str]) -> None:
        """Raise `ParentError`, naming all that lack one, unless all `languages` have a tag."""
        strange = sorted({code for code in languages if not self.codec.has_language(code)})
        if strange:
            names = ", ".join(f"{code} ({tag(code)})" for code in strange)
            raise ParentError(f"parent {self.name!r}: its vocabulary has no tag for {names}")


def find_parent(location: str) -> ParentModel:
    """The parent at a folder, the embedded starter of that name, or the one of that hub id.

    Raises:
        ParentError: it is nowhere, or it is no Marian model with a SentencePiece vocabulary whose
            piece ids are the model's; every reason is named.
    """
    folder = _folder(location)
    codec = load_codec(folder)
    config = json.loads((folder / _CONFIG_FILE).read_text(encoding="utf-8"))
    if faults := list(_unfit(folder, config, codec)):
        listed = "".join(f"\n  - {fault}" for fault in faults)
        raise ParentError(f"parent {location!r} ({folder}) cannot be grafted onto:{listed}")
    languages, licence = _provenance(folder)
    return ParentModel(
        name=_name(location),
        folder=folder,
        codec=codec,
        sha256=fingerprint(folder),
        languages=languages,
        licence=licence,
        positions=int(config["max_position_embeddings"]),
    )


def _name(location: str) -> str:
    """What people call it: the folder's name, or the run's where the folder is a run's `model`."""
    path = Path(location).resolve()
    return path.parent.name if path.name == MODEL_FOLDER else path.name


def _folder(location: str) -> Path:
    for candidate in (Path(location), _STARTERS / location, Path("models") / location):
        if (candidate / _CONFIG_FILE).is_file():
            return candidate
    if location.count("/") == 1 and not Path(location).exists():
        return _from_hub(location)
    # Other embedded models, which are bundles, have no configuration of a network.
    found = sorted(path.parent.name for path in _STARTERS.glob(f"*/{_CONFIG_FILE}"))
    starters = ", ".join(found) or "none here"
    raise ParentError(
        f"parent {location!r}: no folder with a {_CONFIG_FILE}; give a model folder, an embedded "
        f"starter ({starters}) or a hub id OWNER/NAME"
    )


def _from_hub(location: str) -> Path:
    try:
        return Path(huggingface_hub.snapshot_download(location, allow_patterns=_HUB_FILES))
    except (LocalEntryNotFoundError, HfHubHTTPError, HFValidationError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise ParentError(f"parent {location!r}: the hub did not give it: {reason}") from None


def _unfit(folder: Path, config: dict[str, Any], codec: Codec) -> Iterator[str]:
    """Why the model cannot be a parent; nothing when it can."""
    if config.get("model_type") != "marian":
        yield f"it is a {config.get('model_type')} model; only marian ones are supported"
        return
    if not (folder / WEIGHTS_FILE).is_file():
        yield f"it has no {WEIGHTS_FILE}; save it with Transformers 5"
    wanted = {
        "vocab_size": codec.pad + 1,
        "pad_token_id": codec.pad,
        "decoder_start_token_id": codec.pad,
        "eos_token_id": EOS,
    }
    for name, value in wanted.items():
        if config.get(name) != value:
            yield f"{name} is {config.get(name)}; its SentencePiece model asks for {value}"
    if not same_ids(folder, codec):
        yield "its vocab.json gives the pieces other ids than its SentencePiece model"


def _provenance(folder: Path) -> tuple[tuple[str, ...], str]:
    """Languages and licence of the weights, as far as the folder says."""
    path = folder / PROVENANCE_FILE
    if not path.is_file():
        return (), "not stated"
    content = json.loads(path.read_text(encoding="utf-8"))
    return tuple(content["languages"]), str(content["licence"])


def fitted(training: Training, parent: ParentModel) -> Training:
    """`training` with examples no longer than the parent has positions."""
    return training.model_copy(update={"max_tokens": min(training.max_tokens, parent.positions)})
