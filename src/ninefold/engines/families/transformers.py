"""Further families of transformers, each with layouts of its own."""

from __future__ import annotations

from ninefold.engines.families.family import UNGUIDED, Family, Guidance, Mark, Variant

#: Sizes are painted as asked for, not at the nearest of a list and resized after; and prompts are
#: cleaned alike whether or not the libraries for more are installed.
_AS_ASKED = {"use_resolution_binning": False}
_UNCLEANED = {"clean_caption": False}
_FLOW_LCM = Mark("scheduler", "_class_name", ("FlowMatchLCMScheduler",))

PIXART = Family(
    name="PixArt",
    text="PixArtAlphaPipeline",
    native=1024,
    sample_size=True,
    patch=2,
    steps=20,
    guidance=Guidance(scale=4.5),
    scheduler="noise",
    prompt_tokens=120,
    arguments={**_AS_ASKED, **_UNCLEANED},
    variants=(
        Variant(
            name="LCM",
            marks=((Mark("scheduler", "_class_name", ("LCMScheduler",)),),),
            words=("lcm",),
            changes={"steps": 4, "guidance": Guidance(scale=0.0)},
        ),
    ),
)

PIXART_SIGMA = Family(
    name="PixArt Sigma",
    bases=("PixArt",),
    text="PixArtSigmaPipeline",
    also=("PixArtSigmaPAGPipeline",),
    native=1024,
    sample_size=True,
    patch=2,
    steps=20,
    guidance=Guidance(scale=4.5),
    scheduler="noise",
    prompt_tokens=300,
    arguments={**_AS_ASKED, **_UNCLEANED},
)

SANA = Family(
    name="Sana",
    text="SanaPipeline",
    also=("SanaPAGPipeline", "SanaControlNetPipeline"),
    native=1024,
    sample_size=True,
    latent_scale=32,
    steps=20,
    guidance=Guidance(scale=4.5),
    prompt_tokens=300,
    arguments=_AS_ASKED,
)

SANA_SPRINT = Family(
    name="Sana-Sprint",
    bases=("Sana",),
    text="SanaSprintPipeline",
    image="SanaSprintImg2ImgPipeline",
    native=1024,
    sample_size=True,
    latent_scale=32,
    steps=2,
    guidance=Guidance(kind="embedded", scale=4.5, takes_negative=False),
    scheduler="own",
    prompt_tokens=300,
    arguments=_AS_ASKED,
    other_steps={"intermediate_timesteps": None},
)

LUMINA = Family(
    name="Lumina-Next",
    text="LuminaPipeline",
    native=1024,
    sample_size=True,
    patch=2,
    steps=30,
    guidance=Guidance(scale=4.0),
    prompt_tokens=256,
    arguments=_UNCLEANED,
)

LUMINA_2 = Family(
    name="Lumina 2",
    text="Lumina2Pipeline",
    native=1024,
    sample_size=True,
    patch=2,
    steps=30,
    guidance=Guidance(scale=4.0),
    prompt_tokens=256,
)

HIDREAM = Family(
    name="HiDream-I1",
    text="HiDreamImagePipeline",
    native=1024,
    patch=2,
    max_area=1024 * 1024,
    steps=50,
    guidance=Guidance(scale=5.0),
    prompt_tokens=128,
    size_attribute="default_sample_size",
    variants=(
        Variant(
            name="Dev",
            marks=((_FLOW_LCM, Mark("scheduler", "shift", (6.0,))),),
            words=("dev",),
            changes={"steps": 28, "guidance": Guidance(scale=0.0)},
        ),
        Variant(
            name="Fast",
            marks=((_FLOW_LCM,),),
            words=("fast",),
            changes={"steps": 16, "guidance": Guidance(scale=0.0)},
        ),
    ),
)

AURA_FLOW = Family(
    name="AuraFlow",
    text="AuraFlowPipeline",
    native=1024,
    patch=2,
    positions="pos_embed_max_size",
    positions_are_area=True,
    steps=50,
    guidance=Guidance(scale=3.5),
    prompt_tokens=256,
)

COGVIEW_3 = Family(
    name="CogView3-Plus",
    text="CogView3PlusPipeline",
    native=1024,
    sample_size=True,
    patch=2,
    positions="pos_embed_max_size",
    steps=50,
    guidance=Guidance(scale=5.0),
    scheduler="own",
    prompt_tokens=224,
)

COGVIEW_4 = Family(
    name="CogView4",
    text="CogView4Pipeline",
    native=1024,
    sample_size=True,
    patch=2,
    steps=50,
    guidance=Guidance(scale=5.0),
    prompt_tokens=1024,
)

COGVIEW_4_CONTROL = Family(
    name="CogView4 Control",
    text=None,
    also=("CogView4ControlPipeline",),
    latent_start=False,
    instead="paints only from a control image and takes the place of CogView4",
    native=1024,
    patch=2,
    steps=50,
)

HUNYUAN_DIT = Family(
    name="Hunyuan-DiT",
    text="HunyuanDiTPipeline",
    also=("HunyuanDiTPAGPipeline", "HunyuanDiTControlNetPipeline"),
    native=1024,
    sample_size=True,
    patch=2,
    steps=50,
    guidance=Guidance(scale=5.0),
    scheduler="noise",
    prompt_tokens=256,
    arguments=_AS_ASKED,
    variants=(
        Variant(
            name="distilled",
            words=("distilled",),
            changes={"steps": 25},
        ),
    ),
)

