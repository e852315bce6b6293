"""The models of a server, by name, by version, and by what they can do."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, ClassVar

from lingraft.server.batching import Decoded, Document, Scheduler, Scores, Source
from lingraft.server.bundle import Bundle, Pair, Precision
from lingraft.server.errors import (
    ConfigError,
    InvalidArgumentError,
    LanguageRequiredError,
    ModelNotFoundError,
    UnsupportedLanguageError,
    Violation,
)
from lingraft.server.text import IdentificationCodec, TextCodec
from lingraft.v1 import bundle_pb2

_RESOURCE = re.compile(r"models/([^/]+)(?:/versions/([^/]+))?")
_MOST_LISTED = 20


@dataclass(frozen=True)
class ServedModel:
    """A loaded bundle. `manifest` holds the evidence that the API quotes.

    `provider` is the device that runs it: "cpu" or "cuda". `does` says it for people.
    """

    does: ClassVar[str]

    bundle: Bundle
    manifest: bundle_pb2.Bundle
    precision: Precision
    provider: str
    loaded: datetime
    scheduler: Scheduler[Any, Any]

    @property
    def short_name(self) -> str:
        """`models/NAME`."""
        return f"models/{self.bundle.name}"

    @property
    def name(self) -> str:
        """`models/NAME/versions/VERSION`."""
        return f"{self.short_name}/versions/{self.bundle.version}"


@dataclass(frozen=True)
class Translator(ServedModel):
    """A model that translates."""

    does = "translates"

    codec: TextCodec
    scheduler: Scheduler[Source, Decoded]

    def pair(self, source: str, target: str) -> Pair | None:
        """The pair as the bundle spells it; case does not matter."""
        place = self._places.get((source.lower(), target.lower()))
        return None if place is None else self.bundle.pairs[place]

    def evidence(self, pair: Pair) -> bundle_pb2.BundlePair:
        """What the manifest says of a pair."""
        return self.manifest.pairs[self._places[pair.source.lower(), pair.target.lower()]]

    @cached_property
    def _places(self) -> dict[tuple[str, str], int]:
        """Where each pair stands in the bundle: NLLB-200 has 40,000."""
        pairs = reversed(list(enumerate(self.bundle.pairs)))  # of equal ones, the first counts
        return {(pair.source.lower(), pair.target.lower()): place for place, pair in pairs}


@dataclass(frozen=True)
class Classifier(ServedModel):
    """A model that classifies."""

    does = "classifies"

    codec: TextCodec
    scheduler: Scheduler[Document, Scores]


@dataclass(frozen=True)
class Identifier(ServedModel):
    """A model that says which language a text is in; its labels are the languages."""

    does = "identifies languages"

    codec: IdentificationCodec
    scheduler: Scheduler[Document, Scores]


@dataclass(frozen=True)
class Choice:
    """The model and the pair that answer a request.

    `inferred` when the source was left out; `confidence` (0 to 1) that it is right where it was
    read from the texts, 0 where it follows from the pairs.
    """

    model: Translator
    pair: Pair
    inferred: bool
    confidence: float = 0.0


class Registry:
    """All models, in the order in which the server was told.

    A name alone, or none, means newest versions; of several names the first that fits answers.
    """

    def __init__(self, models: Sequence[ServedModel]) -> None:
        """Raises ConfigError when two models have one name and version."""
        names = [model.name for model in models]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ConfigError(f"served twice: {', '.join(twice)}; give one of them a new version")
        self._models = tuple(models)

    def all(self) -> tuple[ServedModel, ...]:
        """Every version of every model."""
        return self._models

    def newest(self) -> list[ServedModel]:
        """The newest version of each model, by name."""
        names = sorted({model.bundle.name for model in self._models})
        return [self._versions(name)[0] for name in names]

    def find(self, resource: str, field: str) -> ServedModel:
        """The model `models/NAME` (its newest version) or `models/NAME/versions/VERSION`.

        Raises InvalidArgumentError for another form (of the request's `field`), ModelNotFoundError.
        """
        name, version = parse_model(resource, field)
        for model in self._versions(name):
            if version in (None, model.bundle.version):
                return model
        served = ", ".join(model.name for model in self._models[:_MOST_LISTED])
        message = f"no model {resource} is served here; served: {served or 'none'}"
        raise ModelNotFoundError(message, {"model": resource})

    def versions(self, resource: str, field: str) -> list[ServedModel]:
        """All versions of `models/NAME`, newest first. Raises as `find`."""
        name, version = parse_model(resource, field)
        if version is not None:
            raise _malformed(resource, field, "models/NAME")
        self.find(resource, field)
        return self._versions(name)

    def translators(self) -> list[Translator]:
        """Those that translate; the newest version of each, in the order of their names' first."""
        return [model for model in self._newest_as_told() if isinstance(model, Translator)]

    def identifiers(self) -> list[Identifier]:
        """Those that identify languages; as `translators`."""
        return [model for model in self._newest_as_told() if isinstance(model, Identifier)]

    def classifiers(self) -> list[Classifier]:
        """Those that classify; the newest version of each."""
        return [model for model in self.newest() if isinstance(model, Classifier)]

    def translator(self, resource: str, source: str, target: str) -> Choice:
        """Who translates from `source` ("" to be inferred) to `target`.

        Without a model's name the first of `translators` that has the pair is taken. Raises
        UnsupportedLanguageError, LanguageRequiredError, and as `find`.
        """
        models = [self._named_translator(resource)] if resource else self.translators()
        inferred = not source
        source = source or _only_source(models, target)
        for model in models:
            pair = model.pair(source, target)
            if pair is not None:
                return Choice(model, pair, inferred)
        raise _unsupported(models, source, target)

    def classifier(self, resource: str) -> Classifier:
        """The named classifier, or the only one. Raises as `find` and InvalidArgumentError."""
        if not resource:
            return self._only_classifier()
        found = self.find(resource, "model")
        if isinstance(found, Classifier):
            return found
        message = f"{found.name} {found.does}; it is no classifier"
        raise ModelNotFoundError(message, {"model": resource})

    def identifier(self) -> Identifier:
        """The first of `identifiers`. Raises ModelNotFoundError when there is none."""
        served = self.identifiers()
        if not served:
            message = (
                "no model served here identifies languages: start the server with a bundle of "
                "TASK_LANGUAGE_IDENTIFICATION beside the others"
            )
            raise ModelNotFoundError(message, {"model": ""})
        return served[0]

    def _named_translator(self, resource: str) -> Translator:
        found = self.find(resource, "model")
        if isinstance(found, Translator):
            return found
        message = f"{found.name} {found.does}; it does not translate"
        raise ModelNotFoundError(message, {"model": resource})

    def _only_classifier(self) -> Classifier:
        served = self.classifiers()
        if not served:
            raise ModelNotFoundError("no classifier is served here", {"model": ""})
        if len(served) > 1:
            names = ", ".join(model.short_name for model in served[:_MOST_LISTED])
            message = f"model must name one of the classifiers served here: {names}"
            raise InvalidArgumentError(message, [Violation("model", message)], {"models": names})
        return served[0]

    def _newest_as_told(self) -> list[ServedModel]:
        """The newest version of each model, in the order of their names' first."""
        names = dict.fromkeys(model.bundle.name for model in self._models)
        return [self._versions(name)[0] for name in names]

    def _versions(self, name: str) -> list[ServedModel]:
        models = [model for model in self._models if model.bundle.name == name]
        return sorted(models, key=lambda model: _version_key(model.bundle.version), reverse=True)


def parse_model(resource: str, field: str) -> tuple[str, str | None]:
    """Name, and version where there is one. Raises InvalidArgumentError for another form."""
    found = _RESOURCE.fullmatch(resource)
    if found is None:
        raise _malformed(resource, field, "models/NAME or models/NAME/versions/VERSION")
    return found.group(1), found.group(2)


def _malformed(resource: str, field: str, form: str) -> InvalidArgumentError:
    message = f"{field} must have the form {form}, not {resource!r}"
    return InvalidArgumentError(message, [Violation(field, message)], {field: resource})


def _version_key(version: str) -> list[tuple[int, int, str]]:
    """ "1.10" after "1.9"; a number before a word."""
    parts = re.findall(r"\d+|\D+", version)
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts]


