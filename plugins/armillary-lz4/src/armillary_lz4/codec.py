"""The codec: arrays of any kind in fewer bytes, checked, and decoded where they are wanted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from lz4.block import compress

from armillary.runtime.blocks import run_blocks
from armillary.runtime.threads import thread_count
from armillary_lz4.blocks import Compress, pack, unpack
from armillary_lz4.kernel import TILE_ELEMENTS
from armillary_lz4.layout import Block, Plan, check_of, header, parse
from armillary_lz4.probe import choose

#: Fewer bytes than this are not worth a call.
SMALLEST = 4096
#: A block, its stored form and the room to decode it stay in the second-level cache.
BLOCK = 262144
#: Arrays of more bytes than this are worth a thread.
ALONE = 1 << 20
#: Least number of times by which an array has to get smaller: decoding takes longer than copying,
#: and Gaussian noise of single precision comes to 1.2 by its exponents.
LEAST_RATIO = 1.25
LEVELS = range(-64, 13)
DEFAULT_LEVEL = 3


class Codec:
    """Bit planes and LZ4, with a checksum.

    Parameters
    ----------
    level : int
        From 1 to 12, LZ4's high compression: more is smaller and slower to encode. 0 is fast LZ4;
        below it, down to -64, faster and larger. All decode equally fast.
    threads : int, optional
        Threads for arrays of more than 1 MB; the bytes are the same for any number. None means
        ``ARMILLARY_THREADS`` or all processors.

    Raises
    ------
    ValueError
        If ``level`` or ``threads`` is not a whole number in its range.

    Examples
    --------
    >>> import numpy as np
    >>> from armillary_lz4.codec import Codec
    >>> flux = np.round(1e4 + np.random.default_rng(1).normal(0, 5, 100_000)).astype(np.float32)
    >>> codec = Codec()
    >>> stored = codec.encode(memoryview(flux).cast("B"), flux.itemsize)
    >>> len(stored) < flux.nbytes / 3
    True
    >>> again = np.empty_like(flux)
    >>> codec.decode(memoryview(stored), memoryview(again).cast("B"))
    >>> np.array_equal(flux, again)
    True
    """

    name = "lz4"

    def __init__(self, *, level: int = DEFAULT_LEVEL, threads: int | None = None) -> None:
        whole = hasattr(level, "__index__") and not isinstance(level, bool)
        if not whole or int(level) not in LEVELS:
            raise ValueError(
                f"level must be a whole number from {LEVELS[0]} to {LEVELS[-1]}, not {level!r}"
            )
        if threads is not None:
            thread_count(threads)
        self.level = int(level)
        self.threads = threads
        self._compress = _compressor(self.level)

    def __repr__(self) -> str:
        return f"Codec(level={self.level}, threads={self.threads})"

    def encode(self, data: memoryview, itemsize: int) -> bytes | None:
        """The stored form of an array.

        Parameters
        ----------
        data : memoryview of bytes
            The array, contiguous.
        itemsize : int
            Bytes in one of its elements.

        Returns
        -------
        bytes or None
            None if the array is better kept as it is: it has less than 4096 bytes, or would not be
            1.25 times smaller.

        Raises
        ------
        ValueError
            If ``data`` is not contiguous bytes or ``itemsize`` is not at least 1.
        """
        _require_bytes("data", data)
        if itemsize < 1:
            raise ValueError(f"itemsize must be at least 1, not {itemsize}")
        if len(data) < SMALLEST:
            return None
        plan = choose(data, itemsize, LEAST_RATIO, self._compress)
        if plan is None:
            return None
        stored = self.encode_as(data, plan)
        return stored if len(data) >= LEAST_RATIO * len(stored) else None

    def encode_as(self, data: memoryview, plan: Plan) -> bytes:
        """The stored form of an array by a given plan, worth it or not."""
        tile = max(plan.lanes, 1) * TILE_ELEMENTS
        block_size = BLOCK // tile * tile
        starts = range(0, len(data), block_size)
        packed: list[bytes | memoryview] = [b""] * len(starts)
        table = [(0, 0)] * len(starts)

        def encode_block(i: int) -> None:
            content = data[starts[i] : starts[i] + block_size]
            packed[i] = pack(content, plan, self._compress)
            table[i] = len(packed[i]), check_of(content, packed[i])

        self._run(range(len(starts)), encode_block, len(data))
        return b"".join([header(plan, len(data), block_size, table), *packed])

    def decode(self, stored: memoryview, into: memoryview) -> None:
        """Fill an array from its stored form.

        Parameters
        ----------
        stored : memoryview of bytes
            What :meth:`encode` gave.
        into : memoryview of bytes
            The array: contiguous, writable, of the length that was encoded.

        Raises
        ------
        ValueError
            If ``stored`` is damaged, cut short, of another version or of another length; ``into``
            then holds anything. If an argument is not contiguous bytes, or ``into`` cannot be
            written to.
        """
        _require_bytes("stored", stored)
        _require_bytes("into", into)
        if into.readonly:
            raise ValueError("into must be writable")
        plan, blocks = parse(stored, len(into))

        def decode_block(i: int) -> None:
            try:
                _decode_block(stored, into, plan, blocks[i])
            except ValueError as error:
                raise ValueError(
                    f"the stored bytes are damaged in block {i + 1} of {len(blocks)}: {error}"
                ) from None

        self._run(range(len(blocks)), decode_block, len(into))

    def _run(self, blocks: Sequence[int], work: Callable[[int], None], size: int) -> None:
        threads = thread_count(self.threads) if size > ALONE else 1
        run_blocks(blocks, work, threads=threads)


def _decode_block(stored: memoryview, into: memoryview, plan: Plan, block: Block) -> None:
    content = into[block.start : block.stop]
    packed = stored[block.stored_start : block.stored_stop]
    unpack(packed, plan, content)
    if check_of(content, packed) != block.check:
        raise ValueError("it does not have its checksum")


def _compressor(level: int) -> Compress:
    if level > 0:
        return partial(compress, mode="high_compression", compression=level, store_size=False)
    if level < 0:
        return partial(compress, mode="fast", acceleration=-level, store_size=False)
    return partial(compress, store_size=False)


def _require_bytes(name: str, view: memoryview) -> None:
    if not isinstance(view, memoryview) or view.format != "B" or not view.c_contiguous:
        raise ValueError(f"{name} must be a contiguous memoryview of unsigned bytes, not {view!r}")
