"""Keys of every kind that sign files, and what is wrong with some."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ninefold.core.errors import ConfigError, SigningError
from ninefold.core.settings import read_settings
from ninefold.core.signing import SigningSettings
from ninefold.files.signing.keys import CallbackKey, key_for
from ninefold.files.signing.sign import FileSigner
from tests.certificates import (
    SERVER,
    in_der,
    issue,
    key_pem,
    new_key,
    trusted_form,
    validation,
)
from tests.files.claims import claim, image_file


def settings_of(environ: dict[str, str]) -> SigningSettings:
    return read_settings(SigningSettings, environ)


def signer_of(environ: dict[str, str]) -> FileSigner:
    return FileSigner.from_settings(settings_of(environ), None)


@pytest.mark.parametrize("kind", ["p256", "p384", "rsa", "ed25519"])
def test_keys_in_files(tmp_path: Path, kind: str) -> None:
    issued = issue(kind)
    signer = signer_of(issued.write(tmp_path))
    assert list(signer.problems()) == []
    signed = signer.sign(image_file(), claim())
    assert validation(signed.data, "image/png", issued.anchor) == ("Trusted", [])
    assert signer.described(["x.png"])["certificate"] == "test signer"


def test_a_key_behind_a_command(tmp_path: Path) -> None:
    issued = issue()
    files = issued.write(tmp_path)
    key = files.pop("NINEFOLD_SIGN_KEY")
    command = f"openssl dgst -sha256 -sign '{key}'"
    signer = signer_of(files | {"NINEFOLD_SIGN_COMMAND": command})
    assert list(signer.problems()) == []
    signed = signer.sign(image_file(), claim())
    assert validation(signed.data, "image/png", issued.anchor) == ("Trusted", [])


def test_a_key_of_the_callers_own() -> None:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    issued, asked = issue(), []

    def sign(data: bytes) -> bytes:
        asked.append(data)
        signature: bytes = issued.key.sign(data, ec.ECDSA(hashes.SHA256()))
        return signature

    key = CallbackKey(issued.chain, sign)
    assert key_for(SigningSettings(), None, key) is key
    signed = FileSigner(key).sign(image_file(), claim())
    assert validation(signed.data, "image/png", issued.anchor) == ("Trusted", [])
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("false", "expected a signature on the output of false, got exit code 1 and 0 bytes"),
        ("true", "got exit code 0 and 0 bytes"),
        ("sh -c 'echo no such key >&2; exit 3'", r"exit code 3 and 0 bytes \(no such key\)"),
        ("cat", "the signature does not fit the certificate of 'test signer'"),
        ("sleep 30", r"sleep gave no signature within 0\.5 s"),
        ("no-such-program-here", "no-such-program-here cannot be run: No such file"),
        ("'", "NINEFOLD_SIGN_COMMAND: No closing quotation"),
    ],
)
def test_a_command_that_does_not_sign(tmp_path: Path, command: str, message: str) -> None:
    files = issue().write(tmp_path)
    del files["NINEFOLD_SIGN_KEY"]
    more = {"NINEFOLD_SIGN_COMMAND": command, "NINEFOLD_SIGN_SECONDS": "0.5"}
    with pytest.raises(SigningError, match=message):
        signer_of(files | more).sign(image_file(), claim())


def test_a_callback_that_fails_is_one_message(caplog: pytest.LogCaptureFixture) -> None:
    def sign(data: bytes) -> bytes:
        raise RuntimeError("the HSM said: password=hunter2hunter2")

    with pytest.raises(
        SigningError, match="the key could not sign: RuntimeError: the HSM"
    ) as found:
        FileSigner(CallbackKey(issue().chain, sign)).sign(image_file(), claim())
    assert "hunter2" not in str(found.value) + caplog.text


def test_a_key_that_is_another_certificates(tmp_path: Path) -> None:
    files = issue().write(tmp_path)
    other = tmp_path / "other.pem"
    other.write_bytes(key_pem(new_key()))
    signer = signer_of(files | {"NINEFOLD_SIGN_KEY": str(other)})
    assert list(signer.problems()) == [
        "other.pem: expected the key of the certificate of 'test signer', got another one. Give "
        "the key and the certificate that belong together."
    ]
    with pytest.raises(SigningError, match="the signature does not fit the certificate"):
        signer.sign(image_file(), claim())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"days": (-30, -1)}, r"the certificate of 'test signer' expired on \d{4}-\d\d-\d\d\."),
        ({"days": (1, 30)}, r"'test signer' is valid from .* UTC on only"),
        ({"purpose": None}, "no purpose that C2PA takes"),
        ({"purpose": SERVER}, "no purpose that C2PA takes"),
        ({"signs": False}, "does not allow digital signatures"),
        ({"ca": True}, "an authority's, not a signer's"),
        ({"kind": "rsa1024"}, "of a kind that C2PA does not take"),
    ],
)
def test_certificates_that_nobody_would_accept(
    tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    signer = signer_of(issue(**options).write(tmp_path))
    (problem,) = signer.problems()
    with pytest.raises(SigningError, match=message) as found:
        signer.sign(image_file(), claim())
    assert str(found.value) == problem


def test_a_chain_in_the_wrong_order_or_with_a_stranger(tmp_path: Path) -> None:
    issued, stranger = issue(), issue()
    files = issued.write(tmp_path)
    chain = Path(files["NINEFOLD_SIGN_CERTIFICATE"])
    for text in (
        issued.chain + stranger.anchor,
        issued.chain.replace(issued.anchor, stranger.anchor),
    ):
        chain.write_text(text)
        assert "is no issuer of" in next(signer_of(files).problems())


@pytest.mark.parametrize(
    ("certificate", "key", "message"),
    [
        (b"", None, r"chain\.pem: expected certificates in PEM"),
        (b"\0\xff junk", None, r"chain\.pem: expected certificates in PEM"),
        (trusted_form(issue().chain), None, "got OpenSSL's own TRUSTED CERTIFICATE. .*-out"),
        (in_der(issue().chain), None, "got DER. Write it as PEM: openssl x509 -inform der"),
        (key_pem(new_key()), None, "got a private key. Name the file of its certificate"),
        (None, in_der(key_pem(new_key()).decode()), "got DER. Write it as PEM: openssl pkey"),
        (None, b"", r"key\.pem: expected a private key in PEM"),
        (
            None,
            b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
            "expected a priv",
        ),
        (None, key_pem(new_key(), b"secret"), r"key\.pem: the private key has a passphrase"),
    ],
)
def test_files_that_hold_something_else(
    tmp_path: Path, certificate: bytes | None, key: bytes | None, message: str
) -> None:
    files = issue().write(tmp_path)
    for name, data in (("chain.pem", certificate), ("key.pem", key)):
        if data is not None:
            (tmp_path / name).write_bytes(data)
    (problem,) = signer_of(files).problems()
    assert str(tmp_path) not in problem
    with pytest.raises(SigningError, match=message):
        signer_of(files).sign(image_file(), claim())


def test_files_that_are_not_there(tmp_path: Path) -> None:
    files = issue().write(tmp_path)
    (tmp_path / "key.pem").unlink()
    assert list(signer_of(files).problems()) == [
        "key.pem: cannot be read: No such file or directory. Mend NINEFOLD_SIGN_KEY."
    ]
    (tmp_path / "chain.pem").unlink()
    assert "NINEFOLD_SIGN_CERTIFICATE" in next(signer_of(files).problems())


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["KEY"], "NINEFOLD_SIGN_KEY: expected sign_certificate beside it"),
        (["COMMAND"], "NINEFOLD_SIGN_COMMAND: expected sign_certificate beside it"),
        (["CERTIFICATE"], "expected sign_key or sign_command beside it, got none"),
        (["CERTIFICATE", "KEY", "COMMAND"], "beside it, got both"),
    ],
)
def test_settings_that_do_not_go_together(names: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        settings_of({f"NINEFOLD_SIGN_{name}": "x" for name in names})