def _only_source(models: Sequence[Translator], target: str) -> str:
    """The source of the only pair that leads to `target`."""
    pairs = [pair for model in models for pair in model.bundle.pairs]
    sources = sorted({pair.source for pair in pairs if pair.target.lower() == target.lower()})
    if len(sources) == 1:
        return sources[0]
    if not sources:
        raise _unsupported(models, "", target)
    listed = ", ".join(sources[:_MOST_LISTED])
    message = f"source_language is needed: {target} can be reached from {listed}"
    violation = Violation("source_language", f"one of {listed}")
    metadata = {"target_language": target, "candidates": listed}
    raise LanguageRequiredError(message, [violation], metadata)


def _unsupported(
    models: Sequence[Translator], source: str, target: str
) -> UnsupportedLanguageError:
    pairs = {f"{pair.source}-{pair.target}" for model in models for pair in model.bundle.pairs}
    listed = ", ".join(sorted(pairs)[:_MOST_LISTED]) or "none"
    asked = f"from {source} to {target}" if source else f"to {target}"
    message = f"nothing translates {asked}; pairs: {listed}"
    field = _field_at_fault(models, target)
    metadata = {"source_language": source, "target_language": target}
    return UnsupportedLanguageError(message, [Violation(field, message)], metadata)


def _field_at_fault(models: Sequence[Translator], target: str) -> str:
    targets = {pair.target.lower() for model in models for pair in model.bundle.pairs}
    return "source_language" if target.lower() in targets else "target_language"
