"""Making an image again from what its file, or a manifest, says of how it was made."""
