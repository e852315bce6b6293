"""Vocabulary transfer: a parent and a child's text -> a derived parent that knows its pieces.

The derived parent is a model folder like any other: `find_parent` finds it, and plain Transformers
reads it. It is made whole or not at all, and made once: the same inputs find it again.
"""

from __future__ import annotations

import dataclasses
import hashlib
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lingraft.training.embedding.material import Material
from lingraft.training.embedding.origin import Origin, origin_dict, origin_of
from lingraft.training.embedding.plan import Plan, Texts, plan, sample, wanted_languages
from lingraft.training.embedding.weights import stored_type, with_vocabulary
from lingraft.training.errors import CheckpointError, ParentError
from lingraft.training.models.marian import fingerprint, save_model
from lingraft.training.parents.find import PROVENANCE_FILE, ParentModel, find_parent
from lingraft.training.recipe.identity import identity_of
from lingraft.training.recipe.languages import tag
from lingraft.training.recipe.pieces import VocabularyTransfer
from lingraft.training.vocabulary.codec import SPM_FILE, save_tokenizer
from lingraft.training.vocabulary.preview import Preview, preview

_RULES = "1"  # raise it when the same inputs give another folder


@dataclass(frozen=True)
class Transferred:
    """A parent that is ready for the child.

    parent: the derived parent under the name of the one it comes from; with "keep" that one itself.
    preview: what the transfer does to each language's text.
    origin: how it was made; None with "keep".
    """

    parent: ParentModel
    preview: Preview
    origin: Origin | None


def transfer(
    settings: VocabularyTransfer, parent: ParentModel, material: Material, folder: Path
) -> Transferred:
    """The parent with the child's pieces, in `folder`, which is reused when it is there already.

    Args:
        settings: what to do.
        parent: whose weights to take.
        material: the child's text, and text of the parent's languages where there is some.
        folder: where the derived parent goes; "keep" makes none.

    Raises:
        ParentError: "keep", and a language has no tag.
        DataError: too little text for so many pieces, or none to align.
        CheckpointError: `folder` holds something else.
    """
    if settings.method == "keep":
        return _kept(parent, wanted_languages(settings, material.texts), material.texts)
    identity = _identity(settings, parent, material)
    if not folder.exists():
        _make(settings, parent, material, folder, identity)
    return _found(folder, parent, identity)


def _kept(parent: ParentModel, languages: Sequence[str], texts: Texts) -> Transferred:
    if strange := sorted(code for code in languages if not parent.codec.has_language(code)):
        names = ", ".join(f"{code} ({tag(code)})" for code in strange)
        raise ParentError(
            f"parent {parent.name!r}: its vocabulary has no tag for {names}; set method = "
            '"extend" in the recipe\'s vocabulary table to add what is missing'
        )
    samples = {code: sample(lines) for code, lines in texts.items()}
    return Transferred(parent, preview(parent.codec, parent.codec, samples, "match"), None)


def _found(folder: Path, parent: ParentModel, identity: str) -> Transferred:
    origin = origin_of(folder)
    if origin is None or origin.identity != identity:
        raise CheckpointError(
            f"{folder}: it was made from another parent, other text or other settings; give "
            "another --output, or delete the folder to make it again"
        )
    derived = find_parent(str(folder))
    if derived.sha256 != origin.weights_sha256:
        raise CheckpointError(f"{folder}: its weights were changed; delete it to make it again")
    return Transferred(dataclasses.replace(derived, name=parent.name), origin.preview, origin)


def _identity(settings: VocabularyTransfer, parent: ParentModel, material: Material) -> str:
    rows: list[list[tuple[str, ...]]] = [
        [(code, line) for line in lines] for code, lines in material.texts.items()
    ]
    rows += [[(text.left, text.right), *text.rows] for text in material.parallel]
    model = hashlib.sha256(parent.codec.spm.serialized_model_proto()).hexdigest()
    return identity_of(settings, rows, parent.sha256, model, *parent.languages, _RULES)


def _make(
    settings: VocabularyTransfer,
    parent: ParentModel,
    material: Material,
    folder: Path,
    identity: str,
) -> None:
    """Write the derived parent beside `folder`, then put it there by one rename."""
    started = time.monotonic()
    made = plan(settings, parent, material)
    fresh = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    _write(made, parent, settings.seed, fresh)
    Origin(
        parent=parent.name,
        parent_sha256=parent.sha256,
        identity=identity,
        weights_sha256=fingerprint(fresh),
        method=settings.method,
        rows=settings.rows or "match",
        counts=made.mixed.counts(),
        refused=made.refused,
        preview=made.preview,
        seconds=round(time.monotonic() - started, 1),
        before=origin_dict(parent.folder),
    ).write(fresh)
    fresh.rename(folder)


def _write(made: Plan, parent: ParentModel, seed: int, folder: Path) -> None:
    model = with_vocabulary(parent.folder, made.mixed, seed)
    save_model(model, folder, dtype=stored_type(parent.folder))
    spm = folder / SPM_FILE
    spm.write_bytes(made.codec.spm.serialized_model_proto())
    save_tokenizer(spm, folder, parent.positions)
    if (parent.folder / PROVENANCE_FILE).is_file():
        shutil.copyfile(parent.folder / PROVENANCE_FILE, folder / PROVENANCE_FILE)
