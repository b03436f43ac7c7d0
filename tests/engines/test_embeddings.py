"""Prompt weights, long prompts, what is cut and the cache, on tiny models of random weights."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ninefold.core.progress import SilentProgress
from ninefold.engines.diffusers_engine import DiffusersEngine
from ninefold.engines.embeddings.cache import EmbeddingCache
from ninefold.engines.embeddings.call_arguments import prompt_arguments
from ninefold.engines.embeddings.clip import chunked_arguments
from ninefold.engines.embeddings.inversion import PromptPair
from ninefold.engines.embeddings.weighted_text import WeightedText, words_from
from ninefold.engines.families import family_of_class
from ninefold.engines.resources import EngineResources
from ninefold.engines.settings import EngineSettings

from .conftest import text

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),  # of diffusers about itself
    pytest.mark.slow,
]

FAMILIES = ["sd15", "sdxl", "sd3", "flux"]
#: One for each text encoder and each way to hand a prompt to it.
ENCODERS = [
    *FAMILIES,
    *("chroma", "flux2", "flux2-klein", "qwen-image", "z-image", "pixart-sigma", "sana", "lumina2"),
    *("kandinsky-2.2", "kandinsky-3", "auraflow", "cogview4"),
]
LONG = "a red house by the sea, " * 60


@pytest.fixture(scope="module")
def pipes(tiny_models: Callable[[str], Path]) -> Callable[[str], Any]:
    found: dict[str, Any] = {}

    def pipe(name: str) -> Any:
        if name not in found:
            import diffusers

            pipeline: Any = diffusers.DiffusionPipeline
            found[name] = pipeline.from_pretrained(str(tiny_models(name)))
            found[name].set_progress_bar_config(disable=True)
        return found[name]

    return pipe


@dataclass
class Painted:
    image: bytes
    warnings: list[str]


def paint(
    pipe: Any, prompt: str, negative: str = "", cache: EmbeddingCache | None = None, **more: Any
) -> Painted:
    """What the pipeline gives in two steps at 64 pixels, guided by its family's argument."""
    warnings: list[str] = []
    family = family_of_class(type(pipe).__name__)
    guidance = family.guidance
    taken = inspect.signature(type(pipe).__call__).parameters
    pair = PromptPair(prompt, negative or guidance.blank_negative or "")
    cache = EmbeddingCache() if cache is None else cache
    with prompt_arguments(pipe, [pair], cache, warnings, **more) as own:
        arguments = {
            **family.arguments,
            **({guidance.argument: 3.0} if guidance.argument else {}),
            **own,
            "num_inference_steps": 2,
            "width": 64,
            "height": 64,
            "output_type": "np",
            "generator": seeded(),
        }
        made = pipe(**{name: value for name, value in arguments.items() if name in taken})
    return Painted(np.asarray(made.images[0], np.float32).tobytes(), warnings)


def seeded() -> Any:
    import torch

    return torch.Generator("cpu").manual_seed(7)


@contextmanager
def encoder_runs(pipe: Any) -> Iterator[list[str]]:
    """Names of the text encoders that ran."""
    ran: list[str] = []
    encoders = {name: part for name, part in pipe.components.items() if "text_encoder" in name}
    hooks = [
        part.register_forward_hook(lambda *_, name=name: ran.append(name))
        for name, part in encoders.items()
        if part is not None
    ]
    try:
        yield ran
    finally:
        for hook in hooks:
            hook.remove()


@pytest.mark.parametrize("name", ENCODERS)
def test_weights_act_on_every_family(pipes: Callable[[str], Any], name: str) -> None:
    pipe = pipes(name)
    plain, neutral = paint(pipe, "a red house"), paint(pipe, "a (red:1.0) house")
    assert plain == neutral == Painted(plain.image, [])
    assert np.isfinite(np.frombuffer(plain.image, np.float32)).all()
    for prompt in ("a (red:1.5) house", "a red (house:0.5)"):
        weighted = paint(pipe, prompt)
        assert weighted.image != plain.image, prompt
        assert weighted.warnings == []


def test_a_weight_in_the_negative_prompt_is_not_the_prompts(pipes: Callable[[str], Any]) -> None:
    pairs = [("red", "red"), ("(red:1.5)", "red"), ("red", "(red:1.5)"), ("(red:1.5)", "(red:1.5)")]
    painted = [paint(pipes("sd3"), *pair) for pair in pairs]
    assert len({item.image for item in painted}) == 4
    assert not any(item.warnings for item in painted)


