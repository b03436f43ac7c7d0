"""Files signed by the library, with keys of every kind, and read back by its reader."""

from __future__ import annotations

import logging
import stat
import subprocess
import sys
import threading
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ninefold.core.errors import ConfigError, SigningError, StorageError
from ninefold.core.settings import read_settings
from ninefold.core.signing import SigningSettings
from ninefold.files.signing.certificates import Chain
from ninefold.files.signing.claim import Action, Claim, Ingredient
from ninefold.files.signing.keys import CallbackKey, key_for, key_problems
from ninefold.files.signing.self_made import KEY_FILE, ROOT_FILE, SelfMadeKey, make_self_signed
from ninefold.files.signing.sign import FileSigner
from tests.certificates import (
    SERVER,
    actions,
    active_manifest,
    assertion,
    in_der,
    issue,
    key_pem,
    new_key,
    trusted_form,
    validation,
)
from tests.support import picture

UNTRUSTED = ["signingCredential.untrusted"]
FORMATS = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp", "avif": "image/avif"}
WHEN = "2026-01-02T03:04:05.678+00:00"
CREATED = Action("c2pa.created", WHEN, "text_to_image", "trainedAlgorithmicMedia")


def image_file(form: str = "png", pixels: Any = None) -> bytes:
    out = BytesIO()
    Image.fromarray(picture(64, 48) if pixels is None else pixels).save(out, form.upper())
    return out.getvalue()


def claim(form: str = "png", **fields: Any) -> Claim:
    return Claim("x", FORMATS[form], fields.pop("actions", (CREATED,)), **fields)


def settings_of(environ: dict[str, str]) -> SigningSettings:
    return read_settings(SigningSettings, environ)


def signer_of(environ: dict[str, str]) -> FileSigner:
    return FileSigner.from_settings(settings_of(environ), None)


# -- files ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMATS)
def test_the_reader_finds_nothing_but_missing_trust(form: str) -> None:
    key = SelfMadeKey(None)
    signed = FileSigner(key).sign(image_file(form), claim(form))
    root = key.chain.pem.partition("-----END CERTIFICATE-----\n")[2]
    assert validation(signed.data, FORMATS[form]) == ("Valid", UNTRUSTED)
    assert validation(signed.data, FORMATS[form], root) == ("Trusted", [])
    assert signed.manifest in signed.data or form == "jpeg"  # there in segments
    with Image.open(BytesIO(signed.data)) as image, Image.open(BytesIO(image_file(form))) as plain:
        assert np.array_equal(np.array(image), np.array(plain))


@pytest.mark.parametrize("form", FORMATS)
def test_one_flipped_byte_is_found(form: str) -> None:
    signed = FileSigner(SelfMadeKey(None)).sign(image_file(form), claim(form))
    in_manifest = signed.data.index(b"c2pa.created")
    starts = {"png": b"IDAT", "jpeg": b"\xff\xda", "webp": b"VP8 ", "avif": b"mdat"}
    in_pixels = signed.data.index(starts[form]) + 30
    for place in (in_manifest, in_pixels):
        changed = bytearray(signed.data)
        changed[place] ^= 1
        try:
            state, failures = validation(bytes(changed), FORMATS[form])
        except Exception as error:  # what does not parse any more
            assert "C2pa" in type(error).__name__  # noqa: PT017
        else:
            assert state == "Invalid"
            assert set(failures) - set(UNTRUSTED)


