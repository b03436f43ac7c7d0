"""Composing: the prompt as the server reads it, stages, the config as text, pictures, the cost."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from PIL import Image, ImageChops
from playwright.sync_api import Page, expect

from tests.server.process import ServerProcess, server
from tests.studio.conftest import Studio, draft_in
from tests.studio.jobs import BODY, finished

#: What the console says of an answer that a test asks for.
REFUSED = "status of 422"
#: Wraps, with emoji, both directions, and a construct of every kind.
MIXED = (
    "a {red|2::blue|👩‍👩‍👧 family} house (by the sea:1.3), <lora:sketch:0.8> "
    "שלום עולם {בית|ים} and العربية in one line that is long enough to wrap "
    "more than once\n\n[small] ﬁ office AVATAR  end "
)


def prompt_of(page: Page) -> str:
    value: str = page.get_by_label("Prompt", exact=True).input_value()
    return value


def picture(path: Path) -> Path:
    Image.new("RGB", (64, 48), (200, 30, 30)).save(path)
    return path


def half_white(path: Path) -> Path:
    mask = Image.new("L", (64, 48))
    mask.paste(255, (0, 0, 32, 48))
    mask.save(path)
    return path


def brightest(image: Image.Image) -> int:
    """The largest value of a grey picture."""
    return max(image.tobytes())


def drop(page: Page, path: Path, media_type: str) -> None:
    """Drop a file on the page, as a file manager does."""
    page.evaluate(
        """([text, name, type]) => {
            const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
            const dataTransfer = new DataTransfer();
            dataTransfer.items.add(new File([bytes], name, { type }));
            const options = { dataTransfer, bubbles: true, cancelable: true };
            document.querySelector('main').dispatchEvent(new DragEvent('drop', options));
        }""",
        [b64encode(path.read_bytes()).decode(), path.name, media_type],
    )


def test_what_the_parser_reads_is_marked_and_problems_have_their_place(studio: Studio) -> None:
    page = studio.page()
    prompt = page.get_by_label("Prompt", exact=True)
    prompt.fill("🏠 a {red|blue} house (big:1.3) <lora:nope>")
    expect(page.locator(".mark-variants").first).to_contain_text("{")
    assert page.locator(".mark-option").all_inner_texts() == ["red", "blue"]
    expect(page.locator(".mark-weight")).to_have_text("(big:1.3)")
    expect(page.locator(".mark-problem")).to_have_text("<lora:nope>")
    page.get_by_role("button", name="Problem at character 32").click()
    selected = "element => element.value.slice(element.selectionStart, element.selectionEnd)"
    assert prompt.evaluate(selected) == "<lora:nope>"
    page.keyboard.press("Delete")
    page.get_by_role("button", name="2 ways to read it").click()
    expect(page.get_by_text("house (big:1.3)", exact=False).first).to_be_visible()
    page.get_by_role("button", name="LoRA").click()
    page.get_by_role("button", name="sketch").click()
    page.get_by_label("sketch", exact=True).fill("0.5")
    page.keyboard.press("Escape")
    expect(prompt).to_have_value(re.compile(r"<lora:sketch:0\.5>$"))


@pytest.mark.parametrize("width", [375, 1280])
def test_marks_lie_on_the_letters_to_the_pixel(studio: Studio, width: int) -> None:
    # Styles of the test itself, which the policy would forbid.
    page = studio.page(viewport={"width": width, "height": 900}, bypass_csp=True)
    page.get_by_label("Prompt", exact=True).fill(MIXED)
    expect(page.locator(".mark-lora")).to_have_text("<lora:sketch:0.8>")
    box = page.locator(".prompt-box").first
    page.evaluate("document.activeElement.blur()")
    hide = "* { transition: none !important } .prompt-layer span { background: none !important;"
    shots = []
    for letters in ("textarea", ".prompt-layer"):
        other = ".prompt-layer" if letters == "textarea" else "textarea"
        style = f"{hide} text-decoration: none !important }}"
        style += f" .prompt-box {letters} {{ color: #000 !important; opacity: 1 }}"
        style += f" .prompt-box {other} {{ opacity: 0 !important }} .prompt-box {{ color: #000 }}"
        shots.append(Image.open(BytesIO(box.screenshot(style=style))).convert("L"))
    assert brightest(ImageChops.invert(shots[0])) > 150  # there are letters
    # Where a mark begins, a letter may stand a fraction of a pixel aside; a whole one is told.
    aside = ImageChops.difference(shots[0], ImageChops.offset(shots[0], 1, 0))
    assert brightest(ImageChops.difference(*shots)) < 0.5 * brightest(aside)


def test_stages_are_changed_and_the_config_is_text_both_ways(studio: Studio) -> None:
    studio.expected.append(REFUSED)
    page = studio.page("/?yaml")
    stages = page.get_by_role("list", name="Stages").get_by_role("listitem")
    expect(stages).to_have_count(9)
    text = page.get_by_label("Config (YAML)")
    page.get_by_text("A quick look").click()
    expect(stages.filter(has_text="off")).to_have_count(6)
    # Cards to text.
    stages.nth(2).get_by_role("button", name="Refiner", exact=False).click()
    stages.nth(2).get_by_role("switch").first.focus()
    page.keyboard.press("Space")
    page.get_by_label("Refinement level", exact=True).fill("3")
    expect(text).to_have_value(
        "stages:\n- stage: prompt\n- stage: text_to_image\n- stage: refiner\n"
        "  params:\n    refinement_level: 3\n- stage: publisher\n"
    )
    # What is wrong stands at its field and stays typed, over a reload, too.
    page.get_by_label("Prompt", exact=True).fill("a boat")
    page.get_by_label("Refinement level", exact=True).fill("many")
    expect(stages.nth(2)).to_contain_text("1 problem")
    expect(stages.nth(2)).to_contain_text("got 'many'")
    page.get_by_role("button", name="Reset Refinement level").click()
    expect(page.get_by_label("Refinement level", exact=True)).to_have_value("2")
    # Text to cards; what does not hold changes nothing.
    edited = (
        "prompt: a ship\nstages:\n- stage: prompt\n- stage: text_to_image\n  params: {steps: 9}"
    )
    text.fill(edited)
    expect(page.get_by_label("Prompt", exact=True)).to_have_value("a ship")
    text.press_sequentially("\n- stage: nowhere")
    expect(page.get_by_role("alert")).to_contain_text("nowhere")
    page.reload()
    expect(page.get_by_label("Config (YAML)")).to_have_value(f"{edited}\n- stage: nowhere")
    expect(page.get_by_label("Prompt", exact=True)).to_have_value("a ship")


def test_sizes_seeds_and_numbers_of_images_become_a_group(
    studio: Studio, served: ServerProcess
) -> None:
    page = studio.page()
    page.get_by_label("Prompt", exact=True).fill("a boat")
    page.get_by_text("A quick look").click()
    page.get_by_text("Landscape", exact=True).click()
    expect(page.get_by_label("Width", exact=True)).to_have_value("144")
    expect(page.get_by_label("Height", exact=True)).to_have_value("112")
    page.get_by_role("button", name="Roll a seed").click()
    expect(page.get_by_label("Seed", exact=True)).not_to_have_value("")
    page.get_by_label("Seed", exact=True).fill("9223372036854775800")
    page.get_by_label("Images", exact=True).fill("2")
    page.get_by_role("button", name="Paint 2").click()
    page.wait_for_url("**/studio/groups/*")
    with served.client() as client:
        listed = client.get("/v1/jobs").json()["jobs"]
        jobs = [client.get(f"/v1/jobs/{job['id']}").json() for job in listed]
    assert sorted(job["input"]["seed"] for job in jobs) == [
        9223372036854775800,
        9223372036854775801,
    ]


def test_a_stage_is_added_where_it_belongs_and_taken_out(studio: Studio) -> None:
    page = studio.page()
    stages = page.get_by_role("list", name="Stages").get_by_role("listitem")
    expect(stages).to_have_count(9)
    page.get_by_role("button", name="Add a stage").click()
    page.get_by_role("option", name="Matte").click()
    expect(stages).to_have_count(10)
    expect(stages.nth(8)).to_contain_text("Matte")
    stages.nth(8).get_by_role("button", name="Matte").click()
    page.get_by_role("button", name="Take out Matte").click()
    expect(stages).to_have_count(9)


def test_a_picture_and_a_mask_are_sent_kept_and_started_from(
    studio: Studio, served: ServerProcess, tmp_path: Path
) -> None:
    page = studio.page()
    page.get_by_text("All nine stages.").click()
    page.get_by_label("Prompt", exact=True).fill("a boat")
    text = tmp_path / "notes.txt"
    text.write_text("no picture")
    slot = page.get_by_role("region", name="Source picture")
    slot.locator("input[type=file]").set_input_files(text)
    expect(slot.get_by_role("alert")).to_contain_text("notes.txt is text/plain")
    slot.locator("input[type=file]").set_input_files(picture(tmp_path / "red.png"))
    expect(slot).to_contain_text("64 × 48")
    page.get_by_label("Strength", exact=True).first.fill("0.3")
    mask = page.get_by_role("region", name="Mask")
    mask.locator("input[type=file]").set_input_files(half_white(tmp_path / "mask.png"))
    expect(mask).to_contain_text("64 × 48")
    page.reload()  # before the address holds it
    expect(page.get_by_label("Strength", exact=True).first).to_have_value("0.3")
    page.wait_for_url(lambda url: '"mask":"' in draft_in(url))
    # Another machine, or this browser after a restart.
    elsewhere = studio.page(page.url.removeprefix(f"{studio.url}/studio"))
    for shown in (page, elsewhere):
        for name in ("Source picture", "Mask"):
            expect(shown.get_by_role("region", name=name)).to_contain_text("64 × 48")
            sent = shown.get_by_role("img", name=name)
            assert sent.evaluate("async image => (await image.decode(), image.naturalWidth)") == 64
    elsewhere.get_by_label("Prompt", exact=True).press("Control+Enter")
    elsewhere.wait_for_url("**/studio/jobs/*")
    expect(elsewhere.get_by_role("img", name="a boat").first).to_be_visible()
    with served.client() as client:
        made = client.get(f"/v1/jobs/{elsewhere.url.rpartition('/')[2]}").json()
    for kind in ("image", "mask"):
        assert (made["input"][kind]["width"], made["input"][kind]["height"]) == (64, 48)


def test_a_job_or_a_file_is_begun_from(
    studio: Studio, served: ServerProcess, tmp_path: Path
) -> None:
    body = {
        "preset": "draft",
        "overrides": {"text_to_image.steps": 3},
        "input": {"prompt": "a {red|blue} boat", "seed": 9007199254740993},
    }
    with served.client() as client:
        job = client.post("/v1/jobs", json=body).json()
        while job["status"] != "succeeded":
            assert job["status"] in ("queued", "running"), job
            job = client.get(f"/v1/jobs/{job['id']}").json()
        file = tmp_path / "boat.png"
        file.write_bytes(client.get(job["outputs"][0]["url"]).content)
    page = studio.page(f"/?from={job['id']}")
    expect(page.get_by_label("Prompt", exact=True)).to_have_value("a {red|blue} boat")
    expect(page.get_by_label("Seed", exact=True)).to_have_value("9007199254740993")
    page.wait_for_url(lambda url: "from" not in urlsplit(url).query)
    page.get_by_label("Prompt", exact=True).fill("something else")
    drop(page, file, "image/png")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Made by ninefold with seed 9007199254740993")
    dialog.get_by_role("button", name="Take its settings").click()
    expect(page.get_by_label("Prompt", exact=True)).to_have_value("a {red|blue} boat")
    # One that began from a picture: what it took over is there while the job is.
    with served.client() as client:
        sent = {}
        for kind, path in (
            ("image", picture(tmp_path / "red.png")),
            ("mask", half_white(tmp_path / "mask.png")),
        ):
            data = {"file": path.read_bytes()}
            made = client.post("/v1/uploads", files=data, data={"kind": kind}).raise_for_status()
            sent[kind] = made.json()["id"]
        job = finished(client, "/v1/jobs", {**BODY, "input": {"prompt": "a boat", **sent}})
        for upload in sent.values():
            client.delete(f"/v1/uploads/{upload}").raise_for_status()
    page = studio.page(f"/?from={job['id']}")
    page.wait_for_url(lambda url: job["id"] in draft_in(url))
    page.reload()
    for name in ("Source picture", "Mask"):
        expect(page.get_by_role("region", name=name)).to_contain_text("64 × 48")
        seen = page.get_by_role("img", name=name)
        assert seen.evaluate("async image => (await image.decode(), image.naturalWidth)") == 64
    expect(page.get_by_role("region", name="What was not taken over")).to_have_count(0)
    page.get_by_role("button", name="Paint").click()
    page.wait_for_url("**/studio/jobs/*")
    with served.client() as client:
        again = client.get(f"/v1/jobs/{page.url.rpartition('/')[2]}").json()
        assert again["id"] != job["id"]
        for kind in sent:
            assert again["input"][kind] == job["input"][kind]
        # Where its job is gone, so are they.
        elsewhere = studio.page(f"/?from={job['id']}")
        elsewhere.wait_for_url(lambda url: job["id"] in draft_in(url))
        client.delete(f"/v1/jobs/{job['id']}").raise_for_status()
    studio.expected.append("status of 4")
    elsewhere.reload()
    expect(elsewhere.get_by_role("region", name="Mask")).to_contain_text(f"a file of {job['id']}")


def test_what_stands_in_the_way_is_said_at_the_button_and_all_is_kept(
    studio_of: Callable[[str], Studio], tmp_path: Path
) -> None:
    with server(
        tmp_path / "data", environment={"NINEFOLD_MAX_QUEUED": "1"}, engines={"steps_delay": 30}
    ) as busy:
        studio = studio_of(busy.url)
        studio.expected.append("status of 429")
        with busy.client() as client:
            body = {"preset": "draft", "input": {"prompt": "first"}}
            assert client.post("/v1/jobs", json=body).status_code == 202
        page = studio.page()
        page.get_by_label("Prompt", exact=True).fill("second")
        page.get_by_role("button", name="Paint").click()
        alert = page.get_by_role("region", name="Paint").get_by_role("alert")
        expect(alert).to_contain_text("all is kept here")
        assert prompt_of(page) == "second"
        studio.expected += ["ERR_CONNECTION_REFUSED", "Failed to load resource"]
        busy.kill()
        page.get_by_role("button", name="Paint").click()
        expect(alert).to_contain_text("The server is away")
        assert prompt_of(page) == "second"


def test_what_is_wrong_is_told_once_there_is_a_prompt_and_until_it_is_mended(
    studio: Studio,
) -> None:
    studio.expected.append(REFUSED)
    page = studio.page()
    first = page.get_by_role("list", name="Stages").get_by_role("listitem").first
    alert = page.get_by_role("region", name="Paint", exact=True).get_by_role("alert")
    expect(first).to_contain_text("Prompt")
    page.get_by_role("button", name="Paint").click()
    expect(alert).to_contain_text("Give a prompt that is not empty")
    expect(first).not_to_contain_text("problem")
    page.get_by_label("Prompt", exact=True).fill("a {red|blue house")
    expect(first).to_contain_text("1 problem")
    expect(alert).to_have_count(0)
    # Of values that are none, the field is named beside what is wrong.
    page.get_by_label("Seed", exact=True).fill("often")
    page.get_by_role("button", name="Paint").click()
    expect(alert).to_contain_text("input.seed: ")


def test_what_it_will_cost_is_said_before_it_starts(studio: Studio) -> None:
    page = studio.page()
    page.get_by_text("A quick look").click()
    page.get_by_label("Prompt", exact=True).fill("a boat")
    cost = page.get_by_role("button", name="It will cost")
    expect(cost).to_contain_text("time unknown")
    page.get_by_role("button", name="Paint").click()
    expect(page.locator('[data-state="finished"]')).to_have_count(3)
    page.get_by_role("link", name="Compose").click()
    expect(cost).not_to_contain_text("unknown")
    cost.click()
    expect(page.get_by_role("dialog").get_by_role("row")).to_have_count(4)
