"""Leaving out what is never used changes no image, and stands in nobody's way."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.engines.conftest import needs_builtin

PAINT = """
import hashlib, sys
from pathlib import Path
from ninefold.core.progress import StageProgress
from ninefold.engines.diffusion import TextToImage
from ninefold.engines.defaults import build_engines
from ninefold.engines.settings import EngineSettings
engine = build_engines(EngineSettings(device="cpu", loras=Path("none"))).diffusion
request = TextToImage("poster", "a red house", "", 128, 128, 2, 4.0, "default", 7)
image = engine.run(request, StageProgress()).image
print(hashlib.sha256(image.tobytes()).hexdigest())
"""
LEAN = "from ninefold.engines.lazy_imports import defer_unused_imports; defer_unused_imports()\n"
NOT_LOADED = """
left_out = ("sympy", "torch._inductor", "torch.distributed.tensor", "torch._dynamo.eval_frame")
left_out = (*left_out, "scipy.linalg")
assert not [name for name in left_out if name in sys.modules], "loaded after all"
"""
COMPILE = """
import torch, torch._dynamo
assert torch.compiler.disable(len) is len
assert "torch._dynamo.eval_frame" not in sys.modules
double = torch.compile(lambda x: x * 2, backend="eager")
assert double(torch.ones(2)).tolist() == [2, 2]
assert isinstance(torch.compile(torch.nn.ReLU()), torch._dynamo.eval_frame.OptimizedModule)
"""
SUBMODULE = """
import torch
from torch._dynamo.eval_frame import OptimizedModule
assert sys.modules["torch._dynamo"].eval_frame.OptimizedModule is OptimizedModule
"""
SCIPY = """
import scipy.stats
from scipy.optimize import linear_sum_assignment
assert "scipy.linalg" not in sys.modules
assert [list(part) for part in linear_sum_assignment([[3, 1], [1, 3]])] == [[0, 1], [1, 0]]
assert scipy.optimize.linear_sum_assignment is not linear_sum_assignment
assert abs(scipy.stats.beta.ppf(0.5, 0.6, 0.6) - 0.5) < 1e-9
from scipy.integrate import quad
assert abs(quad(lambda x: x, 0, 2)[0] - 2) < 1e-9
"""
SYMBOLS = """
from torch.fx.experimental import symbolic_shapes
assert symbolic_shapes.expect_true(True) and symbolic_shapes.sym_eq((1, 2), (1, 2))
assert "sympy" not in sys.modules
shapes = symbolic_shapes.ShapeEnv()
size = shapes.create_unbacked_symint()
assert symbolic_shapes.guard_or_false(size == 3) is False
"""

pytestmark = pytest.mark.slow


def output(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@needs_builtin
def test_an_image_is_the_same_bit_for_bit() -> None:
    assert output(LEAN + PAINT + NOT_LOADED) == output(PAINT)


@pytest.mark.parametrize(
    "code",
    [COMPILE, SUBMODULE, SYMBOLS, SCIPY],
    ids=["compile", "submodule", "shapes", "scipy"],
)
def test_what_was_left_out_is_there_when_it_is_asked_for(code: str) -> None:
    output(LEAN + code)


def test_nothing_changes_where_torch_is_there_already() -> None:
    output(
        f"import torch\n{LEAN}assert torch.distributed.is_available()\nimport torch._dynamo\n"
        "assert 'torch._dynamo.eval_frame' in sys.modules"
    )
