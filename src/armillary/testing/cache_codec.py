"""What every codec of ``cache.codec`` must do.

Buffers are encoded by one codec and decoded by another of the same name, as in the next process:
what a codec needs to decode is in what it stored. One that keeps a buffer as it is, by giving None,
is not asked to decode it.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from ..cache.api import open as open_store
from ..cache.codec import Codec, codec_named
from ..cache.keys import key_of
from ..cache.store import MISSING
from .cache_values import DTYPES, ODD_NANS, difference, filled
from .kit import CheckFailed, Suite, require
from .side_by_side import require_in_threads

OPERATION = "cache.codec"
SUITE = Suite()

#: Bytes of an element.
ITEMSIZES = range(1, 17)
#: Elements of a buffer: none, one, and both sides of where blocks and vectors begin.
LENGTHS = (0, 1, 7, 63, 64, 65, 4095, 4096, 4097)
#: Elements of a buffer that is large enough for blocks of its own and for threads.
MANY = 300_001
#: What is in the memory that a buffer is decoded into; no byte is the same in both.
FILLS = (0x55, 0xAA)
#: Places of a stored buffer at which a byte is changed, and at which it is cut off.
PLACES = 60
#: What a byte is changed by: its lowest bit, its highest, all of them.
CHANGES = (0x01, 0x80, 0xFF)
#: Its bits as a number of 8 bytes.
MINUS_ZERO = 1 << 63
#: Threads that share a codec, and how often each of them uses it.
THREADS, TURNS = 8, 6


# ------------------------------------------------------------------ tools


@dataclass(frozen=True, slots=True)
class Buffer:
    """The bytes of an array, and what is said of them."""

    what: str
    data: bytes
    itemsize: int


def buffer(kind: str, itemsize: int, n: int) -> Buffer:
    """A buffer of n elements."""
    return Buffer(f"{kind}, {n} x {itemsize} bytes", KINDS[kind](itemsize, n), itemsize)


def _noise(itemsize: int, n: int) -> bytes:
    return np.random.default_rng(itemsize + n).bytes(itemsize * n)


def _zeros(itemsize: int, n: int) -> bytes:
    return bytes(itemsize * n)


def _walk(itemsize: int, n: int) -> bytes:
    """Little-endian numbers, each near the one before; longer elements end with zeros."""
    steps = np.random.default_rng(itemsize + n).integers(-3, 4, n)
    wide = np.zeros((n, 16), np.uint8)
    wide[:, :8] = (10_000 + np.cumsum(steps)).astype("<i8").view(np.uint8).reshape(n, 8)
    return wide[:, :itemsize].tobytes()


def _few(itemsize: int, n: int) -> bytes:
    """A dozen elements that come again and again."""
    elements = np.frombuffer(_noise(itemsize, 12), np.uint8).reshape(12, itemsize)
    return elements[np.random.default_rng(n).integers(0, 12, n)].tobytes()


#: Kinds of content: what no codec makes smaller, what every codec does, and what is in between.
KINDS: dict[str, Callable[[int, int], bytes]] = {
    "noise": _noise,
    "zeros": _zeros,
    "a walk": _walk,
    "few values": _few,
}


def encoded(codec: Codec, given: Buffer) -> bytes | None:
    """What is stored of a buffer; None if it is kept as it is."""
    try:
        stored = codec.encode(memoryview(given.data), given.itemsize)
    except Exception as error:
        raise CheckFailed(
            f"encode of {given.what} raises {type(error).__name__}: {error}"
        ) from error
    require(
        stored is None or isinstance(stored, (bytes, bytearray)),
        f"encode of {given.what} gives a {type(stored).__name__}, not bytes, a bytearray or None",
    )
    return None if stored is None else bytes(stored)


def decoded(codec: Codec, stored: bytes, size: int, fill: int = 0) -> bytes:
    """What is in memory of so many bytes, that held ``fill``, after a codec decoded into it."""
    into = np.full(size, fill, np.uint8)
    codec.decode(memoryview(stored), into.data)
    return into.tobytes()


def require_comes_back(codec: Codec, stored: bytes, given: Buffer) -> None:
    """Make sure that a buffer is decoded, whatever was in the memory for it."""
    for fill in FILLS:
        try:
            found = decoded(codec, stored, len(given.data), fill)
        except Exception as error:
            raise CheckFailed(
                f"decode of {given.what} raises {type(error).__name__}: {error}"
            ) from error
        if found != given.data:
            raise CheckFailed(f"{given.what}: {_lost(found, given.data, fill)}")


def _lost(found: bytes, data: bytes, fill: int) -> str:
    wrong = np.flatnonzero(np.frombuffer(found, np.uint8) != np.frombuffer(data, np.uint8))
    left = np.frombuffer(found, np.uint8)[wrong] == fill
    of_all = f"{len(wrong)} of {len(data)} bytes come back changed, the first at {wrong[0]}"
    return f"{of_all}; decode does not write them" if left.all() else of_all


def require_round_trips(backend: str, buffers: Iterable[Buffer]) -> None:
    """Make sure that buffers come back, decoded by another codec of the same name."""
    writer, reader = codec_named(backend), codec_named(backend)
    for given in buffers:
        stored = encoded(writer, given)
        if stored is not None:
            require_comes_back(reader, stored, given)


def stored_buffers(backend: str) -> Iterator[tuple[Buffer, bytes]]:
    """Some buffers that the codec stores in its own way, and how."""
    codec = codec_named(backend)
    for kind, itemsize, n in (("zeros", 1, 5000), ("a walk", 4, 4096), ("few values", 8, 3000)):
        given = buffer(kind, itemsize, n)
        stored = encoded(codec, given)
        if stored is not None:
            yield given, stored


def places(stored: bytes) -> list[int]:
    """Places all over it, the first and the last bytes among them."""
    edge = np.arange(min(len(stored), PLACES // 3))
    spread = np.linspace(0, len(stored) - 1, PLACES // 3).astype(int)
    return sorted({*edge.tolist(), *spread.tolist(), *(len(stored) - 1 - edge).tolist()})


# ------------------------------------------------------------------ what is encoded comes back


@SUITE.check
def buffers_of_every_length(backend: str) -> None:
    """Every byte comes back, of elements of 1 to 16 bytes, from none of them to thousands."""
    require_round_trips(
        backend,
        (buffer(kind, size, n) for kind in KINDS for size in ITEMSIZES for n in LENGTHS),
    )


@SUITE.check
def large_buffers(backend: str) -> None:
    """Every byte comes back of a buffer of a megabyte and more."""
    require_round_trips(
        backend, (buffer(kind, size, MANY) for kind in ("a walk", "few values") for size in (3, 8))
    )


@SUITE.check
def arrays_of_every_dtype(backend: str) -> None:
    """The bytes of arrays of every dtype come back: payloads of NaN, signs of zero, padding."""
    arrays = {str(dtype): filled(dtype, (64,)) for dtype in DTYPES}
    arrays["odd NaNs and minus zero"] = np.array([*ODD_NANS, MINUS_ZERO], np.uint64)
    require_round_trips(
        backend,
        (
            Buffer(f"an array of {what}", np.resize(array, 3000).tobytes(), array.itemsize)
            for what, array in arrays.items()
        ),
    )


@SUITE.check
def something_gets_smaller(backend: str) -> None:
    """Zeros, or numbers near each other, or few numbers, are stored in fewer bytes."""
    require(
        any(len(stored) < len(given.data) for given, stored in stored_buffers(backend)),
        "nothing of zeros, of a walk and of few values gets smaller",
    )


# ------------------------------------------------------------------ what is damaged is noticed


def require_refused(codec: Codec, stored: bytes, size: int, what: str) -> None:
    """Make sure that decode raises a ValueError."""
    try:
        decoded(codec, stored, size)
    except ValueError:
        return
    except Exception as error:
        raise CheckFailed(
            f"{what}: decode raises {type(error).__name__}, not a ValueError: {error}"
        ) from error
    raise CheckFailed(f"{what}: decode raises nothing")


@SUITE.check
def changed_bytes(backend: str) -> None:
    """Where a stored byte has changed, decode raises ValueError."""
    codec = codec_named(backend)
    for given, stored in stored_buffers(backend):
        for place in places(stored):
            for change in CHANGES:
                broken = bytearray(stored)
                broken[place] ^= change
                what = f"{given.what}, byte {place} of {len(stored)} changed by {change:#04x}"
                require_refused(codec, bytes(broken), len(given.data), what)


@SUITE.check
def missing_and_added_bytes(backend: str) -> None:
    """Where stored bytes are missing or there are more, at either end, decode raises ValueError."""
    codec = codec_named(backend)
    for given, stored in stored_buffers(backend):
        others = {f"the first {place} bytes": stored[:place] for place in places(stored)}
        others |= {"all but the first byte": stored[1:], "and a byte more": stored + b"\0"}
        for which, other in others.items():
            what = f"{given.what}, stored in {len(stored)} bytes, {which}"
            require_refused(codec, other, len(given.data), what)


@SUITE.check
def buffers_of_another_length(backend: str) -> None:
    """Where the buffer is to have another length than it had, decode raises ValueError."""
    codec = codec_named(backend)
    for given, stored in stored_buffers(backend):
        size = len(given.data)
        for other in (0, 1, size // 2, size - 1, size + 1, 2 * size):
            require_refused(codec, stored, other, f"{given.what}, into {other} bytes")


# ------------------------------------------------------------------ manners


@SUITE.check
def name_of_the_record(backend: str) -> None:
    """``name`` is that under which it is registered: it is looked up by it to decode."""
    found = getattr(codec_named(backend), "name", None)
    require(found == backend, f"it is registered as {backend!r} and has the name {found!r}")


@SUITE.check
def input_is_left_alone(backend: str) -> None:
    """What it is given it does not write to; it may be read-only, and begin at any address."""
    codec = codec_named(backend)
    for given, stored in stored_buffers(backend):
        data = bytearray(b"x" + given.data)
        codec.encode(memoryview(data)[1:], given.itemsize)
        require(data[1:] == given.data, f"{given.what}: encode writes to it")
        kept = bytearray(b"x" + stored)
        into = bytearray(len(given.data) + 2)
        codec.decode(memoryview(kept)[1:], memoryview(into)[1:-1])
        require(kept[1:] == stored, f"{given.what}: decode writes to what is stored")
        require(into[1:-1] == given.data, f"{given.what} comes back changed at an odd address")


@SUITE.check
def stored_bytes_are_its_own_no_more(backend: str) -> None:
    """What encode gave stays as it is, whatever is encoded and decoded afterwards."""
    codec = codec_named(backend)
    for given, stored in stored_buffers(backend):
        first = codec.encode(memoryview(given.data), given.itemsize)
        as_it_was = None if first is None else bytes(first)
        for other in (buffer("a walk", given.itemsize, 5000), buffer("zeros", 1, 9000)):
            encoded(codec, other)
        decoded(codec, stored, len(given.data))
        require(
            first is None or bytes(first) == as_it_was,
            f"{given.what}: what encode gave has changed since",
        )


@SUITE.check
def many_threads(backend: str) -> None:
    """However many threads use it at once, each gets back what is its own."""
    codec = codec_named(backend)

    def work(number: int) -> None:
        for turn in range(TURNS):
            kind = ("a walk", "few values", "zeros")[(number + turn) % 3]
            given = buffer(kind, (1, 4, 8)[turn % 3], 5000 + 1000 * number)
            stored = encoded(codec, given)
            if stored is not None:
                require_comes_back(codec, stored, given)

    require_in_threads(THREADS, work)


@SUITE.check
def a_store_keeps_what_it_makes(backend: str) -> None:
    """Values come back from a store on disk that uses it, opened anew."""
    values = {str(size): np.arange(size * 1000.0).reshape(size, 1000) for size in (1, 3, 10)}
    with tempfile.TemporaryDirectory(prefix="armillary-codec-") as path:
        with open_store("disk", path=path, codec=backend) as store:
            for name, value in values.items():
                require(store.put(key_of(name), value), f"{value.nbytes} bytes are not kept")
        with open_store("disk", path=path, codec=backend) as store:
            for name, value in values.items():
                found = store.get(key_of(name), MISSING)
                require(found is not MISSING, f"{value.nbytes} bytes are not there any more")
                differs = difference(value, found)
                require(not differs, f"{value.nbytes} bytes come back changed: {differs}")


@SUITE.check
def nothing_is_printed(backend: str) -> None:
    """Nothing is written to sys.stdout."""
    written = io.StringIO()
    with contextlib.redirect_stdout(written):
        codec = codec_named(backend)
        for given, stored in stored_buffers(backend):
            decoded(codec, stored, len(given.data))
    require(not written.getvalue(), f"it prints {written.getvalue()[:60]!r}")
