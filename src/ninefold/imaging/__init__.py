"""Pure functions on image arrays: tiles, blending, masks, resizing, tone, colour, LUTs, measures.

Needs numpy and Pillow, and nothing else of ninefold. Arrays that come in are never written to;
what comes back may be the very array that went in where there was nothing to change.
"""
