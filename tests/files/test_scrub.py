"""Scrubbing: paths and secrets go, prompts and URLs stay."""

from __future__ import annotations

import pytest

from ninefold.files.scrub import is_secret_key, scrub_text


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
    ],
)
def test_secrets_go(text: str) -> None:
    left = scrub_text(text)
    assert "[secret removed]" in left
    for secret in ("abcdef", "hunter22", "0123456789", "AKIA", "eyJ"):
        assert secret not in left


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
