"""One picture by LangChain's wrapper: prints its address."""

from langchain_community.utilities.dalle_image_generator import DallEAPIWrapper

print(DallEAPIWrapper(size="512x512").run("a red house"))
