"""A process of its own holds the garbage collector still, but not for ever."""

from __future__ import annotations

import gc
import sys
import weakref
from collections.abc import Iterator

import pytest

from ninefold.cli import main
from ninefold.cli.process import between_images, collector_held, own_process


class Node:
    """May point at itself."""

    me: Node


def cycle() -> weakref.ref[Node]:
    node = Node()
    node.me = node
    return weakref.ref(node)


@pytest.fixture(autouse=True)
def put_back() -> Iterator[None]:
    path = list(sys.meta_path)
    gc.unfreeze()  # what the tests' own process has frozen
    yield
    sys.meta_path[:] = path
    gc.enable()
    gc.unfreeze()


def test_the_collector_runs_between_images() -> None:
    gc.disable()
    left = cycle()
    between_images()
    assert left() is None
    assert not gc.isenabled()


def test_a_host_program_keeps_its_collector() -> None:
    with collector_held():
        assert gc.isenabled()
    assert main(["--version"]) == 0
    between_images()
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0


def test_a_process_of_its_own_holds_it_while_images_are_made() -> None:
    with own_process():
        assert gc.isenabled()
        with collector_held():
            assert not gc.isenabled()
        assert gc.isenabled()
    assert gc.get_freeze_count() > 0


def test_a_process_of_its_own_leaves_without_looking_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["ninefold", "--version"])
    assert main() == 0
    assert gc.get_freeze_count() > 0
