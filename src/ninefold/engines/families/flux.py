"""FLUX, and the families built like it."""

from __future__ import annotations

from dataclasses import replace

from ninefold.engines.families.family import UNGUIDED, Family, Guidance, Mark, Variant

#: FLUX was distilled from a guided model: the network is given the scale. Its pipelines can guide
#: it again, by a negative prompt and a scale of their own.
_EMBEDDED = Guidance(
    kind="embedded",
    scale=3.5,
    takes_negative=False,
    blank_negative=" ",
    true_cfg_argument="true_cfg_scale",
)

FLUX = Family(
    name="FLUX.1",
    text="FluxPipeline",
    image="FluxImg2ImgPipeline",
    inpaint="FluxInpaintPipeline",
    also=(
        "FluxControlNetPipeline",
        "FluxControlNetImg2ImgPipeline",
        "FluxControlNetInpaintPipeline",
    ),
    native=1024,
    patch=2,
    steps=28,
    guidance=_EMBEDDED,
    prompt_tokens=512,
    variants=(
        Variant(
            name="schnell",
            marks=(
                (
                    Mark("transformer", "guidance_embeds", (False, None)),
                    Mark("scheduler", "use_dynamic_shifting", (False, None)),
                ),
            ),
            words=("schnell",),
            changes={
                "steps": 4,
                "guidance": replace(
                    UNGUIDED, blank_negative=" ", true_cfg_argument="true_cfg_scale"
                ),
                "prompt_tokens": 256,
            },
        ),
        Variant(
            name="de-distilled",
            marks=((Mark("transformer", "guidance_embeds", (False, None)),),),
            changes={
                "guidance": Guidance(argument="true_cfg_scale", scale=3.5, blank_negative=" ")
            },
        ),
        Variant(name="Turbo", words=("turbo", "hyper"), changes={"steps": 8}),
    ),
)

FLUX_KONTEXT = Family(
    name="FLUX.1 Kontext",
    bases=("FLUX.1",),
    text="FluxPipeline",
    image="FluxImg2ImgPipeline",
    inpaint="FluxInpaintPipeline",
    edit="FluxKontextPipeline",
    also=("FluxKontextInpaintPipeline",),
    native=1024,
    patch=2,
    steps=28,
    guidance=replace(_EMBEDDED, scale=2.5),
    prompt_tokens=512,
)

FLUX_FILL = Family(
    name="FLUX.1 Fill",
    bases=("FLUX.1",),
    text=None,
    inpaint="FluxFillPipeline",
    latent_start=False,
    instead="paints only inside a mask: name it as the model of the detailer, or give "
    "text_to_image an image and a mask",
    native=1024,
    patch=2,
    steps=50,
    guidance=Guidance(kind="embedded", scale=30.0, takes_negative=False),
    prompt_tokens=512,
)

FLUX_CONTROL = Family(
    name="FLUX.1 Control",
    bases=("FLUX.1",),
    text=None,
    also=("FluxControlPipeline", "FluxControlImg2ImgPipeline", "FluxControlInpaintPipeline"),
    latent_start=False,
    instead="paints only from a control image (depth or edges) and takes the place of FLUX.1",
    native=1024,
    patch=2,
    steps=28,
    guidance=Guidance(kind="embedded", scale=10.0, takes_negative=False),
    prompt_tokens=512,
)

FLUX_2 = Family(
    name="FLUX.2",
    text="Flux2Pipeline",
    edit="Flux2Pipeline",
    references=10,
    native=1024,
    patch=2,
    steps=50,
    guidance=Guidance(kind="embedded", scale=4.0, takes_negative=False),
    prompt_tokens=512,
    variants=(Variant(name="Turbo", words=("turbo",), changes={"steps": 8}),),
)

