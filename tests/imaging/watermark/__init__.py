"""Tests of `ninefold.imaging.watermark`."""
