"""Recipes that made the built-in models: scene renderer, training scripts and export."""
