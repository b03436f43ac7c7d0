"""Stable Diffusion 1 to 3, and other UNets on its latents."""

from __future__ import annotations

from ninefold.engines.families.family import Family, Guidance, Mark, Variant

_TRAILING = (
    Mark("scheduler", "timestep_spacing", ("trailing",)),
    Mark("scheduler", "prediction_type", ("epsilon", None)),
    Mark("scheduler", "rescale_betas_zero_snr", (False, None)),
)
_LCM = Mark("scheduler", "_class_name", ("LCMScheduler",))
#: Of a latent consistency model, whose UNet is given the guidance scale.
_CONDITIONED = Guidance(kind="embedded", scale=8.5, takes_negative=False)
_OFF = Guidance(scale=0.0)

#: Few-step models; the first that fits counts. Guidance is off, but acts where it is asked for.
_FEW_STEPS = (
    Variant(
        name="LCM",
        marks=((_LCM,),),
        words=("lcm",),
        changes={"steps": 4, "max_steps": 50, "guidance": _OFF},
    ),
    Variant(
        name="Hyper",
        marks=((Mark("scheduler", "_class_name", ("TCDScheduler",)),),),
        words=("hyper", "tcd"),
        changes={"steps": 8, "guidance": _OFF},
    ),
    Variant(name="DMD2", words=("dmd",), changes={"steps": 4, "guidance": _OFF}),
)

#: Of a UNet that also takes the mask and the image outside it.
_INPAINTING = Variant(
    name="inpainting",
    marks=((Mark("unet", "in_channels", (9,)),),),
    changes={
        "text": None,
        "image": None,
        "latent_start": False,
        "instead": "paints only inside a mask: name it as the model of the detailer, or give "
        "text_to_image an image and a mask",
    },
)

STABLE_DIFFUSION = Family(
    name="Stable Diffusion",
    seamless=True,
    bases=("Stable Diffusion 1", "Stable Diffusion 2"),
    text="StableDiffusionPipeline",
    image="StableDiffusionImg2ImgPipeline",
    inpaint="StableDiffusionInpaintPipeline",
    also=(
        "StableDiffusionPAGPipeline",
        "StableDiffusionPAGImg2ImgPipeline",
        "StableDiffusionPAGInpaintPipeline",
        "StableDiffusionControlNetPipeline",
        "StableDiffusionControlNetImg2ImgPipeline",
        "StableDiffusionControlNetInpaintPipeline",
        "StableDiffusionControlNetPAGPipeline",
        "StableDiffusionControlNetPAGInpaintPipeline",
        "StableDiffusionAdapterPipeline",
        "StableDiffusionSAGPipeline",
        "StableDiffusionPanoramaPipeline",
        "StableDiffusionAttendAndExcitePipeline",
        "StableDiffusionDiffEditPipeline",
        "SemanticStableDiffusionPipeline",
        "StableDiffusionParadigmsPipeline",
        "StableDiffusionModelEditingPipeline",
        "StableDiffusionPix2PixZeroPipeline",
        "StableDiffusionLDM3DPipeline",
        "CycleDiffusionPipeline",
    ),
    native=512,
    sample_size=True,
    steps=30,
    guidance=Guidance(scale=7.5),
    scheduler="noise",
    dtype="float16",
    variants=(
        _INPAINTING,
        Variant(
            name="Turbo",
            marks=(_TRAILING,),
            words=("turbo",),
            changes={"steps": 4, "guidance": _OFF},
        ),
        *_FEW_STEPS,
    ),
)

LATENT_CONSISTENCY = Family(
    name="Latent consistency model",
    seamless=True,
    bases=("Stable Diffusion 1",),
    text="LatentConsistencyModelPipeline",
    # Its own image-to-image runs all steps, however small the strength, and refuses small ones.
    also=("LatentConsistencyModelImg2ImgPipeline",),
    native=512,
    sample_size=True,
    steps=4,
    max_steps=50,
    guidance=_CONDITIONED,
    scheduler="own",
    dtype="float16",
)

INSTRUCT_PIX2PIX = Family(
    name="InstructPix2Pix",
    seamless=True,
    bases=("Stable Diffusion 1",),
    text=None,
    edit="StableDiffusionInstructPix2PixPipeline",
    instead="changes a reference image as the prompt says",
    native=512,
    steps=30,
    guidance=Guidance(scale=7.5),
    scheduler="noise",
    dtype="float16",
)

_XL_FEW_STEPS = (
    Variant(
        name="Turbo",
        marks=((*_TRAILING, Mark("unet", "sample_size", (64,))),),
        words=("turbo",),
        changes={"steps": 4, "guidance": _OFF, "native": 512},
    ),
    *_FEW_STEPS,
    Variant(
        name="Lightning",
        marks=(_TRAILING,),
        words=("lightning",),
        changes={"steps": 4, "guidance": _OFF},
    ),
)