FLUX_2_KLEIN = Family(
    name="FLUX.2 klein",
    bases=("FLUX.2",),
    text="Flux2KleinPipeline",
    inpaint="Flux2KleinInpaintPipeline",
    edit="Flux2KleinPipeline",
    references=10,
    also=("Flux2KleinKVPipeline",),
    native=1024,
    patch=2,
    steps=50,
    guidance=Guidance(scale=4.0, takes_negative=False),
    prompt_tokens=512,
    variants=(
        Variant(
            name="distilled",
            marks=((Mark("", "is_distilled", (True,)),),),
            changes={"steps": 4, "guidance": UNGUIDED},
        ),
        Variant(
            name="KV",
            marks=((Mark("", "_class_name", ("Flux2KleinKVPipeline",)),),),
            changes={"steps": 4, "guidance": UNGUIDED},
        ),
    ),
)

CHROMA = Family(
    name="Chroma",
    bases=("Chroma", "FLUX.1"),
    text="ChromaPipeline",
    image="ChromaImg2ImgPipeline",
    also=("ChromaInpaintPipeline",),  # which diffusers 0.42 cannot run: it asks for FLUX's config
    native=1024,
    patch=2,
    steps=35,
    guidance=Guidance(scale=5.0),
    prompt_tokens=512,
    variants=(
        Variant(
            name="Flash", words=("flash",), changes={"steps": 8, "guidance": Guidance(scale=1.0)}
        ),
    ),
)

QWEN_IMAGE = Family(
    name="Qwen-Image",
    text="QwenImagePipeline",
    image="QwenImageImg2ImgPipeline",
    inpaint="QwenImageInpaintPipeline",
    also=("QwenImageControlNetPipeline", "QwenImageControlNetInpaintPipeline"),
    native=1024,
    patch=2,
    steps=50,
    guidance=Guidance(argument="true_cfg_scale", scale=4.0, blank_negative=" "),
    prompt_tokens=1024,
    variants=(
        Variant(
            name="distilled",
            marks=((Mark("transformer", "guidance_embeds", (True,)),),),
            changes={
                "steps": 10,
                "guidance": replace(_EMBEDDED, scale=1.0),
            },
        ),
        Variant(
            name="Lightning",
            words=("lightning", "turbo"),
            changes={"steps": 8, "guidance": Guidance(argument="true_cfg_scale", scale=1.0)},
        ),
    ),
)

QWEN_IMAGE_EDIT = Family(
    name="Qwen-Image-Edit",
    bases=("Qwen-Image",),
    text=None,
    image="QwenImageImg2ImgPipeline",
    inpaint="QwenImageInpaintPipeline",
    edit="QwenImageEditPipeline",
    also=("QwenImageEditInpaintPipeline",),
    instead="changes a reference image as the prompt says",
    native=1024,
    patch=2,
    steps=40,
    guidance=Guidance(argument="true_cfg_scale", scale=4.0, blank_negative=" "),
    prompt_tokens=1024,
    variants=(
        Variant(
            name="Lightning",
            words=("lightning", "turbo"),
            changes={"steps": 8, "guidance": Guidance(argument="true_cfg_scale", scale=1.0)},
        ),
    ),
)

QWEN_IMAGE_EDIT_PLUS = Family(
    name="Qwen-Image-Edit Plus",
    bases=("Qwen-Image",),
    text=None,
    image="QwenImageImg2ImgPipeline",
    inpaint="QwenImageInpaintPipeline",
    edit="QwenImageEditPlusPipeline",
    references=8,
    instead="changes reference images as the prompt says",
    native=1024,
    patch=2,
    steps=40,
    guidance=Guidance(argument="true_cfg_scale", scale=4.0, blank_negative=" "),
    prompt_tokens=1024,
    variants=QWEN_IMAGE_EDIT.variants,
)

QWEN_IMAGE_LAYERED = Family(
    name="Qwen-Image-Layered",
    bases=("Qwen-Image",),
    text=None,
    also=("QwenImageLayeredPipeline",),
    latent_start=False,
    instead="takes an image apart into layers, which no stage does",
    native=640,
    patch=2,
    steps=50,
    prompt_tokens=512,
)

QWEN_IMAGE_2_1 = Family(
    name="Qwen-Image 2.1",
    text="QwenImage21Pipeline",
    edit="QwenImage21Pipeline",
    references=8,
    native=1024,
    latent_scale=16,
    patch=2,
    steps=40,
    guidance=Guidance(argument="true_cfg_scale", scale=1.0, blank_negative=" "),
)

