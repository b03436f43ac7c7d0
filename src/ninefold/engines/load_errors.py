"""What the libraries say of a model that they cannot read, in one line with what to do about it."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib.util import find_spec

from ninefold.core.errors import ModelError

#: What to install for a package that a message names.
_INSTALL = {
    "sentencepiece": "sentencepiece",
    "torchvision": "torchvision",
    "protobuf": "protobuf",
    "tiktoken": "tiktoken",
    "bitsandbytes": "bitsandbytes",
    "torchao": "torchao",
    "gguf": "'ninefold[gguf]'",
    "ftfy": "ftfy",
    "beautifulsoup4": "beautifulsoup4",
    "bs4": "beautifulsoup4",
    "flash_attn": "flash-attn",
    "optimum-quanto": "optimum-quanto",
}
_MODULE = re.compile(r"No module named '([\w.]+)'")
_SHAPE = re.compile(
    r"because (?P<weight>[\w.]+) expected shape (?P<expected>.+?), but got (?P<got>.+?)\.(?: |$)"
)
_CLASS = re.compile(r"has no attribute '?(?P<name>\w+)'?")


def unreadable(what: str, error: Exception) -> ModelError:
    """The error for a model or a component that cannot be read, whatever the libraries raised."""
    text = str(error).strip()
    for explain in _EXPLANATIONS:
        if (found := explain(error, text)) is not None:
            return ModelError(f"{what} cannot be loaded: {found}")
    lines = text.splitlines() or [""]
    return ModelError(
        f"{what} cannot be loaded ({type(error).__name__}: {lines[0][:200]}). Check that its files "
        "belong together, or get the model again."
    )


def _missing_package(error: Exception, text: str) -> str | None:
    if not isinstance(error, ImportError):
        return None
    if (found := _MODULE.search(text)) is not None:
        named = [found[1].partition(".")[0]]
    else:
        named = [name for name in _INSTALL if name.lower() in text.lower()]
    missing = [name for name in named if find_spec(name.replace("-", "_")) is None] or named
    if not missing:
        return None
    install = _INSTALL.get(missing[0], missing[0])
    return f"the package {missing[0]} is not here. Install it: pip install {install}."


def _other_shape(error: Exception, text: str) -> str | None:
    found = _SHAPE.search(text)
    if found is None:
        return None
    return (
        f"its weights do not fit its config: {found['weight']} should be "
        f"{_sides(found['expected'])} and is {_sides(found['got'])}. Weights and config are of two "
        "models; take both from one."
    )


def _unknown_class(error: Exception, text: str) -> str | None:
    found = _CLASS.search(text) if isinstance(error, AttributeError) else None
    if found is None:
        return None
    return (
        f"diffusers and transformers as they are installed have no {found['name']}. Upgrade them, "
        "or use another model."
    )


def _no_network(error: Exception, text: str) -> str | None:
    names = {type(part).__name__ for part in _chain(error)}
    if not names & {"LocalEntryNotFoundError", "OfflineModeIsEnabled", "ConnectError"}:
        return None
    return "some of its files are not on this machine. Get the model again, whole."


def _chain(error: BaseException | None) -> list[BaseException]:
    found = []
    while error is not None:
        found.append(error)
        error = error.__cause__
    return found


def _sides(shape: str) -> str:
    """`torch.Size([4, 8])` as `4 x 8`."""
    return " x ".join(re.findall(r"\d+", shape)) or "a single number"


_EXPLANATIONS: tuple[Callable[[Exception, str], str | None], ...] = (
    _missing_package,
    _other_shape,
    _unknown_class,
    _no_network,
)
