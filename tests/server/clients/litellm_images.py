"""A picture by litellm, and one that it changes: written into FOLDER."""

import base64
import sys
from pathlib import Path

import litellm

folder = Path(sys.argv[1])
made = litellm.image_generation("a red house", model="openai/gpt-image-1", size="512x512")
(folder / "made.png").write_bytes(base64.b64decode(made.data[0].b64_json))
with (folder / "made.png").open("rb") as image:
    edited = litellm.image_edit(image, "a blue house", model="openai/gpt-image-1")
(folder / "edited.png").write_bytes(base64.b64decode(edited.data[0].b64_json))
try:
    litellm.image_generation("a red house", model="openai/gpt-image-1", size="7x7")
except litellm.BadRequestError as error:
    print(error.message)
