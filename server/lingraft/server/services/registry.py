"""The models of a server, by name, by version, and by what they can do."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lingraft.server.errors import (
    ConfigError,
    InvalidArgumentError,
    ModelNotFoundError,
    Violation,
)
from lingraft.server.services import routes
from lingraft.server.services.served import Choice, Classifier, Identifier, ServedModel, Translator

_RESOURCE = re.compile(r"models/([^/]+)(?:/versions/([^/]+))?")
_MOST_LISTED = 20


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

    def translator(
        self, resource: str, source: str, target: str, *, through_third: bool = False
    ) -> Choice:
        """Who translates from `source` ("" to be inferred) to `target`.

        Without a model's name the first of `translators` that has the pair is taken. A pair that
        none has may go `through_third` language. Raises UnsupportedLanguageError,
        LanguageRequiredError, and as `find`.
        """
        models = [self._named_translator(resource)] if resource else self.translators()
        inferred = not source
        source = source or routes.only_source(models, target)
        for model in models:
            pair = model.pair(source, target)
            if pair is not None:
                return Choice(model, pair, inferred)
        if through_third and (found := routes.through_third(models, source, target)):
            return found
        raise routes.unsupported(models, source, target)

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
