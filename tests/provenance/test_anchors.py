"""Trust anchors as users give them: what cannot be used is said, and judges no file."""

from __future__ import annotations

from pathlib import Path

import pytest

from ninefold.core.errors import ConfigError
from ninefold.provenance.verification import Verifier, read_anchors
from tests.certificates import in_der, trusted_form
from tests.provenance.signing import plain, signed, usual_signer

ROOT = usual_signer().anchor
LEAF = usual_signer().chain.removesuffix(ROOT)
RUBBISH = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
DER = in_der(ROOT).decode("latin-1")
TRUSTED = trusted_form(ROOT).decode()


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(ROOT, id="the root"),
        pytest.param(ROOT.replace("\n", "\r\n"), id="lines of Windows"),
        pytest.param(ROOT.replace("\n", "\n   "), id="indented"),
        pytest.param(f"# ours, bänk\n{ROOT}\nSubject: x\n{ROOT}", id="between text, twice"),
        pytest.param(LEAF + ROOT, id="a whole chain"),
    ],
)
def test_files_that_can_be_used(tmp_path: Path, text: str) -> None:
    file = tmp_path / "anchors.pem"
    file.write_text(text, encoding="utf-8", newline="")
    report = Verifier(anchors=read_anchors(file)).verify(signed())
    assert (report.verdict, report.c2pa.trusted) == ("intact", True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "got none"),
        (DER, "got DER. Write it as PEM: openssl x509 -inform der"),
        (TRUSTED, "got OpenSSL's own TRUSTED CERTIFICATE. Write it as PEM"),
        (RUBBISH, "certificate 1 in .* cannot be read"),
        (ROOT + RUBBISH, "certificate 2 in .* cannot be read"),
        (LEAF, "expected certificates of authorities .* Give the root"),
    ],
)
def test_files_that_cannot(tmp_path: Path, text: str, message: str) -> None:
    """Said at once: whom the library does not know, it would call untrusted without a word."""
    file = tmp_path / "anchors.pem"
    file.write_text(text, encoding="latin-1")
    with pytest.raises(ConfigError, match=message):
        read_anchors(file)


def test_anchors_that_the_library_refuses_accuse_no_file() -> None:
    """That the settings cannot be used says nothing of the file."""
    report = Verifier(anchors=ROOT.replace("\n", "\n ")).verify(signed())
    assert (report.verdict, report.c2pa.valid) == ("unproven", False)


@pytest.mark.parametrize("cut", [60, 200])
def test_a_manifest_that_names_nobody_is_nobodys(cut: int) -> None:
    """Cut within its manifest, before the name: that does not make it another system's."""
    data = signed()
    report = Verifier().verify(data[: data.find(b"caBX") + cut])
    assert (report.verdict, report.c2pa.present) == ("unproven", True)
    assert "nothing is known of it" in report.reasons[0]


def test_plain_files_are_unproven_whomever_one_trusts() -> None:
    assert Verifier(anchors=ROOT).verify(plain()).verdict == "unproven"
