"""What requests can name here, and what there is to say of a request."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ninefold.core.errors import ConfigError, ModelError
from ninefold.core.paths import ending
from ninefold.engines.diffusion import ModelInfo
from ninefold.imaging.resize import RESAMPLERS
from ninefold.slots import resolve_model

_SUFFIXES = (".safetensors", ".ckpt", ".pt", ".pth", ".onnx")


@dataclass(frozen=True)
class ModelCatalog:
    """The models at hand; `chosen` is the client's checkpoint where it has set one."""

    models: Sequence[str]
    detectors: Sequence[str]
    upscalers: Sequence[str]
    #: What is known of a model; raises `ModelError`.
    describe: Callable[[str], ModelInfo]
    chosen: str | None = None
    #: What a detector finds.
    labels: Callable[[str], Sequence[str]] = lambda _: ()
    #: Control models, and the modes of those that have several.
    controls: Sequence[str] = ()
    modes: Callable[[str], Sequence[str]] = lambda _: ()

    def model(self, name: str, where: str, issues: RequestIssues) -> str | None:
        """The model that a client names, by title (`name [hash]`), name or file."""
        found = _match(name, self.models)
        if found is None:
            issues.unknown(where, name, self.models)
        return found

    def info(self, model: str | None) -> ModelInfo:
        """What is known of a model, or of the one where none is named."""
        return self.describe(resolve_model(model, self.chosen))

    def knows_model(self, name: str) -> str | None:
        """The model of that name, if it is at hand."""
        return _match(name, self.models)

    def detector(self, name: str) -> str | None:
        """The detector of that name, if it is at hand."""
        return _match(name, self.detectors)

    def finder(self, label: str) -> str | None:
        """The first detector that finds things of this label."""
        return next((name for name in self.detectors if label in self.labels_of(name)), None)

    def labels_of(self, name: str) -> Sequence[str]:
        """What a detector finds; nothing where it is none."""
        try:
            return self.labels(name)
        except ModelError:  # the settings may name what is no detector
            return ()

    def control_model(self, name: str) -> str | None:
        """The control model of that name, if it is at hand."""
        return _match(name, self.controls)

    def modes_of(self, name: str) -> Sequence[str]:
        """The modes of a union model; none where it has one alone, or is none."""
        try:
            return self.modes(name)
        except ModelError:
            return ()

    @property
    def upscaler_names(self) -> tuple[str, ...]:
        """The upscalers as A1111 lists them: none, the filters, the models."""
        filters = [name.capitalize() for name in self.upscalers if name in RESAMPLERS]
        models = [name for name in self.upscalers if name not in RESAMPLERS]
        return ("None", *filters, *models)

    def upscaler(self, name: str, where: str, issues: RequestIssues) -> str | None:
        """The upscaler that a client names."""
        found = _match(name, self.upscalers)
        if found is None:
            issues.unknown(where, name, self.upscaler_names)
        return found


@dataclass
class RequestIssues:
    """What is wrong with a request, and what it asks for and does not get."""

    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def unknown(self, where: str, name: str, known: Sequence[str]) -> None:
        """A name that is not at hand."""
        at_hand = ", ".join(known) or "none"
        self.problems.append(f"{where}: {name!r} is not at hand. At hand: {at_hand}.")

    def refuse(self, where: str, why: str = "cannot be done here. Leave it out.") -> None:
        """What would be a lie to leave out."""
        self.problems.append(f"{where}: {why}")

    def warn(self, where: str, why: str = "is not honoured.") -> None:
        """What is left out, or done another way."""
        self.warnings.append(f"{where}: {why}")

    def check(self) -> None:
        """Raise `ConfigError` with every problem, if there is any."""
        if self.problems:
            raise ConfigError(self.problems)


def _match(name: str, known: Sequence[str]) -> str | None:
    plain = name.partition(" [")[0].strip()
    for text in (name, plain, _stem(plain)):
        if text in known:
            return text
    wanted = _stem(plain).lower()
    return next((item for item in known if _stem(item).lower() == wanted), None)


def _stem(name: str) -> str:
    suffix = ending(name)
    return name[: -len(suffix)] if suffix in _SUFFIXES else name
