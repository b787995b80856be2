"""The record that armillary collects."""

from armillary.plugins import Implementation, hookimpl


@hookimpl
def armillary_cache():
    yield Implementation(
        operation="cache.open",
        name="lru",
        target="armillary_lru.store:LruStore",
        api=1,
        summary="encoded values in a dict, the least recently used go first",
    )
