"""How an array is best stored, from a sample of 64 KB.

LZ4 at its fastest compresses each lane and each bit plane of the sample by itself. What does not
shrink stays raw: noise then costs neither LZ4's time nor its bytes. If the best plan is worth
storing, it and those that come near are tried again with LZ4 at the level that is asked for: whole
values that come again gain more by it than bit planes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from lz4 import block

from armillary_lz4.blocks import Compress, differences
from armillary_lz4.kernel import MOST_LANES, TILE_ELEMENTS, split
from armillary_lz4.layout import WORDS, Plan
from armillary_lz4.rows import row_length

#: Bytes of the sample, and in how many pieces these are taken.
SAMPLE = 65536
WINDOWS = 4
#: What does not get smaller than this part of itself is not worth the time.
WORTH = 0.97
#: A plan is tried again if the best has not less than this part of its bytes.
NEAR = 0.85
#: A plan that is slower to decode has to store no more than this part of the other's bytes.
GAIN = 0.98


@dataclass(frozen=True, slots=True)
class Estimate:
    """A plan, and the bytes in which it stores the sample."""

    plan: Plan
    size: int


def choose(data: memoryview, itemsize: int, least_ratio: float, compress: Compress) -> Plan | None:
    """The best plan for an array.

    Parameters
    ----------
    data : memoryview of bytes
    itemsize : int
        Of the elements of the array. Those of more bytes than the kernel takes apart, or too few
        to fill a tile, are taken as bytes.
    least_ratio : float
        How many times smaller the sample has to get.
    compress : callable
        What will compress the blocks.

    Returns
    -------
    Plan or None
        None if the array is better kept as it is.
    """
    lanes = itemsize if itemsize <= min(MOST_LANES, len(data) // TILE_ELEMENTS) else 1
    windows = list(_windows(data, lanes * TILE_ELEMENTS))
    estimates = list(_estimates(data, windows, lanes))
    fewest = min(estimate.size for estimate in estimates)
    if sum(map(len, windows)) < least_ratio * fewest:
        return None
    near = [estimate.plan for estimate in estimates if NEAR * estimate.size <= fewest]
    return _best(_estimate(plan, windows, compress) for plan in near).plan


def _best(estimates: Iterable[Estimate]) -> Estimate:
    """The one with the fewest bytes; those that decode faster come first."""
    best, *others = estimates
    for estimate in others:
        if estimate.size < GAIN * best.size:
            best = estimate
    return best


def _windows(data: memoryview, tile: int) -> Iterator[memoryview]:
    """Pieces from all over the array, of whole tiles; all of its tiles if these are few."""
    size = max(SAMPLE // WINDOWS // tile, 1) * tile
    if len(data) <= WINDOWS * size:
        yield data[: len(data) // tile * tile]
        return
    # In the middle of each quarter: edges of images are often blank.
    for i in range(WINDOWS):
        start = (len(data) * (2 * i + 1) // (2 * WINDOWS) - size // 2) // tile * tile
        yield data[start : start + size]


def _estimates(data: memoryview, windows: Sequence[memoryview], lanes: int) -> Iterator[Estimate]:
    yield _estimate(Plan(), windows, _fast)
    plain = _estimate(Plan(lanes), windows, _fast)
    yield plain
    if lanes not in WORDS:
        return
    delta = _estimate(Plan(lanes, predicted=True), windows, _fast)
    yield delta
    # Only where neighbours are alike can the row above be of use.
    if delta.size < WORTH * plain.size:
        width = row_length(data[: len(data) // lanes * lanes], lanes)
        if width:
            yield _estimate(replace(delta.plan, width=width), windows, _fast)


def _estimate(plan: Plan, windows: Sequence[memoryview], compress: Compress) -> Estimate:
    """The plan with its lanes decided: whether each is taken apart, and what of it is raw."""
    if plan.lanes == 0:
        return Estimate(plan, len(compress(b"".join(windows))))
    pieces = [differences(window, plan) for window in windows]
    whole, planes = _lanes(pieces, plan.lanes, 0), _lanes(pieces, plan.lanes, 1)
    modes, masks, total = bytearray(), bytearray(), 0
    for lane in range(plan.lanes):
        apart, together = planes[8 * lane : 8 * lane + 8], [whole[lane]]
        apart_sizes, together_sizes = _sizes(apart, compress), _sizes(together, compress)
        mode = sum(apart_sizes) < WORTH * sum(together_sizes)
        sizes = apart_sizes if mode else together_sizes
        modes.append(mode)
        masks.append(_raw_mask(apart, sizes) if mode else 255 * _raw_mask(together, sizes))
        total += sum(sizes)
    return Estimate(replace(plan, modes=bytes(modes), raw_masks=bytes(masks)), total)


def _lanes(pieces: Sequence[memoryview | bytearray], lanes: int, mode: int) -> list[bytes]:
    """All lanes of the sample, or all of their bit planes."""
    n_sections = lanes * (8 if mode else 1)
    sections = [bytearray() for _ in range(n_sections)]
    for piece in pieces:
        packed = bytearray(len(piece))
        split(piece, bytes([mode]) * lanes, bytes(lanes), bytearray(), packed)
        size = len(piece) // n_sections
        for i, section in enumerate(sections):
            section += packed[i * size : (i + 1) * size]
    return [bytes(section) for section in sections]


def _sizes(sections: Sequence[bytes], compress: Compress) -> list[int]:
    """Bytes in which sections are stored: their own, if LZ4 hardly makes them fewer."""
    return [_size(section, compress) for section in sections]


def _size(section: bytes, compress: Compress) -> int:
    size = len(_fast(section))
    # Where the fastest level finds nothing at all, which is soon known, the others find little.
    if compress is not _fast and size < len(section):
        size = len(compress(section))
    return size if size < WORTH * len(section) else len(section)


def _raw_mask(sections: Sequence[bytes], sizes: Sequence[int]) -> int:
    pairs = enumerate(zip(sections, sizes, strict=True))
    return sum((len(section) == size) << k for k, (section, size) in pairs)


def _fast(section: bytes | bytearray | memoryview) -> bytes:
    return block.compress(section, store_size=False)
