"""XXH3-128 of bytes of any length, in pieces that threads can share.

What is at most one piece long is hashed as it is. Of more, the digests of its pieces are hashed, so
that the result depends on the bytes alone, and never on the number of threads.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from xxhash import xxh3_128, xxh3_128_digest

from ..runtime.blocks import run_blocks
from ..runtime.threads import default_threads

#: Bytes of a piece; part of the format, and so never to be changed.
PIECE = 1 << 22
#: Bytes from which on a second thread gains more than its start costs.
MIN_PARALLEL = 1 << 24
#: Bytes of a digest.
SIZE = 16


def digest(data: memoryview, *, threads: int | None = None) -> bytes:
    """The digest of a contiguous buffer of bytes.

    Parameters
    ----------
    data : memoryview
        Unsigned bytes.
    threads : int, optional
        None means the default where the buffer is large, which is memory's speed either way.

    Returns
    -------
    bytes
        16 of them.
    """
    if len(data) <= PIECE:
        return xxh3_128_digest(data)
    return digest_of_parts([data], threads=threads)


def digest_of_parts(parts: Sequence[Any], *, threads: int | None = None) -> bytes:
    """The digest of what parts are when they are put together, which they are not.

    Parameters
    ----------
    parts : sequence of buffer
        Of bytes.
    threads : int, optional
        As for :func:`digest`.

    Returns
    -------
    bytes
        16 of them.
    """
    pieces = list(_pieces(parts))
    digests = [b""] * len(pieces)

    def work(number: int) -> None:
        state = xxh3_128()
        for part in pieces[number]:
            state.update(part)
        digests[number] = state.digest()

    if threads is None:
        threads = default_threads() if PIECE * len(pieces) > MIN_PARALLEL else 1
    # From the end: who reads the data next finds their beginning in the processor's cache.
    run_blocks(range(len(pieces) - 1, -1, -1), work, threads=threads)
    return digests[0] if len(pieces) == 1 else xxh3_128_digest(b"".join(digests))


def _pieces(parts: Sequence[Any]) -> Iterator[list[memoryview]]:
    """The parts, cut and gathered into pieces; one at least."""
    piece: list[memoryview] = []
    room = PIECE
    for part in parts:
        rest = memoryview(part)
        while len(rest):
            if not room:
                yield piece
                piece, room = [], PIECE
            piece.append(rest[:room])
            rest = rest[room:]
            room -= len(piece[-1])
    yield piece