HUNYUAN_IMAGE = Family(
    name="HunyuanImage",
    text="HunyuanImagePipeline",
    native=2048,
    latent_scale=32,
    steps=50,
    guidance=Guidance(argument="", parts=("guider", "ocr_guider"), scale=3.5),
    prompt_tokens=1000,
    variants=(
        Variant(
            name="distilled",
            marks=((Mark("transformer", "guidance_embeds", (True,)),),),
            changes={
                "steps": 8,
                "guidance": Guidance(
                    kind="embedded",
                    argument="distilled_guidance_scale",
                    scale=3.25,
                    takes_negative=False,
                ),
            },
        ),
    ),
)

ERNIE_IMAGE = Family(
    name="ERNIE-Image",
    text="ErnieImagePipeline",
    native=1024,
    patch=2,
    steps=50,
    guidance=Guidance(scale=4.0),
    arguments={"use_pe": False},
    variants=(
        Variant(
            name="Turbo",
            words=("turbo",),
            changes={"steps": 8, "guidance": Guidance(scale=1.0)},
        ),
    ),
)

GLM_IMAGE = Family(
    name="GLM-Image",
    text="GlmImagePipeline",
    edit="GlmImagePipeline",
    references=4,
    latent_start=False,
    native=1024,
    sample_size=True,
    patch=4,
    steps=50,
    guidance=Guidance(scale=1.5, takes_negative=False),
    prompt_tokens=2048,
)

IDEOGRAM_4 = Family(
    name="Ideogram 4",
    text="Ideogram4Pipeline",
    native=2048,
    patch=2,
    steps=48,
    guidance=Guidance(scale=7.0, off=0.0, takes_negative=False),
    scheduler="own",
    prompt_tokens=2048,
    arguments={"guidance_schedule": None},  # else it wants that in place of the scale
)

NUCLEUS_MOE = Family(
    name="Nucleus-Image",
    text="NucleusMoEImagePipeline",
    native=1024,
    patch=2,
    steps=50,
    guidance=Guidance(scale=4.0),
)

OMNIGEN = Family(
    name="OmniGen",
    text="OmniGenPipeline",
    native=1024,
    patch=2,
    steps=50,
    packages=("torchvision",),
    guidance=Guidance(scale=2.5, takes_negative=False),
)

DREAM_LITE = Family(
    name="DreamLite",
    text="DreamLitePipeline",
    edit="DreamLitePipeline",
    native=1024,
    patch=2,
    steps=30,
    guidance=Guidance(scale=3.5),
    prompt_tokens=200,
)

DREAM_LITE_MOBILE = Family(
    name="DreamLite Mobile",
    text="DreamLiteMobilePipeline",
    edit="DreamLiteMobilePipeline",
    native=1024,
    patch=2,
    steps=4,
    guidance=UNGUIDED,
    prompt_tokens=200,
)

PRX = Family(
    name="PRX",
    text="PRXPipeline",
    native=512,
    patch=2,
    steps=28,
    guidance=Guidance(scale=4.0),
    prompt_tokens=256,
    arguments={**_AS_ASKED, "skip_text_cleaning": True},
    variants=(
        Variant(
            name="1024",
            marks=((Mark("", "default_sample_size", (1024,)),),),
            changes={"native": 1024},
        ),
        Variant(
            name="256",
            marks=((Mark("", "default_sample_size", (256,)),),),
            changes={"native": 256},
        ),
    ),
)

PRX_PIXEL = Family(
    name="PRX Pixel",
    text="PRXPixelPipeline",
    native=1024,
    latent_scale=1,
    patch=16,
    steps=28,
    guidance=Guidance(scale=4.0),
    prompt_tokens=256,
    arguments=_AS_ASKED,
    packages=("ftfy",),
)

KANDINSKY_5 = Family(
    name="Kandinsky 5",
    text="Kandinsky5T2IPipeline",
    native=1024,
    patch=2,
    steps=50,
    guidance=Guidance(scale=3.5),
    prompt_tokens=512,
    size_attribute="resolutions",
)

KANDINSKY_5_EDIT = Family(
    name="Kandinsky 5 image-to-image",
    text=None,
    edit="Kandinsky5I2IPipeline",
    instead="changes a reference image as the prompt says",
    native=1024,
    patch=2,
    steps=50,
    guidance=Guidance(scale=3.5),
    prompt_tokens=1024,
    size_attribute="resolutions",
)

FAMILIES = (
    PIXART,
    PIXART_SIGMA,
    SANA,
    SANA_SPRINT,
    LUMINA,
    LUMINA_2,
    HIDREAM,
    AURA_FLOW,
    COGVIEW_3,
    COGVIEW_4,
    COGVIEW_4_CONTROL,
    HUNYUAN_DIT,
    HUNYUAN_IMAGE,
    ERNIE_IMAGE,
    GLM_IMAGE,
    IDEOGRAM_4,
    NUCLEUS_MOE,
    OMNIGEN,
    DREAM_LITE,
    DREAM_LITE_MOBILE,
    PRX,
    PRX_PIXEL,
    KANDINSKY_5,
    KANDINSKY_5_EDIT,
)
