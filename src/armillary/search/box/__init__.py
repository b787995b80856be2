"""Box least squares (search.bls)."""
