"""A graft kept as a model folder: the parent of another graft, or a smaller model's teacher."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import MarianMTModel

from lingraft.training.models.marian import digest_of, save_model
from lingraft.training.parents.find import PROVENANCE_FILE, ParentModel
from lingraft.training.vocabulary.codec import SPM_FILE, save_tokenizer

_DIGEST = "trained_sha256"


def keep_model(
    model: MarianMTModel, ready: ParentModel, languages: Sequence[str], licence: str, folder: Path
) -> None:
    """Write `model` to `folder` in fp16, loadable by Transformers and found by `find_parent`.

    What lies there already is left as it is, if it is of the same weights.

    Args:
        model: the trained one.
        ready: the parent under the pieces that the model has.
        languages: all that it speaks.
        licence: of its weights.
        folder: appears whole or not at all.
    """
    digest = digest_of(model)
    if _kept(folder) == digest:
        return
    fresh = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    save_model(model, fresh, dtype=torch.float16)
    shutil.copyfile(ready.folder / SPM_FILE, fresh / SPM_FILE)
    save_tokenizer(fresh / SPM_FILE, fresh, ready.positions)
    provenance = {"languages": sorted(set(languages)), "licence": licence, _DIGEST: digest}
    (fresh / PROVENANCE_FILE).write_text(json.dumps(provenance) + "\n", encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    fresh.rename(folder)


def _kept(folder: Path) -> str | None:
    path = folder / PROVENANCE_FILE
    if not path.is_file():
        return None
    digest = json.loads(path.read_text(encoding="utf-8")).get(_DIGEST)
    return None if digest is None else str(digest)