def test_a_model_that_is_asked_again_is_as_before(pipes: Callable[[str], Any]) -> None:
    pipe = pipes("sd3")
    before = dict(vars(pipe))
    with prompt_arguments(pipe, [PromptPair("a (red:1.5) house", "")], EmbeddingCache(), []):
        assert vars(pipe) != before
    assert vars(pipe) == before
    assert not pipe.text_encoder._forward_hooks


def test_the_end_of_a_prompt_is_reported_by_those_that_do_not_read_it(
    pipes: Callable[[str], Any],
) -> None:
    prompt = (
        "a red house by the sea with a very blue door and two green windows under the new moon at "
    )
    prompt += "midnight"
    assert paint(pipes("flux"), prompt).warnings == [
        "The prompt is longer than the 77 tokens that CLIP can read; left out there: "
        "'midnight'. T5 read all of it."
    ]
    clip, t5 = paint(pipes("flux"), LONG).warnings
    assert "77 tokens that CLIP" in clip
    assert "512 tokens that T5" in t5


def test_more_tokens_are_read_where_the_pipeline_can(pipes: Callable[[str], Any]) -> None:
    pipe, lengths = pipes("sd3"), []
    hook = pipe.text_encoder_3.register_forward_hook(
        lambda _, args, __: lengths.append(args[0].shape[1])
    )
    try:
        prompt = LONG[:300]
        made = paint(pipe, prompt, max_tokens=512)
        assert lengths == [512, 512]
        by_hand = pipe(
            prompt,
            num_inference_steps=2,
            guidance_scale=3.0,
            width=64,
            height=64,
            output_type="np",
            generator=seeded(),
            max_sequence_length=512,
        )
        assert made.image == np.asarray(by_hand.images[0]).tobytes()
        (warning,) = made.warnings
        assert "T5 read all of it" in warning
        lengths.clear()
        paint(pipe, "a house", max_tokens=512)
        assert lengths == [256, 256]
    finally:
        hook.remove()


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("prompt", ["a red house", "a (red:1.5) house"])
def test_a_prompt_is_encoded_once(pipes: Callable[[str], Any], name: str, prompt: str) -> None:
    pipe, cache = pipes(name), EmbeddingCache()
    with encoder_runs(pipe) as ran:
        first = paint(pipe, prompt, cache=cache)
        assert ran
        ran.clear()
        assert paint(pipe, prompt, cache=cache) == first
        assert not ran
        assert paint(pipe, prompt) == first
        assert ran
        ran.clear()
        assert paint(pipe, prompt, cache=cache, state="another LoRA") == first
        assert ran


def test_what_was_cut_is_reported_from_the_cache_too(pipes: Callable[[str], Any]) -> None:
    cache = EmbeddingCache()
    first = paint(pipes("flux"), LONG, cache=cache)
    assert paint(pipes("flux"), LONG, cache=cache) == first
    assert cache.hits
    assert len(first.warnings) == 2


def test_the_cache_is_bounded_and_hands_out_copies() -> None:
    import torch

    cache = EmbeddingCache(limit=100)

    def make(value: float) -> Any:
        return lambda: ((torch.full((10,), value), [None, "x"]), "note")

    (first, _), note = cache.encoded("a", make(1.0))
    first.zero_()
    (kept, _), kept_note = cache.encoded("a", make(2.0))
    assert (float(kept[0]), note, kept_note) == (1.0, "note", "note")
    for key in "bc":
        cache.encoded(key, make(3.0))
    (again, _), _ = cache.encoded("a", make(4.0))
    assert float(again[0]) == 4.0  # the oldest has left
    cache.encoded("big", lambda: (torch.zeros(1000), None))
    cache.encoded("odd", lambda: (object(), None))
    assert (cache.hits, cache.misses) == (1, 6)


@pytest.mark.parametrize(
    ("prompt", "given", "start", "weights"),
    [
        ("a (red:2) sea", "say: a red sea", 5, {7: 2.0, 9: 2.0, 6: 1.0, 11: 1.0}),
        ("A (Red:2)", "a red", 0, {0: 1.0, 2: 2.0}),
        ("(assistant:2)", "assistant<|im_start|>assistant", 0, {0: 2.0, 15: 1.0}),
        ("(a:2) (b:3)", "a, then  b", 0, {0: 2.0, 1: 1.0, 9: 3.0}),
        (" (a:2)", "a a", 2, {0: 1.0, 2: 2.0}),
    ],
)
def test_a_prompt_is_found_in_what_the_tokenizer_gets(
    prompt: str, given: str, start: int, weights: dict[int, float]
) -> None:
    place = WeightedText.parse(prompt).find(given)
    assert place is not None
    assert place.start == start
    assert len(place.weights) == len(given)
    assert {at: place.weights[at] for at in weights} == weights


