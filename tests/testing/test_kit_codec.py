"""The suite of cache.codec must fail codecs that are wrong, each by the check meant for it."""

from __future__ import annotations

import struct
import time
import zlib
from collections.abc import Callable

import numpy as np
import pytest

from armillary.testing import checks, run_checks
from armillary.testing.kit import run_check

OPERATION = "cache.codec"
#: Of what is stored: the length of the buffer, and a checksum of all that follows.
HEADER = struct.Struct("<QI")

Register = Callable[..., str]


class Right:
    """zlib, and a checksum of what is stored."""

    name = "fake"

    def encode(self, data, itemsize):
        stored = self.stored(data)
        return stored if len(stored) < len(data) else None

    def stored(self, data):
        packed = zlib.compress(data, 1)
        return HEADER.pack(len(data), self.checksum(len(data), packed)) + packed

    def checksum(self, n, packed):
        return zlib.crc32(packed, n & 0xFFFFFFFF)

    def decode(self, stored, into):
        if len(stored) < HEADER.size:
            raise ValueError("the stored bytes are cut short")
        n, checksum = HEADER.unpack(stored[: HEADER.size])
        packed = stored[HEADER.size :]
        if n != len(into) or checksum != self.checksum(n, packed):
            raise ValueError("the stored bytes are damaged")
        into[:] = zlib.decompress(packed)


# ------------------------------------------------------------------ ways to be wrong


class DropsTheLastByte(Right):
    def decode(self, stored, into):
        whole = bytearray(len(into))
        super().decode(stored, memoryview(whole))
        into[:-1] = whole[:-1]


class DropsWhatFillsNoWord(Right):
    def decode(self, stored, into):
        whole = bytearray(len(into))
        super().decode(stored, memoryview(whole))
        words = len(into) // 8 * 8
        into[:words] = whole[:words]


class KeepsItToItself(Right):
    """What is needed to decode is in the object that encoded."""

    def __init__(self):
        self.known = []

    def encode(self, data, itemsize):
        self.known.append(bytes(data))
        return struct.pack("<Q", len(self.known) - 1)

    def decode(self, stored, into):
        into[:] = self.known[struct.unpack("<Q", stored)[0]]


class GivesAView(Right):
    def encode(self, data, itemsize):
        stored = super().encode(data, itemsize)
        return None if stored is None else memoryview(stored)


class KnowsOneBlock(Right):
    def stored(self, data):
        return super().stored(bytes(data[: 1 << 18]) + bytes(max(len(data) - (1 << 18), 0)))


class KnowsOneNaN(Right):
    def encode(self, data, itemsize):
        if itemsize == 8:
            values = np.frombuffer(data, "<f8").copy()
            values[np.isnan(values)] = np.nan
            data = values.tobytes()
        return self.stored(data)


class NeverWorthIt(Right):
    def encode(self, data, itemsize):
        return None


class WithoutChecksum(Right):
    def checksum(self, n, packed):
        return 0


class OnlyZlib(Right):
    """Lets out the errors of zlib, which are none of the value, and ignores what follows."""

    def stored(self, data):
        return zlib.compress(data, 1)

    def decode(self, stored, into):
        into[:] = zlib.decompressobj().decompress(stored)


class ChecksNoEnd(Right):
    def stored(self, data):
        packed = zlib.compress(data, 1)
        return HEADER.pack(len(packed), zlib.crc32(packed)) + packed

    def decode(self, stored, into):
        try:
            n, checksum = HEADER.unpack(stored[: HEADER.size])
            packed = stored[HEADER.size :][:n]
            data = zlib.decompress(packed)
        except (struct.error, zlib.error) as error:
            raise ValueError(str(error)) from error
        if zlib.crc32(packed) != checksum or len(data) != len(into):
            raise ValueError("the stored bytes are damaged")
        into[:] = data


class FillsWhatThereIs(Right):
    def decode(self, stored, into):
        whole = bytearray(HEADER.unpack(stored[: HEADER.size])[0])
        super().decode(stored, memoryview(whole))
        n = min(len(whole), len(into))
        into[:n] = whole[:n]


class OtherName(Right):
    name = "other"


class TakesTheBufferForItsOwn(Right):
    def encode(self, data, itemsize):
        stored = super().encode(data, itemsize)
        if not data.readonly:
            data[:] = bytes(len(data))
        return stored


class TakesTheStoredForItsOwn(Right):
    def decode(self, stored, into):
        super().decode(stored, into)
        if not stored.readonly:
            stored[:] = bytes(len(stored))


class OneRoomForAll(Right):
    """Gives the same bytearray each time."""

    def __init__(self):
        self.room = bytearray()

    def encode(self, data, itemsize):
        self.room[:] = self.stored(data)
        return self.room if len(self.room) < len(data) else None


class OneRoomForThreads(Right):
    """Compresses into a place that another thread may use at the same time."""

    def stored(self, data):
        self.place = super().stored(data)
        time.sleep(1e-3)
        return self.place


class ReadsWhatIsBehindTheView(Right):
    def decode(self, stored, into):
        super().decode(memoryview(stored.obj), into)


class Talks(Right):
    def decode(self, stored, into):
        print("decoding")
        super().decode(stored, into)


FAULTS = {
    "buffers_of_every_length": [
        DropsTheLastByte,
        DropsWhatFillsNoWord,
        KeepsItToItself,
        GivesAView,
    ],
    "large_buffers": [KnowsOneBlock],
    "arrays_of_every_dtype": [KnowsOneNaN],
    "something_gets_smaller": [NeverWorthIt],
    "changed_bytes": [WithoutChecksum, OnlyZlib],
    "missing_and_added_bytes": [ChecksNoEnd],
    "buffers_of_another_length": [FillsWhatThereIs],
    "name_of_the_record": [OtherName],
    "input_is_left_alone": [TakesTheBufferForItsOwn, TakesTheStoredForItsOwn],
    "stored_bytes_are_its_own_no_more": [OneRoomForAll],
    "many_threads": [OneRoomForThreads],
    "a_store_keeps_what_it_makes": [ReadsWhatIsBehindTheView],
    "nothing_is_printed": [Talks],
}


def outcome(name: str, backend: str) -> str:
    (check,) = [check for check in checks(OPERATION) if check.name == name]
    return run_check(check, backend).outcome


# ------------------------------------------------------------------ the tests


def test_a_right_codec_passes_every_check(register: Register) -> None:
    register(Right, operation=OPERATION)
    assert [(o.name, o.message) for o in run_checks(OPERATION, "fake") if not o.good] == []


def test_each_check_has_a_fault_that_it_is_meant_for() -> None:
    assert list(FAULTS) == [check.name for check in checks(OPERATION)]


@pytest.mark.parametrize(
    ("name", "codec"), [(name, codec) for name, codecs in FAULTS.items() for codec in codecs]
)
def test_a_faulty_codec_fails_the_check_that_is_meant_for_it(
    register: Register, name: str, codec: type[Right]
) -> None:
    register(codec, operation=OPERATION)
    assert outcome(name, "fake") == "failed"


def test_bytes_that_are_not_written_are_told_from_wrong_ones(register: Register) -> None:
    register(DropsTheLastByte, operation=OPERATION)
    failed = {o.name: o.message for o in run_checks(OPERATION, "fake") if o.outcome == "failed"}
    assert failed["large_buffers"].endswith(
        "1 of 900003 bytes come back changed, the first at 900002; decode does not write them"
    )
