"""The poster model's tokenizer: byte-pair encoding in which a caption word is a single token."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

from tokenizers.pre_tokenizers import ByteLevel
from transformers import CLIPTokenizer

from training.captions import WORDS

END = "</w>"
START_TOKEN, END_TOKEN = "<|startoftext|>", "<|endoftext|>"
LENGTH = 77


def learn_merges() -> list[tuple[str, str]]:
    """The merges that build each known word, most frequent pair first, ties by name."""
    words = [[*word[:-1], word[-1] + END] for word in WORDS]
    merges: list[tuple[str, str]] = []
    while any(len(word) > 1 for word in words):
        counts = Counter(pair for word in words for pair in pairwise(word))
        best = min(counts, key=lambda pair: (-counts[pair], pair))
        merges.append(best)
        words = [merge(word, best) for word in words]
    return merges


def merge(word: list[str], pair: tuple[str, str]) -> list[str]:
    """A word's pieces with every occurrence of a pair joined."""
    joined: list[str] = []
    for piece in word:
        if joined and (joined[-1], piece) == pair:
            joined[-1] += piece
        else:
            joined.append(piece)
    return joined


def build_tokenizer() -> CLIPTokenizer:
    """A CLIP tokenizer over the caption words; any other text falls back to pieces and bytes."""
    merges: Any = learn_merges()  # the class wants pairs but is annotated as strings
    symbols = sorted(ByteLevel.alphabet())
    pieces = [
        *symbols,
        *(symbol + END for symbol in symbols),
        *(left + right for left, right in merges),
        START_TOKEN,
        END_TOKEN,
    ]
    vocabulary = {piece: index for index, piece in enumerate(dict.fromkeys(pieces))}
    return CLIPTokenizer(
        vocab=vocabulary,
        merges=merges,
        unk_token=END_TOKEN,
        bos_token=START_TOKEN,
        eos_token=END_TOKEN,
        pad_token=END_TOKEN,
        model_max_length=LENGTH,
    )