def test_what_a_claim_says_is_read_back() -> None:
    model = Ingredient("model-1", "poster", "inputTo", model={"io.ninefold.hash": "0123456789"})
    source = Ingredient("source", "source image", "parentOf", image_file("jpeg"), "image/jpeg")
    opened = Action("c2pa.opened", WHEN, "input", ingredients=("source",))
    edited = Action(
        "c2pa.edited", WHEN, "refiner", parameters={"seed": 2**63 - 1}, ingredients=("model-1",)
    )
    record = '{"size":[1,2],"seed":9223372036854775807}'
    what = claim(
        actions=(opened, edited),
        ingredients=(model, source),
        record=record,
        identifier=bytes(range(8)),
        thumbnail=image_file("jpeg"),
    )
    signed = FileSigner(SelfMadeKey(None)).sign(image_file(), what)
    assert validation(signed.data, "image/png") == ("Valid", UNTRUSTED)
    manifest = active_manifest(signed.data, "image/png")
    first, second = actions(manifest)
    assert (first["action"], second["action"]) == ("c2pa.opened", "c2pa.edited")
    assert first["when"] == WHEN
    assert second["softwareAgent"]["name"] == "ninefold"
    assert second["parameters"]["seed"] == 2**63 - 1
    found = {item["title"]: item for item in manifest["ingredients"]}
    assert found["poster"]["relationship"] == "inputTo"
    assert found["poster"]["metadata"] == {"io.ninefold.hash": "0123456789"}
    assert found["source image"]["relationship"] == "parentOf"
    links = [item["parameters"]["ingredients"][0]["url"] for item in (first, second)]
    labels = [found[name]["label"] for name in ("source image", "poster")]
    assert [url.rpartition("/")[2] for url in links] == labels
    assert assertion(manifest, "io.ninefold.record") == {"json": record}
    binding = assertion(manifest, "c2pa.soft-binding")
    assert binding["alg"] == "io.ninefold.watermark.1"
    assert binding["blocks"][0]["value"] == "0001020304050607"
    assert manifest["thumbnail"]["format"] == "image/jpeg"


def test_an_ingredient_keeps_its_own_manifest() -> None:
    first = FileSigner(SelfMadeKey(None)).sign(image_file("jpeg"), claim("jpeg"))
    source = Ingredient("source", "source image", "parentOf", first.data, "image/jpeg")
    opened = Action("c2pa.opened", WHEN, "input", ingredients=("source",))
    signed = FileSigner(SelfMadeKey(None)).sign(
        image_file(), claim(actions=(opened,), ingredients=(source,))
    )
    assert validation(signed.data, "image/png") == ("Valid", UNTRUSTED)
    (ingredient,) = active_manifest(signed.data, "image/png")["ingredients"]
    assert ingredient["active_manifest"] == active_manifest(first.data, "image/jpeg")["label"]


def test_a_file_that_is_none_is_refused() -> None:
    with pytest.raises(SigningError, match="the file cannot be signed"):
        FileSigner(SelfMadeKey(None)).sign(b"no image", claim())
    assert not FileSigner(SelfMadeKey(None)).can_sign("image/bmp")
    assert all(FileSigner(SelfMadeKey(None)).can_sign(kind) for kind in FORMATS.values())


# -- keys -----------------------------------------------------------------------------------------


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
        (["KEY"], "sign_key: expected sign_certificate beside it"),
        (["COMMAND"], "sign_command: expected sign_certificate beside it"),
        (["CERTIFICATE"], "expected sign_key or sign_command beside it, got none"),
        (["CERTIFICATE", "KEY", "COMMAND"], "beside it, got both"),
    ],
)
def test_settings_that_do_not_go_together(names: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        settings_of({f"NINEFOLD_SIGN_{name}": "x" for name in names})


# -- the self-made certificate --------------------------------------------------------------------


def test_the_self_made_key_is_made_once_and_for_its_owner_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "data" / "signing"
    with caplog.at_level(logging.WARNING):
        first, again = SelfMadeKey(folder).certificates, SelfMadeKey(folder).certificates
    assert first == again
    assert len(caplog.records) == 1
    assert "by nobody they trust" in caplog.text
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / KEY_FILE).stat().st_mode) == 0o600
    assert {path.name for path in folder.iterdir()} == {KEY_FILE, ROOT_FILE}
    root = (folder / ROOT_FILE).read_text()
    assert "PRIVATE" not in root
    signed = FileSigner(SelfMadeKey(folder)).sign(image_file(), claim())
    assert validation(signed.data, "image/png", root) == ("Trusted", [])
    assert list(key_problems(SelfMadeKey(tmp_path / "nowhere"))) == []
    assert not (tmp_path / "nowhere").exists()


