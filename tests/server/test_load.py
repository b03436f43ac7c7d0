"""A short look at what bench/service.py measures, without its times."""

from __future__ import annotations

from bench.service import image, loaded
from tests.support import run


def test_streams_and_requests_leave_nothing_behind() -> None:
    load = run(loaded(streams=40, rate=10, seconds=4))
    assert load.errors == {}
    assert len(load.looks) == 34
    assert load.events > 0
    assert load.left == 0
    assert load.sockets <= 2


def test_an_image_of_the_service_can_be_compared_with_the_librarys() -> None:
    assert image(1, preset="draft") > 0