def test_a_prompt_that_is_not_there_is_not_found() -> None:
    assert WeightedText.parse("a (red:2) sea").find("another text") is None
    assert WeightedText.parse("").find("") is None


def test_a_cut_word_is_left_out_as_a_whole() -> None:
    assert words_from("a red house", 4, 11) == "red house"
    assert words_from("a red house", 5, 11) == "house"
    assert words_from("a red house", 6, 11) == "house"
    assert words_from("a red house", 0, 11) == "a red house"


@pytest.mark.parametrize("name", ["sd15", "sdxl"])
def test_long_prompts_reach_the_embedding(pipes: Callable[[str], Any], name: str) -> None:
    plain, long = (paint(pipes(name), prompt) for prompt in ("a red house", LONG))
    assert plain.image != long.image
    assert long.warnings == []


def test_the_engine_passes_weights_on(tiny_folder: Path) -> None:
    engine = DiffusersEngine(EngineResources(EngineSettings(device="cpu")))
    model = str(tiny_folder)
    plain, weighted = (
        engine.run(text(model=model, prompt=prompt), SilentProgress()).image.tobytes()
        for prompt in ("a red house", "a (red:1.5) house")
    )
    assert plain != weighted


@pytest.mark.parametrize("family", ["tiny_folder", "tiny_xl_folder"])
def test_own_embeddings_are_those_of_diffusers(family: str, request: pytest.FixtureRequest) -> None:
    import torch

    pipe = loaded(request.getfixturevalue(family))
    long_negative = "blurry, " * 20  # two chunks, so that both sides go through own code
    own = chunked_arguments(pipe, PromptPair("a red house", long_negative), EmbeddingCache(), ())
    assert own is not None
    with torch.no_grad():
        expected = pipe.encode_prompt(
            "a red house",
            device="cpu",
            num_images_per_prompt=1,
            do_classifier_free_guidance=False,
        )
    assert torch.equal(own["prompt_embeds"][:, :77], expected[0])
    assert own["prompt_embeds"].shape == own["negative_prompt_embeds"].shape
    assert own["prompt_embeds"].shape[1] == 2 * 77
    if family == "tiny_xl_folder":
        assert torch.equal(own["pooled_prompt_embeds"], expected[2])


def test_a_weight_scales_its_tokens_and_keeps_the_mean(tiny_folder: Path) -> None:
    import torch

    pipe = loaded(tiny_folder)
    # A fresh layer norm leaves no mean at all; trained ones do.
    parts = dict(pipe.text_encoder.named_modules())
    norm = next(part for name, part in parts.items() if name.endswith("final_layer_norm"))
    torch.nn.init.constant_(norm.bias, 0.2)
    with torch.no_grad():
        plain = pipe.encode_prompt("a b", "cpu", 1, False)[0][0]
    own = chunked_arguments(pipe, PromptPair("a (b:1.5)", ""), EmbeddingCache(), ())
    assert own is not None
    weighted = own["prompt_embeds"][0]
    # Tokens: start, "a", "b", end and padding; all share the factor that restores the mean.
    shared = float((weighted[0] / plain[0]).mean())
    expected = plain * shared
    expected[2] *= 1.5
    assert torch.allclose(weighted, expected, atol=1e-5)
    assert float(weighted.mean()) == pytest.approx(float(plain.mean()), rel=1e-3)


def loaded(folder: Path) -> Any:
    import diffusers

    pipeline: Any = diffusers.DiffusionPipeline
    return pipeline.from_pretrained(str(folder))


def test_weights_that_cannot_act_are_reported() -> None:
    class DeafPipeline:
        components: dict[str, Any] = {}  # noqa: RUF012

        def __call__(self, prompt: str) -> None: ...

    warnings: list[str] = []
    with prompt_arguments(
        DeafPipeline(), [PromptPair("a (red:1.3) house", "")], EmbeddingCache(), warnings
    ) as own:
        assert own["prompt"] == "a red house"
    assert warnings == [
        "The weights in 'a red house' do not act: of this model's text encoders none tells which "
        "part of its result stands for which word."
    ]
