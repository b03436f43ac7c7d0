"""Kandinsky, and families made like it of a prior and a decoder."""

from __future__ import annotations

from ninefold.engines.families.family import Family, Guidance

KANDINSKY_3 = Family(
    name="Kandinsky 3",
    text="Kandinsky3Pipeline",
    image="Kandinsky3Img2ImgPipeline",
    native=1024,
    patch=8,
    steps=25,
    guidance=Guidance(scale=3.0),
    scheduler="noise",
    dtype="float16",
    prompt_tokens=128,
)

_PRIOR = "is the decoder alone and needs its prior: save both as {} (pipe.save_pretrained)"

KANDINSKY_2 = Family(
    name="Kandinsky 2.1",
    text="KandinskyCombinedPipeline",
    # Whose image-to-image takes width for height.
    also=("KandinskyImg2ImgCombinedPipeline", "KandinskyInpaintCombinedPipeline"),
    native=512,
    patch=8,
    steps=50,
    guidance=Guidance(scale=4.0),
    scheduler="own",
    dtype="float16",
    prompt_tokens=77,
)

KANDINSKY_2_2 = Family(
    name="Kandinsky 2.2",
    text="KandinskyV22CombinedPipeline",
    # Whose image-to-image takes width for height.
    also=("KandinskyV22Img2ImgCombinedPipeline", "KandinskyV22InpaintCombinedPipeline"),
    native=512,
    patch=8,
    steps=50,
    guidance=Guidance(scale=4.0),
    scheduler="own",
    dtype="float16",
    prompt_tokens=77,
)

KANDINSKY_DECODER = Family(
    name="Kandinsky 2 decoder",
    text=None,
    also=(
        "KandinskyPipeline",
        "KandinskyImg2ImgPipeline",
        "KandinskyInpaintPipeline",
        "KandinskyV22Pipeline",
        "KandinskyV22Img2ImgPipeline",
        "KandinskyV22InpaintPipeline",
        "KandinskyV22ControlnetPipeline",
        "KandinskyV22ControlnetImg2ImgPipeline",
    ),
    latent_start=False,
    instead=_PRIOR.format("KandinskyCombinedPipeline or KandinskyV22CombinedPipeline"),
    native=512,
    steps=50,
    scheduler="own",
)

STABLE_CASCADE = Family(
    name="Stable Cascade",
    text="StableCascadeCombinedPipeline",
    native=1024,
    latent_scale=4,
    patch=32,
    steps=10,
    guidance=Guidance(argument="prior_guidance_scale", scale=4.0),
    scheduler="own",
    prompt_tokens=77,
    arguments={"prior_num_inference_steps": 20},
)

WUERSTCHEN = Family(
    name="Würstchen",
    text="WuerstchenCombinedPipeline",
    native=1024,
    latent_scale=4,
    patch=32,
    steps=12,
    guidance=Guidance(argument="prior_guidance_scale", scale=4.0),
    scheduler="own",
    dtype="float16",
    prompt_tokens=77,
)

CASCADE_DECODER = Family(
    name="Stable Cascade decoder",
    text=None,
    also=(
        "StableCascadeDecoderPipeline",
        "StableCascadePriorPipeline",
        "WuerstchenDecoderPipeline",
        "WuerstchenPriorPipeline",
    ),
    instead="is half of a model: save both halves as StableCascadeCombinedPipeline or "
    "WuerstchenCombinedPipeline (pipe.save_pretrained)",
    native=1024,
    steps=12,
    scheduler="own",
)

FAMILIES = (
    KANDINSKY_2,
    KANDINSKY_2_2,
    KANDINSKY_DECODER,
    KANDINSKY_3,
    STABLE_CASCADE,
    WUERSTCHEN,
    CASCADE_DECODER,
)
