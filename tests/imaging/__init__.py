"""Tests of `ninefold.imaging`."""
