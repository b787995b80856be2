"""Where the result goes: a Parquet file or a HATS catalogue, whole or not at all."""

from __future__ import annotations

import datetime
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ... import __version__
from ...io.catalog_hats import HEALPIX_COLUMN, HEALPIX_ORDER
from ...io.parquet_writer import (
    COMPRESSION,
    COMPRESSION_LEVEL,
    ROW_GROUP,
    RowGroups,
    parquet_writer,
    refuse_existing,
    synchronised,
    take_name,
)
from . import healpix
from .pixels import NOWHERE, ORDER

if TYPE_CHECKING:
    import pyarrow as pa

#: Most rows of a tile of a HATS catalogue.
TILE_ROWS = 1_000_000


class Output(ABC):
    """A result that is written piece by piece, and takes its name when it is complete."""

    n_rows = 0

    @abstractmethod
    def write(self, table: pa.Table, pixels: np.ndarray) -> None:
        """Add rows; their pixels of ORDER ascend, and follow on those before."""

    @abstractmethod
    def finish(self) -> None:
        """Complete the result, and give it its name."""

    @abstractmethod
    def close(self) -> None:
        """Let go of files, complete or not."""


class NoOutput(Output):
    """For those who only count."""

    def write(self, table: pa.Table, pixels: np.ndarray) -> None:
        """Nothing."""

    def finish(self) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


class ParquetOutput(Output):
    """One Parquet file.

    Parameters
    ----------
    out : Path
        The file.
    folder : Path
        Where it is written, on the same file system.
    schema : Schema
        Its columns.
    overwrite : bool
        Whether it may replace a file.
    """

    def __init__(self, out: Path, folder: Path, schema: pa.Schema, overwrite: bool) -> None:
        self._out = out
        self._overwrite = overwrite
        self._path = folder / "result.parquet"
        self._row_groups = RowGroups(self._path, schema)

    def write(self, table: pa.Table, pixels: np.ndarray) -> None:
        """Add rows; they are written when they fill a row group."""
        self.n_rows += table.num_rows
        self._row_groups.write(table)

    def finish(self) -> None:
        """Write what waits, and give the file its name."""
        self._row_groups.finish()
        take_name(self._path, self._out, self._overwrite)

    def close(self) -> None:
        """Close the file; closing it twice does nothing."""
        self._row_groups.close()


