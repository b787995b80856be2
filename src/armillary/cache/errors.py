"""What is said of a cache that does not work as it should."""


class CacheWarning(UserWarning):
    """A cache could not be read or written; results are computed as if there were none."""
