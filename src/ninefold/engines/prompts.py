"""What engines read in a resolved prompt: its weights, and words that a model does not know."""

from __future__ import annotations

import re

from ninefold.engines.diffusion import ModelInfo
from ninefold.prompts.weights import MAX_WEIGHT, Fragment, parse_prompt, plain_text

__all__ = ["MAX_WEIGHT", "Fragment", "parse_prompt", "plain_text", "unknown_words"]

_WORD = re.compile(r"(?<!\w)[^\W\d_]+(?:['\u2019-][^\W\d_]+)*")


def unknown_words(prompt: str, info: ModelInfo) -> tuple[str, ...]:
    """Words of the prompt that the model was not trained on, in order, each once, lower-case.

    A plural counts as known where its singular is. Empty for models that list no words.
    """
    if not info.words:
        return ()
    words = (match[0].lower() for match in _WORD.finditer(plain_text(prompt)))
    return tuple(dict.fromkeys(word for word in words if not _known(word, info.words)))


def _known(word: str, words: frozenset[str]) -> bool:
    if any(form in words for form in (word, *_folded(word))):
        return True
    parts = re.split(r"['\u2019-]", word)
    return len(parts) > 1 and all(
        len(part) == 1 or any(form in words for form in (part, *_folded(part))) for part in parts
    )


def _folded(word: str) -> tuple[str, ...]:
    forms = [f"{word}s", f"{word}es"]
    if word.endswith("s"):
        forms.append(word[:-1])
    if word.endswith("es"):
        forms.append(word[:-2])
    if word.endswith("ies"):
        forms.append(f"{word[:-3]}y")
    if word.endswith("y"):
        forms.append(f"{word[:-1]}ies")
    if word.endswith("ves"):
        forms.append(f"{word[:-3]}f")
    return tuple(forms)
