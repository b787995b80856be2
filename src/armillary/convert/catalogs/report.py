"""What a conversion of catalogues tells."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..._words import counted

#: Bytes of a megabyte, as disks and networks have it.
MEGABYTE = 1_000_000


@dataclass(frozen=True, repr=False)
class CatalogReport:
    """What became of some catalogues.

    Attributes
    ----------
    out : Path
        The Parquet file.
    inputs : tuple of Path
        What it was made of, in the order of its rows.
    formats : tuple of str
        What each input is: "FITS", "CSV", ...; that of a plugin with its distribution.
    n_rows, n_columns : int
        Of the result.
    changes : tuple of str
        A sentence for each column of an input whose values are others in the result, for they
        were in another unit.
    bytes_read, bytes_written : int
        Sizes of the inputs, as they are on disk, and of the result.
    seconds : float
        How long it took.
    """

    out: Path
    inputs: tuple[Path, ...]
    formats: tuple[str, ...]
    n_rows: int
    n_columns: int
    changes: tuple[str, ...]
    bytes_read: int
    bytes_written: int
    seconds: float

    @property
    def megabytes_per_second(self) -> float:
        """Megabytes of the inputs in a second."""
        return self.bytes_read / MEGABYTE / max(self.seconds, 1e-9)

    def __repr__(self) -> str:
        lines = [
            f"{counted(self.n_rows, 'row')} of {counted(self.n_columns, 'column')} from "
            f"{counted(len(self.inputs), 'catalogue')} in {self.out}",
            f"  {self.bytes_read / MEGABYTE:,.1f} MB read, "
            f"{self.bytes_written / MEGABYTE:,.1f} MB written, "
            f"{self.megabytes_per_second:,.0f} MB/s",
            *(f"  {change}" for change in self.changes),
        ]
        return "\n".join(lines)
