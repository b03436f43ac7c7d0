"""An invisible watermark of 64 bits in an image's luma, found again without the original.

A spread-spectrum mark with pilots: `carriers` says which frequencies carry which bit, `code` makes
an identifier into bits that bear errors, `plane` brings images of any size to one scale and evens
out what they show, `embedding` adds the mark, `fitting` makes it fit pictures that drown it,
`finding` searches it. NumPy and Pillow alone.
"""

#: What the mark is called in the C2PA assertion `c2pa.soft-binding`: it says where bits lie.
ALGORITHM = "io.ninefold.watermark.1"
#: Counts the ways in which it was embedded: another one gives other pixels, found as before.
REVISION = 2
