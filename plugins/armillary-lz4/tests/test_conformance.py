from armillary.testing import conformance

test_store = conformance("cache.open", "lz4")
test_codec = conformance("cache.codec", "lz4")
