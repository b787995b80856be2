"""A box search by np.bincount, as a backend of armillary."""
