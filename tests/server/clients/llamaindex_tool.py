"""Pictures by LlamaIndex's tool: prints the address of one, and the file of another in FOLDER."""

import sys

from llama_index.tools.openai import OpenAIImageGenerationToolSpec

tool = OpenAIImageGenerationToolSpec(cache_dir=sys.argv[1])
print(tool.image_generation("a red house"))
(file,) = tool.image_generation("a red house", model="dall-e-2", size="512x512", download=True)
print(file)