def test_many_that_make_it_at_once_have_the_same(tmp_path: Path) -> None:
    found: list[str] = []
    threads = [
        threading.Thread(target=lambda: found.append(SelfMadeKey(tmp_path / "x").certificates))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


def test_processes_that_are_killed_while_they_make_it(tmp_path: Path) -> None:
    """One is killed after each call that changes the folder: the next one goes on from there."""
    code = """
import os, sys
from pathlib import Path
from ninefold.files.signing import self_made
name = sys.argv[2]
def killed(original):
    def call(*args, **kwargs):
        result = original(*args, **kwargs)
        os.kill(os.getpid(), 9)
    return call
setattr(os, name, killed(getattr(os, name)))
self_made.SelfMadeKey(Path(sys.argv[1])).certificates
"""
    for call in ("mkdir", "chmod", "fsync", "link"):
        folder = tmp_path / call
        killed = subprocess.run([sys.executable, "-c", code, str(folder), call], check=False)
        assert killed.returncode == -9
        if (folder / KEY_FILE).exists():
            assert stat.S_IMODE((folder / KEY_FILE).stat().st_mode) == 0o600
        key = SelfMadeKey(folder)
        assert validation(FileSigner(key).sign(image_file(), claim()).data, "image/png")[0]
        assert (folder / ROOT_FILE).read_text() in key.certificates


def test_an_expired_one_is_made_anew(tmp_path: Path) -> None:
    from datetime import UTC, datetime, timedelta

    key, chain = make_self_signed(datetime.now(UTC) - timedelta(days=365 * 11))
    (tmp_path / KEY_FILE).write_bytes(key + chain.pem.encode())
    fresh = SelfMadeKey(tmp_path)
    assert list(fresh.chain.problems()) == []
    assert stat.S_IMODE((tmp_path / KEY_FILE).stat().st_mode) == 0o600
    assert fresh.certificates == SelfMadeKey(tmp_path).certificates


def test_a_damaged_one_is_not_replaced_in_silence(tmp_path: Path) -> None:
    key, _ = make_self_signed()
    _, chain = make_self_signed()
    (tmp_path / KEY_FILE).write_bytes(key + chain.pem.encode())
    with pytest.raises(SigningError, match=r"got something else\. Remove the file"):
        SelfMadeKey(tmp_path).sign(b"x")
    (tmp_path / KEY_FILE).write_bytes(b"")
    with pytest.raises(SigningError, match=r"got something else\. Remove the file"):
        SelfMadeKey(tmp_path).sign(b"x")
    assert len(list(key_problems(SelfMadeKey(tmp_path)))) == 1


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"self-made\.pem: the key .* cannot be kept"):
        SelfMadeKey(tmp_path / "file" / "signing").sign(b"x")
    (problem,) = key_problems(SelfMadeKey(tmp_path / "file" / "signing"))
    assert "cannot be kept: Not a directory. Make the folder writable" in problem
    (tmp_path / KEY_FILE).mkdir()
    (problem,) = key_problems(SelfMadeKey(tmp_path))
    assert "cannot be kept: Is a directory" in problem


def test_a_folder_that_is_not_writable_is_known_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: path != tmp_path)  # root may all
    (problem,) = key_problems(SelfMadeKey(tmp_path / "marks" / "signing"))
    assert "cannot be kept: Permission denied. Make the folder writable" in problem
    assert not (tmp_path / "marks").exists()


def test_a_chain_knows_whom_it_names() -> None:
    chain = SelfMadeKey(None).chain
    assert chain.subject == "ninefold"
    assert chain.algorithm == "Es256"
    assert Chain.from_pem(chain.pem.encode(), "x").fingerprint == chain.fingerprint
