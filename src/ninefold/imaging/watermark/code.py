"""The watermark's code: an identifier and a check as a convolutional code, decoded softly.

64 bits of identifier and 24 of check pass a code of rate 1/4 and constraint length 12 (generators
from Proakis, "Digital Communications", table 8.2-2), which ends in the zero state. The check is the
beginning of SHA-256 over the maker's note and the identifier, so that what passes it says both that
ninefold marked the image, and with what. Bits that come from no watermark pass it by chance once in
2**24 attempts.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ninefold.imaging.types import Floats

#: What the check is keyed with: the public note of the maker.
NOTE = b"ninefold"
IDENTIFIER_BYTES, CHECK_BYTES = 8, 3
_GENERATORS = (0o4767, 0o5723, 0o6265, 0o7455)
_CONSTRAINT = 12
_STATES = 1 << (_CONSTRAINT - 1)
_INFORMATION = 8 * (IDENTIFIER_BYTES + CHECK_BYTES)
_STEPS = _INFORMATION + _CONSTRAINT - 1
#: Bits that leave the encoder.
CODED_BITS = _STEPS * len(_GENERATORS)


@dataclass(frozen=True, slots=True)
class Decoded:
    """What soft bits say."""

    identifier: bytes
    #: How many of the `CODED_BITS` had the wrong sign.
    errors: int


def encode(identifier: bytes) -> Floats:
    """`CODED_BITS` values of 1 or -1; raises ValueError for what is not eight bytes."""
    if len(identifier) != IDENTIFIER_BYTES:
        raise ValueError(f"expected an identifier of 8 bytes, got {len(identifier)}")
    return _encoded(np.unpackbits(np.frombuffer(identifier + _check(identifier), np.uint8)))


def decode(soft: Floats) -> Decoded | None:
    """The likeliest identifier of `CODED_BITS` soft bits; None where its check does not hold.

    The sign of a soft bit is the bit's, its size how sure that is. Viterbi's algorithm.
    """
    bits = _likeliest(soft)
    content = np.packbits(bits).tobytes()
    identifier, check = content[:IDENTIFIER_BYTES], content[IDENTIFIER_BYTES:]
    if check != _check(identifier):
        return None
    return Decoded(identifier, int(np.count_nonzero(_encoded(bits) * soft < 0)))


def _check(identifier: bytes) -> bytes:
    return hashlib.sha256(NOTE + identifier).digest()[:CHECK_BYTES]


def _encoded(bits: NDArray[np.uint8]) -> Floats:
    register, signs = 0, []
    for bit in (*bits.tolist(), *[0] * (_CONSTRAINT - 1)):
        register = (register << 1 | bit) & (2 * _STATES - 1)
        signs += [_sign(register & generator) for generator in _GENERATORS]
    return np.array(signs, np.float32)


def _sign(tapped: int) -> int:
    return 1 - 2 * (tapped.bit_count() & 1)


def _trellis() -> tuple[NDArray[np.intp], Floats]:
    """For both paths into every state: the state before, and the signs sent on the way."""
    states = np.arange(_STATES)
    before = np.stack([states >> 1, states >> 1 | _STATES >> 1])
    signs = [[_sign(r & g) for g in _GENERATORS] for r in range(2 * _STATES)]
    register = before << 1 | states & 1
    return before, np.array(signs, np.float32)[register]


_BEFORE, _SENT = _trellis()


def _likeliest(soft: Floats) -> NDArray[np.uint8]:
    """The information bits of the path through the trellis that agrees best with `soft`."""
    metric = np.full(_STATES, -np.inf, np.float32)
    metric[0] = 0
    chosen = np.empty((_STEPS, _STATES), bool)
    for step, received in enumerate(soft.reshape(_STEPS, -1)):
        first, second = metric[_BEFORE] + _agreement(received)
        np.greater(second, first, out=chosen[step])
        metric = np.maximum(first, second)
        if step >= _INFORMATION:  # from here on zeros are sent
            metric[1::2] = -np.inf
    state, bits = 0, []
    for step in range(_STEPS - 1, -1, -1):
        bits.append(state & 1)
        state = int(_BEFORE[int(chosen[step, state]), state])
    return np.array(bits[::-1][:_INFORMATION], np.uint8)


def _agreement(received: Floats) -> Floats:
    total: Floats = _SENT[..., 0] * received[0]
    for index in range(1, len(_GENERATORS)):
        total += _SENT[..., index] * received[index]
    return total
