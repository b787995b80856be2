from armillary.testing import conformance

test_store = conformance("cache.open", "lz4")
