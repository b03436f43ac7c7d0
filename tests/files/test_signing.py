"""Files signed by the library, and read back by its reader."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from ninefold.core.errors import SigningError
from ninefold.files.signing.claim import Action, Ingredient, SoftBinding
from ninefold.files.signing.self_made import SelfMadeKey
from ninefold.files.signing.sign import FileSigner
from tests.certificates import actions, active_manifest, assertion, validation
from tests.files.claims import FORMATS, UNTRUSTED, WHEN, claim, image_file


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
        watermark=SoftBinding("io.ninefold.watermark.1", bytes(range(8))),
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


def test_lone_surrogates_do_not_stop_it() -> None:
    model = Ingredient("model-\ud800", "poster \ud800", "inputTo")
    source = Ingredient("source", "source \ud800", "parentOf", image_file("jpeg"), "image/jpeg")
    opened = Action("c2pa.opened", WHEN, "input", ingredients=(source.id,))
    edited = Action("c2pa.edited", WHEN, "x", None, {"style": "a\ud800b"}, (model.id,))
    signed = FileSigner(SelfMadeKey(None)).sign(
        image_file(), claim(actions=(opened, edited), ingredients=(model, source))
    )
    assert validation(signed.data, "image/png") == ("Valid", UNTRUSTED)
    manifest = active_manifest(signed.data, "image/png")
    assert actions(manifest)[1]["parameters"]["style"] == "a?b"
    assert {item["title"] for item in manifest["ingredients"]} == {"poster ?", "source ?"}


def test_a_file_that_is_none_is_refused() -> None:
    with pytest.raises(SigningError, match="the file cannot be signed"):
        FileSigner(SelfMadeKey(None)).sign(b"no image", claim())
    assert not FileSigner(SelfMadeKey(None)).can_sign("image/bmp")
    assert all(FileSigner(SelfMadeKey(None)).can_sign(kind) for kind in FORMATS.values())
