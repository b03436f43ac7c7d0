"""What hostile files must not do: crash, hang, fill, or reach the network. More: `make fuzz`."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from ninefold.core.errors import InputError
from ninefold.files import c2pa_reader
from ninefold.files.c2pa_reader import read_c2pa
from ninefold.files.cbor import Tagged, decode_cbor
from ninefold.files.formats import ImageFormat
from ninefold.provenance.verification import Verifier
from tests.provenance.fuzz import fuzz
from tests.provenance.hostile import BOMBS, HostileFile, box, mutated, remote
from tests.provenance.signing import plain, signed

#: Seconds that a file may take here: it would hang for minutes, on any machine.
PATIENCE = 20.0


@contextmanager
def listening() -> Iterator[tuple[str, list[bytes]]]:
    """An address of this machine, and what connects there."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        connected: list[bytes] = []

        def accept() -> None:
            try:
                while True:
                    with server.accept()[0] as connection:
                        connected.append(connection.recv(1000))
            except OSError:
                pass  # it is closed

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/manifest.c2pa", connected
        server.shutdown(socket.SHUT_RDWR)
        thread.join(10)


@pytest.mark.parametrize("bomb", BOMBS)
def test_bombs_are_answered(bomb: str) -> None:
    """None is intact but by its signature, and none takes long."""
    _, faults = fuzz([HostileFile(bomb, BOMBS[bomb]())], Verifier(), seconds=PATIENCE)
    assert faults == []


def test_mutated_files_are_answered() -> None:
    """The first of those that `make fuzz` goes through."""
    outcomes, faults = fuzz(map(mutated, range(60)), Verifier(), seconds=PATIENCE)
    assert faults == []
    assert outcomes["altered"] > 10


def test_a_manifest_elsewhere_is_not_fetched() -> None:
    """It is said, and nobody is connected to."""
    with listening() as (address, connected):
        report = Verifier().verify(remote(address))
    assert connected == []
    assert report.verdict == "foreign"
    assert f"a C2PA manifest elsewhere, at {address}" in report.reasons[0]


def test_a_file_that_takes_too_long_is_left_and_the_next_is_read() -> None:
    """Its process is ended; what is said of the file is that it was not read."""
    data = signed(form="AVIF") + box(b"free", b"") * 100_000
    reading = read_c2pa(data, ImageFormat.AVIF, seconds=0.5)
    assert (reading.kind, reading.report) == ("Timeout", None)
    assert read_c2pa(signed(), ImageFormat.PNG).report is not None


def test_a_reader_that_died_is_replaced() -> None:
    """A file before may have ended it, or it waited too long."""
    assert read_c2pa(signed(), ImageFormat.PNG).report is not None
    for child in c2pa_reader._idle:
        child._process.kill()
        child._process.wait()
    assert read_c2pa(signed(), ImageFormat.PNG).report is not None


def test_a_reader_that_dies_of_a_file_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing follows for the file: it is neither whole nor altered."""
    reading = c2pa_reader.C2paReading(error="reading it ended the process", kind="Ended")
    monkeypatch.setattr("ninefold.provenance.verification.read_c2pa", lambda *given: reading)
    report = Verifier().verify(signed())
    assert (report.verdict, report.c2pa.present, report.c2pa.valid) == ("unproven", True, False)
    assert "could not be read here" in report.reasons[0]


def test_too_many_parts_are_refused() -> None:
    """With what to do."""
    for name in ("far too many chunks", "far too many boxes"):
        with pytest.raises(InputError, match="chunks or boxes, got more; export"):
            Verifier().verify(BOMBS[name]())


def test_cbor() -> None:
    """Values as RFC 8949's appendix A has them; what is none is refused."""
    assert decode_cbor(bytes.fromhex("d28440a1636170698200 20f640".replace(" ", ""))) == Tagged(
        18, [b"", {"api": [0, -1]}, None, b""]
    )
    assert decode_cbor(bytes.fromhex("1bffffffffffffffff")) == 2**64 - 1
    broken = ("", "0000", "5f", "fb3ff199999999999a", "f7", "a10001ff", "62c3", "81" * 40 + "00")
    for wrong in broken:
        with pytest.raises(ValueError, match=r"CBOR|codec"):
            decode_cbor(bytes.fromhex(wrong))


def test_plain_files_start_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader is asked only where a manifest store is there."""

    def refuse(*given: object) -> None:
        raise AssertionError("it was asked")

    monkeypatch.setattr("ninefold.provenance.verification.read_c2pa", refuse)
    assert Verifier().verify(plain()).verdict == "unproven"
