"""A store: values in a dict, as bytes; those that were not used for longest go first."""

from collections import Counter
from threading import Lock

from armillary.cache import Stats, decode, encode


class LruStore:
    def __init__(self, *, max_bytes=100_000_000):
        self.max_bytes, self.n_bytes = max_bytes, 0
        self.entries = {}  # key -> bytes and cost, in the order of use; None once closed
        self.counts, self.lock = Counter(), Lock()

    def get(self, key, default=None):
        with self.lock:
            if checked(key) not in self.entries:
                self.counts["misses"] += 1
                return default
            data, cost = self.entries[key] = self.entries.pop(key)
            self.counts.update(hits=1, seconds_saved=cost)
        return decode(data)

    def put(self, key, value, *, cost=None, label=""):
        if cost is not None and not 0.0 <= cost < float("inf"):
            raise ValueError(f"cost must be seconds, 0 or more, or None, not {cost!r}")
        data = encode(value)
        with self.lock:
            self._remove(checked(key))
            if len(data) > self.max_bytes:
                self.counts["refused"] += 1
                return False
            while self.n_bytes + len(data) > self.max_bytes:
                self._remove(next(iter(self.entries)))
                self.counts["evicted"] += 1
            self.entries[key] = data, cost or 0.0
            self.n_bytes += len(data)
            self.counts["stored"] += 1
        return True

    def _remove(self, key):
        data, _ = self.entries.pop(key, (b"", 0.0))
        self.n_bytes -= len(data)
        return bool(data)

    def delete(self, key):
        with self.lock:
            return self._remove(checked(key))

    def clear(self):
        with self.lock:
            self.entries.clear()
            self.n_bytes = 0

    def keys(self):
        with self.lock:
            return iter(list(self.entries))

    def stats(self):
        with self.lock:
            counts = dict(self.counts)
            return Stats(
                evictions={"budget": counts.pop("evicted", 0)},
                entries=len(self.entries),
                stored_bytes=self.n_bytes,
                raw_bytes=self.n_bytes,
                max_bytes=self.max_bytes,
                **counts,
            )

    def close(self):
        self.entries = None

    def __contains__(self, key):
        return checked(key) in self.entries

    def __len__(self):
        return len(self.entries)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()


def checked(key):
    if not isinstance(key, bytes):
        raise TypeError(f"key must be bytes, not {key!r}")
    if len(key) != 16:
        raise ValueError(f"key must be 16 bytes, not {len(key)}")
    return key
