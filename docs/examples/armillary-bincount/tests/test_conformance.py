from armillary.testing import conformance

test_bls = conformance("search.bls", "bincount")
