"""Rows of a HATS catalogue by pixel: its files are read as they are, and nothing is spilled.

HATS (Hierarchical Adaptive Tiling Scheme, IVOA note 1.0) keeps one Parquet file for each
HEALPix pixel of an order that follows the density of sources, and in a margin cache, for each
pixel, the rows of other pixels within some distance of it.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...io.catalog_hats import (
    HEALPIX_ORDER,
    along_the_sky,
    catalog_folder,
    catalog_properties,
    collection_properties,
    healpix_column,
    partition,
)
from . import healpix
from .pixels import ORDER, Range, inside
from .rows import COUNT_SHIFT, N_COUNTS, Rows
from .side import PIXEL, ROW, Side

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Tile:
    """One file of a HATS catalogue.

    Attributes
    ----------
    order, pixel : int
        The pixel that it covers.
    path : Path
        Where it is.
    n_rows : int
        Its rows.
    has_keys : bool
        Whether it has the column of pixels, as integers, by which it is sorted.
    """

    order: int
    pixel: int
    path: Path
    n_rows: int
    has_keys: bool

    @property
    def range(self) -> Range:
        """The pixels of order :data:`ORDER` that it covers, in whole or in part."""
        shift = 2 * (ORDER - self.order)
        if shift >= 0:
            return Range(self.pixel << shift, (self.pixel + 1) << shift)
        return Range(self.pixel >> -shift, (self.pixel >> -shift) + 1)


@dataclass(frozen=True, slots=True)
class HatsFolder:
    """A HATS catalogue: its tiles along the sky, and its margin cache if it has one.

    Attributes
    ----------
    path : Path
        The folder of the catalogue itself.
    properties : dict
        What its properties file states.
    tiles : tuple of Tile
        By pixel, which is also the order of the rows.
    margin : HatsFolder or None
        The margin cache that serves a radius.
    """

    path: Path
    properties: dict[str, str]
    tiles: tuple[Tile, ...]
    margin: HatsFolder | None = None

    @classmethod
    def open(cls, path: Path, radius: float = 0.0) -> HatsFolder:
        """Open a catalogue, or a collection of one with its margin caches.

        Parameters
        ----------
        path : Path
            The folder.
        radius : float
            Arcseconds; of a collection the smallest margin that is not smaller is taken.

        Raises
        ------
        CatalogFileError
            (A ValueError.) If the folder is no such catalogue.
        """
        main = cls._catalog(catalog_folder(path))
        stated = collection_properties(path) or {}
        names = stated.get("all_margins", stated.get("default_margin", "")).split()
        # Without keys nobody knows which rows those of a margin are.
        margins = [cls._catalog(path / name) for name in names] if main.has_keys else []
        fit = [m for m in margins if m.has_keys and m.threshold >= radius]
        best = min(fit, key=lambda margin: margin.threshold, default=None)
        return cls(main.path, main.properties, main.tiles, best)

    @classmethod
    def _catalog(cls, path: Path) -> HatsFolder:
        properties = catalog_properties(path)
        return cls(path, properties, tuple(_tiles(path, healpix_column(properties))))

    @property
    def threshold(self) -> float:
        """Arcseconds that a margin cache reaches."""
        return float(self.properties.get("hats_margin_threshold", 0.0))

    @property
    def has_keys(self) -> bool:
        """Whether the pixels of all rows are known to the order in which they are sorted."""
        order = self.properties.get("hats_col_healpix_order", str(HEALPIX_ORDER))
        return order == str(HEALPIX_ORDER) and all(tile.has_keys for tile in self.tiles)

    def keys(self, tile: Tile) -> np.ndarray:
        """The pixels by which the rows of one of its tiles are sorted."""
        from pyarrow import parquet

        columns = [healpix_column(self.properties)]
        table = parquet.read_table(tile.path, columns=columns, partitioning=None)
        return table.column(0).to_numpy().astype(np.int64)


def _tiles(folder: Path, keys: str) -> list[Tile]:
    found: list[Path] = []
    for place in folder.glob("dataset/Norder=*/Dir=*/Npix=*"):
        # A tile may also be a folder of files.
        found += place.glob("*.parquet") if place.is_dir() else [place]
    dataset = folder / "dataset"
    return [_tile(path, keys) for path in sorted(found, key=lambda p: _along(p, dataset))]


def _along(path: Path, dataset: Path) -> tuple[int, int, Path]:
    return along_the_sky(path.relative_to(dataset))


def _tile(path: Path, keys: str) -> Tile:
    import pyarrow as pa
    from pyarrow import parquet

    metadata = parquet.read_metadata(path)
    schema = metadata.schema.to_arrow_schema()
    has_keys = keys in schema.names and schema.field(keys).type in (pa.int64(), pa.uint64())
    return Tile(*partition(path), path, metadata.num_rows, has_keys)


class HatsRows(Rows):
    """The rows of one side that is a HATS catalogue."""

    def __init__(self, side: Side, folder: HatsFolder) -> None:
        self.side = side
        self.folder = folder
        self.n_dropped = 0
        self.largest_error = 0.0
        sizes = [tile.n_rows for tile in folder.tiles]
        self.n_rows = sum(sizes)
        self._first_row = np.cumsum([0, *sizes])
        self.counts = self._estimated_counts()

    @property
    def edges(self) -> list[int]:
        """Where tiles begin, if each is best matched by itself: when it has a margin."""
        if self.folder.margin is None:
            return []
        return [edge for tile in self.folder.tiles if tile.order <= ORDER for edge in tile.range]

    # ------------------------------------------------------------ reading

    def read(self, ranges: Sequence[Range]) -> pa.Table:
        """The rows in some ranges of pixels, along the sky: by pixel, then by row number."""
        touched = [i for i, tile in enumerate(self.folder.tiles) if _overlap(tile, ranges)]
        rows = self._joined(self._rows_of(i, ranges) for i in touched)
        return rows.take(healpix.rows_by_key(rows.column(PIXEL).to_numpy()))

    def read_near(self, home: Range, ranges: Sequence[Range]) -> pa.Table:
        """The rows in some ranges around a patch, in no order.

        Where the patch lies in one tile, and there is a margin cache, neighbours stay shut.
        """
        around = [i for i, t in enumerate(self.folder.tiles) if _overlap(t, [home])]
        if self.folder.margin is None or len(around) != 1 or not ranges:
            return self.read(ranges)
        tile = self.folder.tiles[around[0]]
        # A smaller tile does not hold all of the pixel of ORDER that it is in.
        is_whole = tile.order <= ORDER
        if not (is_whole and tile.range.first <= home.first and home.last <= tile.range.last):
            return self.read(ranges)
        margin = [
            self._rows_of_margin(other)
            for other in self.folder.margin.tiles
            if (other.order, other.pixel) == (tile.order, tile.pixel)
        ]
        return self._joined([self._rows_of(around[0], ranges), *margin])

    def unknown(self) -> pa.Table:
        """The rows without a position: a HATS catalogue has none."""
        return self._joined([])

    def counts_within(self, first: int, last: int) -> np.ndarray:
        """Rows in each pixel of a range."""
        pixels = self.read([Range(first, last)]).column(PIXEL).to_numpy()
        return np.bincount(pixels - first, minlength=last - first)

    def bytes_per_row(self) -> float:
        """Memory of a row, on average."""
        from pyarrow import parquet

        if not self.n_rows:
            return 8.0
        metadata = parquet.read_metadata(max(self.folder.tiles, key=lambda t: t.n_rows).path)
        groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
        return sum(g.total_byte_size for g in groups) / metadata.num_rows + 32.0

    def _joined(self, parts: Iterable[pa.Table]) -> pa.Table:
        import pyarrow as pa

        nothing = pa.RecordBatch.from_pylist([], schema=self.side.file.schema)
        empty = self.side.prepared(nothing.select(self.side.read), 0)[0]
        return pa.concat_tables([empty, *parts]).combine_chunks()

    def _rows_of(self, index: int, ranges: Sequence[Range]) -> pa.Table:
        tile = self.folder.tiles[index]
        rows = self._prepared(tile.path, int(self._first_row[index]))
        # Rounding may put a row at the border of a tile just outside it; it belongs to the tile.
        pixels = rows.column(PIXEL).to_numpy().clip(tile.range.first, tile.range.last - 1)
        rows = _with_column(rows, PIXEL, pixels.astype(np.uint32))
        return rows.filter(inside(pixels, list(ranges)))

    def _rows_of_margin(self, tile: Tile) -> pa.Table:
        assert self.folder.margin is not None
        rows = self._prepared(tile.path, 0)
        return _with_column(rows, ROW, self._row_numbers(self.folder.margin.keys(tile)))

    def _prepared(self, path: Path, first_row: int) -> pa.Table:
        from pyarrow import parquet

        columns = self.side.read
        table = parquet.read_table(path, columns=columns, partitioning=None).select(columns)
        table = table.cast(self._schema(columns))
        batches = table.combine_chunks().to_batches()
        if not batches:
            return self._joined([])
        rows, catalog = self.side.prepared(batches[0], first_row)
        if catalog.known is not None:
            raise ValueError(f"{path} has rows without a position; a HATS catalogue has none")
        return rows

    def _schema(self, columns: Sequence[str]) -> pa.Schema:
        import pyarrow as pa

        return pa.schema([self.side.file.schema.field(name) for name in columns])

    # ------------------------------------------------------------ row numbers of a margin

    def _row_numbers(self, keys: np.ndarray) -> np.ndarray:
        """Where the rows of a margin cache stand in the catalogue.

        Rows of one key follow each other in the cache as they do in their tile.
        """
        starts = np.array([t.pixel << (2 * (HEALPIX_ORDER - t.order)) for t in self.folder.tiles])
        owner = np.searchsorted(starts, keys, side="right") - 1
        order = np.argsort(keys, kind="stable")
        sorted_keys = keys[order]
        occurrence = np.empty(len(keys), np.int64)
        occurrence[order] = np.arange(len(keys)) - np.searchsorted(sorted_keys, sorted_keys)
        rows = np.empty(len(keys), np.int64)
        for index in np.unique(owner):
            chosen = owner == index
            places = np.searchsorted(self._keys(int(index)), keys[chosen])
            rows[chosen] = self._first_row[index] + places + occurrence[chosen]
        return rows

    @functools.lru_cache(maxsize=16)  # noqa: B019  (lives as long as one match)
    def _keys(self, index: int) -> np.ndarray:
        return self.folder.keys(self.folder.tiles[index])

    # ------------------------------------------------------------ planning

    def _estimated_counts(self) -> np.ndarray:
        """Rows in each pixel of COUNT_ORDER, taking them as spread evenly over their tile."""
        counts = np.zeros(N_COUNTS + 1, np.int64)
        for tile in self.folder.tiles:
            first, last = (edge >> COUNT_SHIFT for edge in tile.range)
            last = max(last, first + 1)
            counts[first:last] += -(-tile.n_rows // (last - first))
        return counts


def _overlap(tile: Tile, ranges: Sequence[Range]) -> bool:
    return any(r.first < tile.range.last and tile.range.first < r.last for r in ranges)


def _with_column(table: pa.Table, name: str, values: np.ndarray) -> pa.Table:
    import pyarrow as pa

    return table.set_column(table.column_names.index(name), name, pa.array(values))