Z_IMAGE = Family(
    name="Z-Image",
    text="ZImagePipeline",
    image="ZImageImg2ImgPipeline",
    inpaint="ZImageInpaintPipeline",
    also=("ZImageControlNetPipeline", "ZImageControlNetInpaintPipeline"),
    native=1024,
    patch=2,
    steps=50,
    guidance=Guidance(scale=4.0, off=0.0),
    prompt_tokens=512,
    variants=(
        Variant(
            name="Turbo",
            marks=((Mark("scheduler", "shift", (3.0,)),),),
            words=("turbo",),
            changes={"steps": 9, "guidance": Guidance(scale=0.0, off=0.0)},
        ),
    ),
)

Z_IMAGE_OMNI = Family(
    name="Z-Image Omni",
    bases=("Z-Image",),
    text="ZImageOmniPipeline",
    edit="ZImageOmniPipeline",
    references=8,
    native=1024,
    patch=2,
    steps=50,
    guidance=Guidance(scale=4.0, off=0.0),
    prompt_tokens=512,
)

KREA_2 = Family(
    name="Krea 2",
    text="Krea2Pipeline",
    native=1024,
    patch=2,
    steps=28,
    guidance=Guidance(scale=4.5, off=0.0),
    prompt_tokens=512,
    variants=(
        Variant(
            name="distilled",
            marks=((Mark("", "is_distilled", (True,)),),),
            changes={"steps": 8, "guidance": Guidance(scale=0.0, off=0.0)},
        ),
    ),
)

OVIS_IMAGE = Family(
    name="Ovis-Image",
    text="OvisImagePipeline",
    native=1024,
    patch=2,
    steps=50,
    guidance=Guidance(scale=5.0),
    prompt_tokens=256,
)

LONGCAT_IMAGE = Family(
    name="LongCat-Image",
    text="LongCatImagePipeline",
    native=1024,
    patch=2,
    steps=50,
    guidance=Guidance(scale=4.5),
    prompt_tokens=512,
    arguments={"enable_prompt_rewrite": False},
)

LONGCAT_IMAGE_EDIT = Family(
    name="LongCat-Image-Edit",
    text=None,
    edit="LongCatImageEditPipeline",
    instead="changes a reference image as the prompt says",
    native=1024,
    patch=2,
    steps=50,
    guidance=Guidance(scale=4.5),
    prompt_tokens=512,
)

BRIA = Family(
    name="Bria",
    text="BriaPipeline",
    native=1024,
    patch=2,
    steps=30,
    guidance=Guidance(scale=5.0),
    prompt_tokens=128,
)

BRIA_FIBO = Family(
    name="Bria FIBO",
    text="BriaFiboPipeline",
    native=1024,
    latent_scale=16,
    patch=1,
    steps=50,
    guidance=Guidance(scale=5.0),
    prompt_tokens=3000,
)

BRIA_FIBO_2 = Family(
    name="Bria FIBO 2",
    text="BriaFibo2Pipeline",
    edit="BriaFibo2Pipeline",
    references=5,
    native=1024,
    patch=2,
    steps=30,
    guidance=Guidance(scale=5.0),
)

FAMILIES = (
    FLUX,
    FLUX_KONTEXT,
    FLUX_FILL,
    FLUX_CONTROL,
    FLUX_2,
    FLUX_2_KLEIN,
    CHROMA,
    QWEN_IMAGE,
    QWEN_IMAGE_EDIT,
    QWEN_IMAGE_EDIT_PLUS,
    QWEN_IMAGE_LAYERED,
    QWEN_IMAGE_2_1,
    Z_IMAGE,
    Z_IMAGE_OMNI,
    KREA_2,
    OVIS_IMAGE,
    LONGCAT_IMAGE,
    LONGCAT_IMAGE_EDIT,
    BRIA,
    BRIA_FIBO,
    BRIA_FIBO_2,
)
