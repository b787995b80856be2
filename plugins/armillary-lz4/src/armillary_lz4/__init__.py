"""Arrays in the caches of armillary, compressed.

============  ===============================================================================
plugin.py     the records that armillary collects
store.py      ``cache.open("lz4")``: results in memory, compressed
codec.py      ``codec="lz4"`` of other stores: an array to its stored form and back
probe.py      how an array is best stored
rows.py       the length of an image's rows, which a codec is not told
blocks.py     one block to its stored bytes and back
layout.py     the stored form: what its bytes mean
kernel.pyx    elements into planes that LZ4 can compress, and back
============  ===============================================================================
"""
