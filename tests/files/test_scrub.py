"""Scrubbing: paths and secrets go, prompts and URLs stay; words of a prompt are neither."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ninefold.files.scrub import is_prompt_key, is_secret_key, scrub_prompt, scrub_text


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("/home/ann/models/poster.safetensors", "poster.safetensors"),
        ("/home/ann/My Models/poster v2.safetensors", "poster v2.safetensors"),
        ("/home/ann", "[path removed]"),
        ("/home/ann.smith/", "[path removed]"),
        ("~/pictures/in.png", "in.png"),
        ("~ann/pictures", "[path removed]"),
        (r"C:\Users\ann\out.webp", "out.webp"),
        ("D:/art/ann", "[path removed]"),
        (r"\\server\share\ann", "[path removed]"),
        ("file:///home/ann/x.png", "x.png"),
        ("see /home/ann/x.png, then go", "see x.png, then go"),
        ('cannot open "/root/a b/c"', 'cannot open "[path removed] b/c"'),
        ("model=/data/ann/sd", "model=[path removed]"),
        ("<lora:/home/ann/x:0.8>", "<lora:[path removed]:0.8>"),
        ("(/home/ann/x.png)", "(x.png)"),
        (r"C:\Users\Ann Smith\models", "[path removed]"),
        ("/data/Ann Smith/models", "[path removed]"),
        ("/home/ann/x: no such file", "[path removed]: no such file"),
    ],
)
def test_paths_go(text: str, left: str) -> None:
    assert scrub_text(text) == left


@pytest.mark.parametrize(
    "text",
    [
        "a red house, (windows:1.2), black and/or white, 16/9, f/2.8, 24/7/365",
        "https://huggingface.co/stabilityai/sdxl/resolve/main/x.safetensors",
        "stabilityai/stable-diffusion-xl-base-1.0",
        "generated.png",
        "models/poster/unet",
        "/imagine a cat",
        "<lora:poster:0.8> {a|b} __animals__ [cat:dog:0.5]",
        "ratio 3:4, time 12:30, a // b, <b>bold</b>/<i>x</i>",
        "Häuschen 赤い家 C: drive",
        "task-and-risk-assessment, a token of love, the secret garden",
    ],
)
def test_prompts_and_urls_stay(text: str) -> None:
    assert scrub_text(text) == text
    assert scrub_prompt(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "a flag bearer marching through the snow, ring bearer carrying flowers",
        "a standard bearer 18th-century style, a bearer 1920s-look",
        "/red/blue/green stripes",
        "a tower ~5m/16ft tall",
        "C:\\ and D:\\games on a screen",
        "a terminal that shows /etc/passwd and /usr/bin/bash",
        "a sk-eleton-warrior-with-a-sword, sk-8-the-infinity-skate, sk-1920s-style-dress",
        "xoxo-hugs-and-kisses-2024",
        "ann@example.com, mailto:ann.smith@example.com, @ann",
        "a sign: the password: friend, secret key, access token, api key: golden",
        "a poster of https://example.com/red/house.png?size=large",
        "asia, akita inu, hf_ and nf_words, gh_town, eyJ",
        "¯\\_(ツ)_/¯ 1/2 a/b //comment <b>/i",
    ],
)
def test_words_of_a_prompt_are_no_secrets_and_no_paths(text: str) -> None:
    assert scrub_prompt(text) == text


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("see /home/ann/x.png, then go", "see x.png, then go"),
        ("in the style of /mnt/client/secret/lora.safetensors", "in the style of lora.safetensors"),
        (r"from C:\Users\ann\desk", "from [path removed]"),
        ("/Users/ann/desk and ~/desk", "[path removed] and [path removed]"),
        ("<lora:/home/ann/x:0.8>", "<lora:[path removed]:0.8>"),
    ],
)
def test_private_paths_leave_prompts_too(text: str, left: str) -> None:
    assert scrub_prompt(text) == left


WORDS = st.sampled_from(
    [
        *("bearer", "Bearer", "standing", "sk-", "hf_", "token", "key", "secret", "password"),
        *("red", "/red", "/red/blue", "~5m/16ft", "C:", "D:\\", "and/or", "a|b", "{a|b}", "__x__"),
        *("1920s", "18th-century", "@ann", "ann@example.com", "https://example.com/a", "#1", "$5"),
        *("%", "(sky:1.2)", "[SEP]", "BREAK", "赤い", "🏠", "\\", "/", "~", ":", "=", "?", "&"),
    ]
)


@settings(deadline=None)
@given(st.lists(st.tuples(WORDS, st.sampled_from([" ", ", ", "\n", "-"])), max_size=30))
def test_prompts_of_ordinary_words_stay(parts: list[tuple[str, str]]) -> None:
    text = "".join(word + separator for word, separator in parts)
    assert scrub_prompt(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "hf_abcdefghijklmnopqrstuvwxyz012345",
        "sk-proj-abcdefghijklmnopqrstuvwxyz",
        "key ghp_abcdefghijklmnopqrstuvwxyz0123456789 here",
        "AKIAABCDEFGHIJKLMNOP",
        "Authorization: Bearer abcdef.ghijkl",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2ln",
        "https://ann:hunter22@example.com/x",
        "https://civitai.com/api/download/1?type=Model&token=0123456789abcdef",
        "-----BEGIN RSA PRIVATE KEY-----\nabcdef\n-----END RSA PRIVATE KEY-----",
        "sk-proj-abcd-abcdef12_34567890",
        "nf_abcdefgh23_abcdefabcdefABCDEF-_abcdefabcdefabcdef0123",
        "authorization: Basic abcdefgh",
        "Authorization: abcdefgh",
        "Bearer abcdef123456",
        "api_key=abcdef0123456789, password: hunter22",
        "https://abcdefghijklmnopqr@example.com/x",
    ],
)
@pytest.mark.parametrize("scrub", [scrub_text, scrub_prompt])
def test_secrets_go(text: str, scrub: Callable[[str], str]) -> None:
    left = scrub(f"a red house, {text}")
    assert left.startswith("a red house, ")
    assert "[secret removed]" in left
    for secret in ("abcdef", "hunter22", "0123456789", "AKIA", "eyJ"):
        assert secret not in left


@pytest.mark.parametrize("part", ["sk-", "sk-a1_", "bearer a", "~a/", "C:\\", "://", "/a", "a:"])
def test_scrubbing_long_text_ends(part: str) -> None:
    assert scrub_prompt(part * 5_000)  # takes its length squared where a pattern backtracks


def test_scrubbing_twice_changes_nothing_more() -> None:
    once = scrub_text("/home/ann/x.png hf_abcdefghijklmnopqrstuvwxyz ~/a/b")
    assert scrub_text(once) == once


@pytest.mark.parametrize(
    ("key", "secret"),
    [
        ("api_key", True),
        ("apiKey", True),
        ("APIKEY", True),
        ("hf_token", True),
        ("HfToken", True),
        ("db-password", True),
        ("aws_secret_access_key", True),
        ("Authorization", True),
        ("private key", True),
        ("Token merging ratio", False),
        ("max_tokens", False),
        ("tokenizer", False),
        ("key", False),
        ("keyframe", False),
        ("monkey", False),
        ("Model hash", False),
        ("", False),
    ],
)
def test_secret_keys(key: str, secret: bool) -> None:
    assert is_secret_key(key) is secret


@pytest.mark.parametrize(
    ("key", "prompt"),
    [
        ("prompt", True),
        ("negative_prompt", True),
        ("class_prompts", True),
        ("ADetailer prompt 2nd", True),
        ("Hires prompt", True),
        ("style_texts", True),
        ("wildcards", True),
        ("template", True),
        ("prompt_file", False),
        ("prompter", False),
        ("model", False),
        ("", False),
    ],
)
def test_prompt_keys(key: str, prompt: bool) -> None:
    assert is_prompt_key(key) is prompt
