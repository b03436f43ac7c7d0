"""The XMP packet: well-formed whatever the prompt, safe to parse whoever wrote it."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ninefold.files.xmp import DigitalSourceType, Xmp, format_xmp, parse_xmp

SOURCE = "http://cv.iptc.org/newscodes/digitalsourcetype/"
IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"


@pytest.mark.parametrize("kind", list(DigitalSourceType))
def test_the_source_type_is_ipts_uri(kind: DigitalSourceType) -> None:
    packet = format_xmp(Xmp(kind))
    root = ElementTree.fromstring(packet)
    found = [element.text for element in root.iter(f"{{{IPTC}}}DigitalSourceType")]
    assert found == [SOURCE + kind.value]


def test_nothing_is_said_unasked() -> None:
    packet = format_xmp(Xmp())
    assert b"AIPrompt" not in packet
    assert b"AISystem" not in packet


@settings(deadline=None)
@given(st.text(), st.text())
def test_any_text_is_well_formed_and_comes_back(prompt: str, system: str) -> None:
    read = parse_xmp(format_xmp(Xmp(prompt=prompt, system=system)))
    assert read is not None
    forbidden = r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
    assert (read.prompt or "") == re.sub(forbidden, "", prompt)
    assert (read.system or "") == re.sub(forbidden, "", system)


def test_properties_as_attributes_are_read() -> None:
    packet = format_xmp(Xmp()).decode()
    start, end = packet.index("<Iptc4xmpExt:D"), packet.index("  </rdf:Description>")
    attribute = f'Iptc4xmpExt:DigitalSourceType="{SOURCE}algorithmicallyEnhanced">'
    packet = (packet[:start] + packet[end:]).replace(f'"{IPTC}">', f'"{IPTC}" {attribute}')
    assert parse_xmp(packet.encode()) == Xmp(DigitalSourceType.ENHANCED)


def test_unknown_or_missing_source_is_none() -> None:
    packet = format_xmp(Xmp())
    assert parse_xmp(packet.replace(b"trainedAlg", b"captureOf")) is None


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"no xml",
        b"<a>",
        b'<!DOCTYPE a [<!ENTITY b "bbbbbbbb"><!ENTITY c "&b;&b;&b;">]><a>&c;</a>',
        '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE a []><a/>'.encode("utf-16"),
        b'<?xml version="1.0" encoding="nonsense"?><a/>',
        b" " * ((1 << 24) + 1),
    ],
)
def test_hostile_packets_are_refused(packet: bytes) -> None:
    with pytest.raises(ValueError, match="XMP: expected"):
        parse_xmp(packet)