STABLE_DIFFUSION_XL = Family(
    name="SDXL",
    seamless=True,
    text="StableDiffusionXLPipeline",
    image="StableDiffusionXLImg2ImgPipeline",
    inpaint="StableDiffusionXLInpaintPipeline",
    also=(
        "StableDiffusionXLPAGPipeline",
        "StableDiffusionXLPAGImg2ImgPipeline",
        "StableDiffusionXLPAGInpaintPipeline",
        "StableDiffusionXLControlNetPipeline",
        "StableDiffusionXLControlNetImg2ImgPipeline",
        "StableDiffusionXLControlNetInpaintPipeline",
        "StableDiffusionXLControlNetPAGPipeline",
        "StableDiffusionXLControlNetPAGImg2ImgPipeline",
        "StableDiffusionXLControlNetUnionPipeline",
        "StableDiffusionXLControlNetUnionImg2ImgPipeline",
        "StableDiffusionXLControlNetUnionInpaintPipeline",
        "StableDiffusionXLAdapterPipeline",
    ),
    hands_over="SDXL",
    native=1024,
    sample_size=True,
    steps=30,
    guidance=Guidance(scale=5.0),
    scheduler="noise",
    dtype="float16",
    variants=(
        Variant(
            name="refiner",
            marks=((Mark("", "text_encoder", ([None, None], None)),),),
            changes={
                "text": None,
                "instead": "works over an image that there is: name it as the model of the refiner",
            },
        ),
        _INPAINTING,
        *_XL_FEW_STEPS,
    ),
)

XL_INSTRUCT_PIX2PIX = Family(
    name="InstructPix2Pix XL",
    seamless=True,
    bases=("SDXL",),
    text=None,
    edit="StableDiffusionXLInstructPix2PixPipeline",
    instead="changes a reference image as the prompt says",
    native=768,
    steps=30,
    guidance=Guidance(scale=5.0),
    scheduler="noise",
    dtype="float16",
)

STABLE_DIFFUSION_3 = Family(
    name="Stable Diffusion 3",
    text="StableDiffusion3Pipeline",
    image="StableDiffusion3Img2ImgPipeline",
    inpaint="StableDiffusion3InpaintPipeline",
    also=(
        "StableDiffusion3PAGPipeline",
        "StableDiffusion3PAGImg2ImgPipeline",
        "StableDiffusion3ControlNetPipeline",
        "StableDiffusion3ControlNetInpaintingPipeline",
    ),
    native=1024,
    sample_size=True,
    patch=2,
    positions="pos_embed_max_size",
    steps=28,
    guidance=Guidance(scale=7.0),
    prompt_tokens=512,
    variants=(Variant(name="Turbo", words=("turbo",), changes={"steps": 4, "guidance": _OFF}),),
)

KOLORS = Family(
    name="Kolors",
    seamless=True,
    bases=("Kolors", "SDXL"),
    text="KolorsPipeline",
    image="KolorsImg2ImgPipeline",
    also=("KolorsPAGPipeline",),
    native=1024,
    sample_size=True,
    steps=30,
    guidance=Guidance(scale=5.0),
    scheduler="noise",
    dtype="float16",
    prompt_tokens=256,
    packages=("sentencepiece",),
)

DEEPFLOYD_IF = Family(
    name="DeepFloyd IF",
    text="IFPipeline",
    image="IFImg2ImgPipeline",
    inpaint="IFInpaintingPipeline",
    latent_start=False,
    native=64,
    sample_size=True,
    latent_scale=1,
    patch=8,
    steps=50,
    guidance=Guidance(scale=7.0),
    scheduler="own",
    dtype="float16",
    prompt_tokens=77,
    arguments={"clean_caption": False},
)

LATENT_DIFFUSION = Family(
    name="Latent diffusion",
    text="LDMTextToImagePipeline",
    native=256,
    sample_size=True,
    steps=50,
    guidance=Guidance(scale=6.0, takes_negative=False),
    scheduler="noise",
    dtype="float16",
    prompt_tokens=77,
)

AMUSED = Family(
    name="aMUSEd",
    text="AmusedPipeline",
    image="AmusedImg2ImgPipeline",
    inpaint="AmusedInpaintPipeline",
    native=512,
    sample_size=True,
    patch=16,  # its inpainting scales masks to multiples of 16 positions
    steps=12,
    guidance=Guidance(scale=10.0),
    scheduler="own",
    dtype="float16",
    prompt_tokens=77,
    latent_start=False,
)

UPSCALERS = Family(
    name="Stable Diffusion upscaler",
    bases=("Stable Diffusion 2",),
    text=None,
    also=(
        "StableDiffusionUpscalePipeline",
        "StableDiffusionLatentUpscalePipeline",
        "IFSuperResolutionPipeline",
        "IFImg2ImgSuperResolutionPipeline",
        "IFInpaintingSuperResolutionPipeline",
    ),
    latent_start=False,
    instead="enlarges images: to enlarge, use the upscaler stage with an ONNX or spandrel model",
    native=512,
    steps=50,
    scheduler="noise",
)

FAMILIES = (
    STABLE_DIFFUSION,
    LATENT_CONSISTENCY,
    INSTRUCT_PIX2PIX,
    STABLE_DIFFUSION_XL,
    XL_INSTRUCT_PIX2PIX,
    STABLE_DIFFUSION_3,
    KOLORS,
    DEEPFLOYD_IF,
    LATENT_DIFFUSION,
    AMUSED,
    UPSCALERS,
)
