"""Catalogues that are structured arrays in files of NumPy."""

MAGIC = b"\x93NUMPY"
ROWS = 1 << 18


class Npy:
    """A converter: which files it knows, and how they are read."""

    def sniff(self, name, first_bytes):
        return 1.0 if first_bytes.startswith(MAGIC) else 0.0

    def read(self, path):
        import numpy as np
        import pyarrow as pa

        array = np.load(path, mmap_mode="r")
        if array.dtype.names is None or array.ndim != 1:
            raise ValueError(f"{str(path)!r} holds no table: it must be a structured array")

        def batch(rows):
            names = rows.dtype.names
            columns = [pa.array(np.ascontiguousarray(rows[name])) for name in names]
            return pa.RecordBatch.from_arrays(columns, names=names)

        batches = (batch(array[first : first + ROWS]) for first in range(0, len(array), ROWS))
        return pa.RecordBatchReader.from_batches(batch(array[:0]).schema, batches)
