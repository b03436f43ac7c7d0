"""What the libraries say of models that they cannot read is one line with what to do."""

from __future__ import annotations

import pytest

from ninefold.engines.load_errors import unreadable


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (
            ImportError(
                "\nAutoImageProcessor requires the Torchvision library but it was not found in "
                "your environment. Check out the instructions"
            ),
            "m cannot be loaded: the package torchvision is not here. Install it: pip install "
            "torchvision.",
        ),
        (
            ImportError("T5Tokenizer requires the SentencePiece library but it was not found"),
            "pip install sentencepiece.",
        ),
        (ModuleNotFoundError("No module named 'tiktoken.load'"), "pip install tiktoken."),
        (
            ImportError("Using `bitsandbytes` 4-bit quantization requires bitsandbytes: ..."),
            "pip install bitsandbytes.",
        ),
        (
            ValueError(
                "Cannot load  because conv_in.weight expected shape torch.Size([8, 4, 3, 3]), but "
                "got torch.Size([8, 16, 3, 3]). If you want to instead overwrite"
            ),
            "conv_in.weight should be 8 x 4 x 3 x 3 and is 8 x 16 x 3 x 3",
        ),
        (
            AttributeError("module transformers has no attribute HologramModel"),
            "diffusers and transformers as they are installed have no HologramModel. Upgrade them",
        ),
        (
            RuntimeError("first line\nsecond line"),
            "m cannot be loaded (RuntimeError: first line). Check that its files belong together",
        ),
    ],
)
def test_an_error_says_what_to_do(error: Exception, expected: str) -> None:
    found = str(unreadable("m", error))
    assert found.startswith("m cannot be loaded")
    assert expected in found
    assert "\n" not in found