class HatsOutput(Output):
    """A HATS catalogue.

    The tiles follow the density of the result, which is known when all of it is there; so it
    is written once in the order of the sky, and then tile by tile.

    Parameters
    ----------
    out : Path
        The folder of the catalogue.
    folder : Path
        Where it is written, on the same file system.
    schema : Schema
        Its columns.
    position : tuple of str
        The columns of the result that hold right ascension and declination (degrees).
    overwrite : bool
        Whether it may replace a catalogue.
    """

    def __init__(
        self,
        out: Path,
        folder: Path,
        schema: pa.Schema,
        position: tuple[str, str],
        overwrite: bool,
    ) -> None:
        import pyarrow as pa

        self._out = out
        self._overwrite = overwrite
        self._folder = folder
        self._root = folder / "hats"
        self._sorted = folder / "sorted.parquet"
        self._position = position
        self._schema = schema.insert(0, pa.field(HEALPIX_COLUMN, pa.int64()))
        self._writer = parquet_writer(self._sorted, self._schema)
        #: Rows in each pixel of ORDER.
        self._counts = np.zeros(12 << (2 * ORDER), np.int64)

    def write(self, table: pa.Table, pixels: np.ndarray) -> None:
        """Add rows, each with its key.

        Raises
        ------
        ValueError
            If a row has no position, for which a HATS catalogue has no place.
        """
        import pyarrow as pa

        if len(pixels) and pixels[-1] == NOWHERE:
            raise ValueError(
                "left rows without a position have no place in a HATS catalogue; write Parquet"
            )
        ra, dec = (table.column(name).to_numpy() for name in self._position)
        keys = healpix.pixels(ra, dec, HEALPIX_ORDER)
        table = table.add_column(0, self._schema.field(0), pa.array(keys))
        self._writer.write_table(table.cast(self._schema), row_group_size=ROW_GROUP)
        if len(pixels):
            first, last = int(pixels[0]), int(pixels[-1]) + 1
            self._counts[first:last] += np.bincount(pixels - pixels[0], minlength=last - first)
        self.n_rows += table.num_rows

    def finish(self) -> None:
        """Write the tiles and what describes them, and give the folder its name."""
        self.close()
        tiles = tiling(self._counts)
        self._write_tiles(tiles)
        self._describe(tiles)
        for path in self._root.rglob("*"):
            if path.is_file():
                synchronised(path)
        if not self._overwrite:
            refuse_existing(self._out)
        self._take_name()

    def _take_name(self) -> None:
        """Give the folder its name; an older one goes with the temporary folder."""
        older = self._folder / "older"
        if self._out.exists():
            os.replace(self._out, older)
        try:
            os.replace(self._root, self._out)
        except OSError:
            if older.exists():
                os.replace(older, self._out)
            raise

    def close(self) -> None:
        """Close the file; closing it twice does nothing."""
        self._writer.close()

    def _write_tiles(self, tiles: list[tuple[int, int, int]]) -> None:
        from pyarrow import parquet

        rows = _Reader(parquet.ParquetFile(self._sorted))
        collected: list = []
        for order, pixel, n_rows in tiles:
            path = self._root / tile_path(order, pixel)
            path.parent.mkdir(parents=True, exist_ok=True)
            table = rows.take(n_rows)
            table = table.take(np.argsort(table.column(HEALPIX_COLUMN).to_numpy(), kind="stable"))
            parquet.write_table(
                table,
                path,
                compression=COMPRESSION,
                compression_level=COMPRESSION_LEVEL,
                metadata_collector=collected,
            )
            collected[-1].set_file_path(str(tile_path(order, pixel).relative_to("dataset")))
        dataset = self._root / "dataset"
        dataset.mkdir(parents=True, exist_ok=True)
        parquet.write_metadata(self._schema, dataset / "_common_metadata")
        parquet.write_metadata(self._schema, dataset / "_metadata", metadata_collector=collected)

    def _describe(self, tiles: list[tuple[int, int, int]]) -> None:
        lines = ["Norder,Npix", *(f"{order},{pixel}" for order, pixel, _ in tiles), ""]
        (self._root / "partition_info.csv").write_text("\n".join(lines))
        now = datetime.datetime.now(datetime.UTC)
        properties = {
            "obs_collection": self._out.name,
            "dataproduct_type": "object",
            "hats_nrows": self.n_rows,
            "hats_col_ra": self._position[0],
            "hats_col_dec": self._position[1],
            "hats_col_healpix": HEALPIX_COLUMN,
            "hats_col_healpix_order": HEALPIX_ORDER,
            "hats_npix_suffix": ".parquet",
            "hats_max_rows": TILE_ROWS,
            "hats_order": max((order for order, _, _ in tiles), default=0),
            "moc_sky_fraction": f"{sum(4.0**-order for order, _, _ in tiles) / 12.0:.5f}",
            "hats_builder": f"armillary v{__version__}",
            "hats_creation_date": f"{now:%Y-%m-%dT%H:%MUTC}",
            "hats_version": "v1.0",
        }
        text = "".join(f"{key}={value}\n" for key, value in properties.items())
        # Both names: the first is that of HATS 1.0, the second that of before.
        for name in ("hats.properties", "properties"):
            (self._root / name).write_text(f"#HATS catalog\n{text}")


class _Reader:
    """Rows of a Parquet file, as many as are wanted at a time."""

    def __init__(self, file) -> None:  # type: ignore[no-untyped-def]
        self._batches: Iterator = file.iter_batches(batch_size=1 << 16)
        self._schema = file.schema_arrow
        self._rest = self._schema.empty_table()

    def take(self, n: int) -> pa.Table:
        import pyarrow as pa

        parts = [self._rest]
        have = self._rest.num_rows
        while have < n:
            batch = next(self._batches)
            parts.append(pa.Table.from_batches([batch]))
            have += batch.num_rows
        table = pa.concat_tables(parts)
        self._rest = table.slice(n)
        return table.slice(0, n)


def tiling(counts: np.ndarray) -> list[tuple[int, int, int]]:
    """Tiles (order, pixel, rows) of at most TILE_ROWS each, along the sky.

    Parameters
    ----------
    counts : ndarray
        Rows in each pixel of ORDER, which is not divided further.
    """
    pyramid = [counts]
    while len(pyramid[0]) > 12:
        pyramid.insert(0, pyramid[0].reshape(-1, 4).sum(axis=1))
    found: list[tuple[int, int, int]] = []
    stack = [(0, pixel) for pixel in range(11, -1, -1)]
    while stack:
        order, pixel = stack.pop()
        n = int(pyramid[order][pixel])
        if n == 0:
            continue
        if n <= TILE_ROWS or order == ORDER:
            found.append((order, pixel, n))
        else:
            stack += [(order + 1, 4 * pixel + child) for child in (3, 2, 1, 0)]
    return found


def tile_path(order: int, pixel: int) -> Path:
    """Where the tile of a pixel lies in a HATS catalogue."""
    folder = 10_000 * (pixel // 10_000)
    return Path("dataset", f"Norder={order}", f"Dir={folder}", f"Npix={pixel}.parquet")
