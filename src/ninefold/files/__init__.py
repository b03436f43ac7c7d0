"""Bytes in and out: image files, the metadata inside and beside them, and safe writing."""

from ninefold.core.atomic import write_atomic
from ninefold.files.canonical_json import canonical_json
from ninefold.files.decode import ImageInfo, decode, decode_mask, decode_rgba, probe
from ninefold.files.embed import (
    EmbeddedMetadata,
    MetadataLevel,
    read_infotext,
    read_parameters,
    read_record,
    read_xmp,
)
from ninefold.files.encode import Compression, encode
from ninefold.files.formats import FORMATS, FormatInfo, ImageFormat, Lossless, image_format
from ninefold.files.infotext import (
    Infotext,
    format_hashes,
    format_infotext,
    parse_hashes,
    parse_infotext,
)
from ninefold.files.manifest import FileRecord, Manifest, build_manifest, read_manifest
from ninefold.files.names import NameFields, check_template, render_name, slug
from ninefold.files.opening import ImageLimits
from ninefold.files.scrub import is_prompt_key, is_secret_key, scrub_prompt, scrub_text
from ninefold.files.xmp import DigitalSourceType, Xmp, format_xmp, parse_xmp

__all__ = [
    "FORMATS",
    "Compression",
    "DigitalSourceType",
    "EmbeddedMetadata",
    "FileRecord",
    "FormatInfo",
    "ImageFormat",
    "ImageInfo",
    "ImageLimits",
    "Infotext",
    "Lossless",
    "Manifest",
    "MetadataLevel",
    "NameFields",
    "Xmp",
    "build_manifest",
    "canonical_json",
    "check_template",
    "decode",
    "decode_mask",
    "decode_rgba",
    "encode",
    "format_hashes",
    "format_infotext",
    "format_xmp",
    "image_format",
    "is_prompt_key",
    "is_secret_key",
    "parse_hashes",
    "parse_infotext",
    "parse_xmp",
    "probe",
    "read_infotext",
    "read_manifest",
    "read_parameters",
    "read_record",
    "read_xmp",
    "render_name",
    "scrub_prompt",
    "scrub_text",
    "slug",
    "write_atomic",
]
