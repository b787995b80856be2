"""A small store of results, for armillary."""
