"""The store and the codec, opened as users open them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import armillary as arm
from armillary.cache.codec import codec_named
from armillary_lz4.codec import Codec

KEY = arm.cache.key_of("a result")


def counts() -> np.ndarray:
    return np.random.default_rng(1).poisson(100.0, (300, 400)).astype(np.int32)


def test_results_come_back_in_less_memory() -> None:
    image = counts()
    with arm.cache.open("lz4", max_bytes="1 MB") as store:
        assert store.put(KEY, {"image": image, "name": "M 51"})
        again = store.get(KEY)
        np.testing.assert_array_equal(again["image"], image)
        assert again["image"].dtype == image.dtype
        assert again["name"] == "M 51"
        assert store.stats().stored_bytes < image.nbytes / 2


def test_options_go_where_they_belong() -> None:
    with arm.cache.open("lz4", max_bytes="1 MB", max_entries=1, level=0, threads=2) as store:
        store.put(KEY, counts())
        store.put(arm.cache.key_of("another"), counts())
        assert len(list(store.keys())) == 1
    with pytest.raises(ValueError, match="level must be a whole number"):
        arm.cache.open("lz4", level=99)


def test_the_codec_is_found_by_name() -> None:
    codec = codec_named("lz4", {"level": 5})
    assert isinstance(codec, Codec)
    assert (codec.name, codec.level) == ("lz4", 5)


def test_results_on_disk_come_back(tmp_path: Path) -> None:
    image = counts()
    with arm.cache.open("disk", path=tmp_path / "cache", codec="lz4", level=1) as store:
        store.put(KEY, image)
    with arm.cache.open("disk", path=tmp_path / "cache", codec="lz4") as store:
        np.testing.assert_array_equal(store.get(KEY), image)
