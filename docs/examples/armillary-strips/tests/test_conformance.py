from armillary.testing import conformance

test_nearest = conformance("crossmatch.nearest", "strips")
