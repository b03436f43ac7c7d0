"""Where a file comes from, by its marks: C2PA manifest, watermark, and what it says of itself."""
