"""Processors of language models that see, read without torchvision, which only videos need."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

#: What such a processor calls the part that reads videos.
_VIDEOS = "video_processor"


def reads_videos(processor_class: Any) -> bool:
    """Whether a processor of transformers has a part for videos, and no library for it is here."""
    attributes = getattr(processor_class, "get_attributes", tuple)
    return find_spec("torchvision") is None and _VIDEOS in attributes()


def read_processor(processor_class: Any, folder: Path) -> Any:
    """The processor in a folder, for text and images."""
    from transformers import AutoImageProcessor, AutoTokenizer

    source, local = str(folder), {"local_files_only": True, "trust_remote_code": False}
    settings, _ = processor_class.get_processor_dict(source, **local)
    return without_videos(
        processor_class,
        image_processor=AutoImageProcessor.from_pretrained(source, **local),
        tokenizer=AutoTokenizer.from_pretrained(source, **local),
        chat_template=settings.get("chat_template"),
    )


def without_videos(processor_class: Any, **parts: Any) -> Any:
    """A processor made of its other parts."""
    with _videos_unchecked(processor_class):
        return processor_class(**parts, video_processor=None)


@contextmanager
def _videos_unchecked(processor_class: Any) -> Iterator[None]:
    """Within the block processors of a class are made without asking for that part."""
    check = processor_class.check_argument_for_proper_class

    def others(self: Any, name: str, argument: Any) -> Any:
        return None if name == _VIDEOS else check(self, name, argument)

    processor_class.check_argument_for_proper_class = others
    try:
        yield
    finally:
        del processor_class.check_argument_for_proper_class
