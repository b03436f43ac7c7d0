"""Certificates, keys and a time stamp authority for tests of signing."""

from __future__ import annotations

import base64
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

MAIL, SERVER = ExtendedKeyUsageOID.EMAIL_PROTECTION, ExtendedKeyUsageOID.SERVER_AUTH
TIME_STAMPING = ExtendedKeyUsageOID.TIME_STAMPING
_PEM = serialization.Encoding.PEM


def new_key(kind: str = "p256") -> Any:
    """A private key: `p256`, `p384`, `rsa`, `ed25519`, or `rsa1024`, which is too short."""
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    if kind.startswith("rsa"):
        return rsa.generate_private_key(65537, int(kind.removeprefix("rsa") or 2048))
    return ec.generate_private_key(ec.SECP384R1() if kind == "p384" else ec.SECP256R1())


def key_pem(key: Any, passphrase: bytes | None = None) -> bytes:
    """A private key as PEM."""
    hidden = (
        serialization.BestAvailableEncryption(passphrase)
        if passphrase
        else serialization.NoEncryption()
    )
    pem: bytes = key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, hidden)
    return pem


def trusted_form(pem: str) -> bytes:
    """Certificates with the header of OpenSSL's own form."""
    return pem.replace(" CERTIFICATE", " TRUSTED CERTIFICATE").encode()


def in_der(pem: str) -> bytes:
    """What the first block of a PEM text holds."""
    body = pem.split("-----")[2]
    return base64.b64decode("".join(body.split()))


