"""The watermark's code corrects what it says, and passes nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ninefold.imaging.watermark.code import CHECK_BYTES, CODED_BITS, decode, encode

identifiers = st.binary(min_size=8, max_size=8)
few = settings(max_examples=10, deadline=None)


@few
@given(identifiers)
def test_what_was_encoded_is_decoded(identifier: bytes) -> None:
    coded = encode(identifier)
    assert coded.shape == (CODED_BITS,)
    assert set(np.unique(coded)) == {-1.0, 1.0}
    found = decode(coded)
    assert found is not None
    assert (found.identifier, found.errors) == (identifier, 0)


@few
@given(identifiers, st.integers(0, 2**32))
def test_a_fifth_of_the_bits_may_be_wrong(identifier: bytes, seed: int) -> None:
    rng = np.random.default_rng(seed)
    coded = encode(identifier)
    received = coded + rng.normal(0, 1 / 0.9, CODED_BITS).astype(np.float32)
    wrong = int(np.count_nonzero(received * coded < 0))
    assert wrong > 0.1 * CODED_BITS
    found = decode(received)
    assert found is not None
    assert (found.identifier, found.errors) == (identifier, wrong)


def test_noise_says_nothing() -> None:
    rng = np.random.default_rng(1)
    assert all(decode(rng.normal(size=CODED_BITS).astype(np.float32)) is None for _ in range(50))
    for constant in (0.0, 1.0, -1.0):
        assert decode(np.full(CODED_BITS, constant, np.float32)) is None


def test_one_wrong_bit_of_the_content_fails_the_check() -> None:
    # The code is linear: the sum of two code words is one, with the sum of their contents.
    first, second = encode(b"ninefold"), encode(b"foldnine")
    assert decode(first * second) is None


def test_the_check_has_the_bits_that_the_bound_counts_on() -> None:
    assert 8 * CHECK_BYTES == 24


@pytest.mark.parametrize("identifier", [b"", b"seven by", b"nine bytes"])
def test_identifiers_have_eight_bytes(identifier: bytes) -> None:
    if len(identifier) == 8:
        assert decode(encode(identifier)) is not None
        return
    with pytest.raises(ValueError, match=f"8 bytes, got {len(identifier)}"):
        encode(identifier)
