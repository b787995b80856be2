"""The records that armillary collects; importing this imports neither LZ4 nor the kernel."""

from __future__ import annotations

from collections.abc import Iterator

from armillary.plugins import Implementation, hookimpl

_URL = "https://python-lz4.readthedocs.io"


@hookimpl
def armillary_cache() -> Iterator[Implementation]:
    yield Implementation(
        operation="cache.open",
        name="lz4",
        target="armillary_lz4.store:open_store",
        api=1,
        summary="in memory, arrays as bit planes and LZ4 blocks",
        url=_URL,
        citation="Masui et al. (2015), Astronomy and Computing 12, 181, for bit planes",
    )
    yield Implementation(
        operation="cache.codec",
        name="lz4",
        target="armillary_lz4.codec:Codec",
        api=1,
        summary="bit planes and LZ4 blocks, checked with XXH3",
        url=_URL,
        citation="Masui et al. (2015), Astronomy and Computing 12, 181, for bit planes",
    )