@dataclass(frozen=True)
class Issued:
    """A signer's key, its certificate and the root that vouches for it."""

    key: Any
    leaf: x509.Certificate
    root: x509.Certificate

    @property
    def chain(self) -> str:
        """As PEM, the root last."""
        return (self.leaf.public_bytes(_PEM) + self.root.public_bytes(_PEM)).decode()

    @property
    def anchor(self) -> str:
        """The root, as PEM."""
        return self.root.public_bytes(_PEM).decode()

    def write(self, folder: Path) -> dict[str, str]:
        """Both files, and the settings' variables that name them."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "chain.pem").write_text(self.chain)
        (folder / "key.pem").write_bytes(key_pem(self.key))
        return {
            "NINEFOLD_SIGN_CERTIFICATE": str(folder / "chain.pem"),
            "NINEFOLD_SIGN_KEY": str(folder / "key.pem"),
        }


def issue(
    kind: str = "p256",
    *,
    days: tuple[float, float] = (-1, 30),
    purpose: x509.ObjectIdentifier | None = MAIL,
    critical: bool = False,
    signs: bool = True,
    ca: bool = False,
) -> Issued:
    """A certificate for a key of a kind, valid from `days[0]` to `days[1]` days from now."""
    root_key, key, now = new_key(), new_key(kind), datetime.now(UTC)
    name = {
        what: x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"test {what}")])
        for what in ("root", "signer")
    }
    start, end = (now + timedelta(days=day) for day in days)

    def usage(signs: bool, certifies: bool) -> x509.KeyUsage:
        return x509.KeyUsage(
            signs, False, not signs and not certifies, False, False, certifies, False, False, False
        )  # fmt: skip

    base = x509.CertificateBuilder().issuer_name(name["root"])
    root = (
        base.subject_name(name["root"])
        .not_valid_before(now - timedelta(days=100))
        .not_valid_after(now + timedelta(days=100))
        .public_key(root_key.public_key())
        .serial_number(x509.random_serial_number())
        .add_extension(x509.BasicConstraints(True, 0), True)
        .add_extension(usage(False, True), True)
        .sign(root_key, hashes.SHA256())
    )
    leaf = (
        base.subject_name(name["signer"])
        .not_valid_before(start)
        .not_valid_after(end)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .add_extension(x509.BasicConstraints(ca, None), True)
        .add_extension(usage(signs, ca), True)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), False
        )
    )
    if purpose is not None:
        leaf = leaf.add_extension(x509.ExtendedKeyUsage([purpose]), critical)
    return Issued(key, leaf.sign(root_key, hashes.SHA256()), root)


@dataclass
class Authority:
    """A time stamp authority on this machine, by OpenSSL."""

    folder: Path
    url: str = ""
    #: Seconds that it waits before it answers.
    delay: float = 0.0
    #: What it answers with in place of a time stamp, and the status.
    instead: tuple[int, bytes] | None = None
    #: Bytes of each request that came.
    requests: list[bytes] = field(default_factory=list)
    anchor: str = ""

    def answer(self, request: bytes) -> bytes:
        """A time stamp."""
        (self.folder / "request.tsq").write_bytes(request)
        words = ["openssl", "ts", "-reply", "-config", "ts.cnf", "-queryfile", "request.tsq"]
        done = subprocess.run(words, cwd=self.folder, capture_output=True, check=True, timeout=60)
        return done.stdout


@contextmanager
def time_stamp_authority(folder: Path) -> Iterator[Authority]:
    """Serve time stamps on a free port."""
    folder.mkdir(parents=True, exist_ok=True)
    issued = issue(purpose=TIME_STAMPING, critical=True)
    (folder / "tsa.pem").write_bytes(issued.leaf.public_bytes(_PEM))
    (folder / "root.pem").write_text(issued.anchor)
    (folder / "tsa.key").write_bytes(key_pem(issued.key))
    (folder / "serial").write_text("01")
    (folder / "ts.cnf").write_text(
        "[tsa]\ndefault_tsa=here\n[here]\nserial=serial\nsigner_cert=tsa.pem\ncerts=root.pem\n"
        "signer_key=tsa.key\nsigner_digest=sha256\ndefault_policy=1.2.3.4.1\n"
        "digests=sha256,sha384,sha512\ness_cert_id_alg=sha256\n"
    )
    authority = Authority(folder, anchor=issued.anchor)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = self.rfile.read(int(self.headers["Content-Length"]))
            authority.requests.append(request)
            time.sleep(authority.delay)
            status, body = authority.instead or (200, authority.answer(request))
            self.send_response(status)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.block_on_close = False
    authority.url = f"http://127.0.0.1:{server.server_port}/tsa"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield authority
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def validation(data: bytes, media_type: str, *anchors: str) -> tuple[str, list[str]]:
    """What the library's reader says of a signed file: its state, and what failed."""
    reader = _reader(data, media_type, *anchors)
    results = reader.get_validation_results()["activeManifest"]
    return reader.get_validation_state(), [item["code"] for item in results["failure"]]


def active_manifest(data: bytes, media_type: str) -> dict[str, Any]:
    """The newest manifest in a signed file, as the library's reader gives it."""
    found: dict[str, Any] = _reader(data, media_type).get_active_manifest()
    return found


def thumbnail(data: bytes, media_type: str) -> bytes:
    """The file of a manifest's thumbnail."""
    from io import BytesIO

    out, reader = BytesIO(), _reader(data, media_type)
    reader.resource_to_stream(reader.get_active_manifest()["thumbnail"]["identifier"], out)
    return out.getvalue()


def assertion(manifest: dict[str, Any], label: str) -> Any:
    """What a manifest asserts under a label."""
    (found,) = [item["data"] for item in manifest["assertions"] if item["label"] == label]
    return found


def actions(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """A manifest's actions, in order."""
    found: list[dict[str, Any]] = assertion(manifest, "c2pa.actions.v2")["actions"]
    return found


def _reader(data: bytes, media_type: str, *anchors: str) -> Any:
    from io import BytesIO

    import c2pa

    settings: dict[str, Any] = {"verify": {"verify_trust": True, "verify_timestamp_trust": True}}
    if anchors:
        settings["trust"] = {"trust_anchors": "".join(anchors)}
    return c2pa.Reader(media_type, BytesIO(data), context=c2pa.Context.from_dict(settings))
