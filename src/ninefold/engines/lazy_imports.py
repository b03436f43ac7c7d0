"""A quicker start: what diffusers and transformers import, and making images never uses.

Torch's compiler, its tensors over several machines and the algebra system under both take a
quarter of the time from a command to its image, and scipy, where it is installed, a fifth.
`defer_unused_imports` puts them off for the whole process, so it is for programs that have theirs
to themselves; as a library, ninefold changes nothing.
"""

from __future__ import annotations

import operator
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType, SimpleNamespace
from typing import Any

_COMPILER = "torch._dynamo"
#: A module of the compiler's that transformers reads at import and that needs none of the rest.
_APART = f"{_COMPILER}._trace_wrapped_higher_order_op"
_FILLING = threading.RLock()


def defer_unused_imports() -> None:
    """Put off torch's compiler until something asks for more of it than to be left alone, and
    have transformers find torch without `torch.distributed`.

    Images come out the same. Does nothing where torch is imported already.
    """
    if "torch" not in sys.modules:
        sys.meta_path.insert(0, _Finder())


class _Finder(MetaPathFinder):
    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name == "transformers":  # it asks once, and imports all of torch.distributed or none
            import torch.distributed

            torch.distributed.is_available = lambda: False
        elif name in _STAND_INS:
            spec = PathFinder.find_spec(name, path, target)
            if spec is not None and spec.loader is not None:
                spec.loader = _Later(spec.loader)
            return spec
        elif name.startswith(f"{_COMPILER}.") and name != _APART:
            _fill(sys.modules[_COMPILER])
        return None


class _Later(Loader):
    """Makes a module that holds stand-ins; it is filled when it is asked for anything else."""

    def __init__(self, loader: Loader) -> None:
        self.loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _Unfilled(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        module.__dict__.update(_STAND_INS[module.__name__])


class _Unfilled(ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        _fill(self)
        return getattr(self, name)


def _fill(module: ModuleType) -> None:
    with _FILLING:
        if not isinstance(module, _Unfilled):
            return
        object.__setattr__(module, "__class__", ModuleType)
        for name in _STAND_INS[module.__name__]:
            delattr(module, name)
        spec = module.__spec__
        if spec is not None and isinstance(spec.loader, _Later):
            spec.loader = module.__loader__ = spec.loader.loader
            spec.loader.exec_module(module)


def _left_alone(function: Any = None, *_: Any, **__: Any) -> Any:
    """A mark that tells the compiler how to treat a function: here, as it is."""
    return _left_alone if function is None else function


class _Compiled:
    """What a compiled network is an instance of; before anybody compiles, there is none."""


def _of_plain(name: str, answer: Callable[..., Any]) -> Callable[..., Any]:
    """The function `name` of sizes, as long as they are plain numbers and not symbols."""

    def plain(value: Any) -> bool:
        return all(map(plain, value)) if isinstance(value, tuple) else isinstance(value, int)

    def function(*values: Any) -> Any:
        if plain(values):
            return answer(*values)
        _fill(sys.modules[_SYMBOLS])
        return getattr(sys.modules[_SYMBOLS], name)(*values)

    return function


def _assigned(*args: Any, **options: Any) -> Any:
    """scipy's `linear_sum_assignment`, which is imported when it is first called."""
    _fill(sys.modules[_OPTIMIZE])
    return sys.modules[_OPTIMIZE].linear_sum_assignment(*args, **options)


_OPTIMIZE = "scipy.optimize"
_SYMBOLS = "torch.fx.experimental.symbolic_shapes"

#: What torch asks of sizes, and the answer for plain numbers.
_ANSWERS: Mapping[str, Callable[..., Any]] = {
    "expect_true": bool,
    "guard_or_false": bool,
    "guard_or_true": bool,
    "guard_size_oblivious": bool,
    "is_nested_int": lambda _: False,
    "sym_eq": operator.eq,
}

#: All that torch, diffusers and transformers ask of these modules in making most images.
_STAND_INS: Mapping[str, Mapping[str, Any]] = {
    _COMPILER: {
        "allow_in_graph": _left_alone,
        "assume_constant_result": _left_alone,
        "disable": _left_alone,
        "eval_frame": SimpleNamespace(OptimizedModule=_Compiled),
    },
    # transformers and diffusers want these for training losses, and samplers that few ask for.
    _OPTIMIZE: {"linear_sum_assignment": _assigned},
    "scipy.integrate": {},
    "scipy.stats": {},
    _SYMBOLS: {name: _of_plain(name, answer) for name, answer in _ANSWERS.items()},
}
