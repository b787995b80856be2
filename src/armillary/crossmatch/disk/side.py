"""One side of a match on disk: which columns it reads, and where its sources are."""

from __future__ import annotations

import numbers
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...io.catalog_files import CatalogFile
from ...io.catalog_hats import catalog_folder, catalog_properties, healpix_column, is_hats
from ...io.columns import RawColumn, parse_unit
from ..catalog.catalog import Catalog
from ..catalog.columns import NUMBERS, ROLES, choose_columns
from ..catalog.quantities import julian_years
from . import healpix
from .pixels import ORDER

if TYPE_CHECKING:
    import pyarrow as pa

#: Rows that tell the epoch of a catalogue.
FIRST_ROWS = 1000
#: Columns that we add beside those of the user, who has none that begins like this.
PREFIX = "armillary:"
RA, DEC, ERROR = (PREFIX + name for name in ("ra", "dec", "error"))
ROW, PIXEL = PREFIX + "row", PREFIX + "pixel"


@dataclass(frozen=True, slots=True)
class Side:
    """What is read of a catalogue, and what is kept of it.

    Attributes
    ----------
    name : str
        "left" or "right".
    file : CatalogFile
        Where the rows are.
    roles : dict of str to str or float
        Column, or one number, for ``ra``, ``dec`` and whatever else is known.
    kept : tuple of str
        Columns that the result gets.
    epoch : float or None
        Julian year to which positions are moved.
    with_error : bool
        Whether errors are needed.
    """

    name: str
    file: CatalogFile
    roles: dict[str, str | float]
    kept: tuple[str, ...]
    epoch: float | None
    with_error: bool

    @classmethod
    def of(
        cls,
        name: str,
        file: CatalogFile,
        columns: Mapping[str, Any],
        kept: Sequence[str] | None,
        epoch: float | None,
        with_error: bool,
    ) -> Side:
        """Choose the columns of a file.

        Raises
        ------
        ValueError
            If a column is missing or has a name that is ours, or positions or needed errors
            cannot be found.
        TypeError
            If there is no such role, or it cannot be what is given.
        """
        names = file.schema.names
        ours = [column for column in names if column.startswith(PREFIX)]
        if ours:
            raise ValueError(
                f"{file.path}: names that begin with {PREFIX!r} are used in matching; rename "
                f"column {ours[0]!r}"
            )
        _check_roles(name, columns)
        given = {role: float(v) for role, v in columns.items() if isinstance(v, numbers.Real)}
        named = {role: v for role, v in columns.items() if role not in given}
        try:
            chosen = choose_columns(names, named)
        except ValueError as error:
            raise ValueError(f"{file.path}: {error}") from None
        roles: dict[str, str | float] = {role: names[i] for role, i in chosen.items()}
        roles |= given
        if with_error and "error" not in roles:
            raise ValueError(
                f"a radius in sigma needs errors; name them in {name}_columns, as in "
                f"{name}_columns={{'error': 'pos_err'}} (a column, or one number in arcsec)"
            )
        missing = [column for column in kept or () if column not in names]
        if missing:
            raise ValueError(f"columns: {file.path} has no column {missing[0]!r}")
        chosen_kept = _all_columns(file) if kept is None else tuple(kept)
        return cls(name, file, roles, chosen_kept, epoch, with_error)

    # ------------------------------------------------------------ columns

    @property
    def moves(self) -> bool:
        """Whether the positions of the match are others than those of the file."""
        return self.epoch is not None and "pm_dec" in self.roles

    @property
    def read(self) -> list[str]:
        """Columns to read: those that are kept, and those that tell the positions."""
        roles = [name for role, name in self.roles.items() if self._needs(role)]
        return list(dict.fromkeys([*self.kept, *(n for n in roles if isinstance(n, str))]))

    def _needs(self, role: str) -> bool:
        if role == "error":
            return self.with_error
        return role in ("ra", "dec") or self.moves

    @property
    def computed(self) -> bool:
        """Whether positions are kept beside the columns that tell them.

        Where those are plain numbers in degrees, and kept anyway, they are read from there.
        """
        import pyarrow as pa

        plain = all(
            self.roles[role] in self.kept
            and self.file.schema.field(str(self.roles[role])).type == pa.float64()
            for role in ("ra", "dec")
        )
        return self.moves or not plain

    def is_plain_degrees(self, role: str) -> bool:
        """Whether the column of a position holds degrees as they are, in double precision."""
        import pyarrow as pa
        from astropy import units

        field = self.file.schema.field(str(self.roles[role]))
        unit = self._unit(field.name)
        return field.type == pa.float64() and (unit is None or parse_unit(unit) == units.deg)

    def kept_schema(self) -> pa.Schema:
        """The columns of the result that come from this side."""
        import pyarrow as pa

        schema = self.file.schema
        return pa.schema([schema.field(name) for name in self.kept])

    # ------------------------------------------------------------ positions

    def catalog(self, batch: pa.RecordBatch) -> Catalog:
        """The positions in some rows, moved to the epoch of the match.

        Raises
        ------
        ValueError
            If they cannot be used.
        """
        fields = {
            role: self._column(batch, where) if isinstance(where, str) else where
            for role, where in self.roles.items()
            if self._needs(role)
        }
        catalog = Catalog(**fields)
        return catalog if self.epoch is None else catalog.at(self.epoch)

    def first_epoch(self) -> float | None:
        """The epoch of the positions, if one holds for the first rows."""
        where = self.roles.get("epoch")
        if where is None or not isinstance(where, str):
            return where
        batch = next(self.file.batches([where], rows=FIRST_ROWS), None)
        if batch is None:
            return None
        epoch = julian_years(self._column(batch, where), (batch.num_rows,))
        return epoch if isinstance(epoch, float) else None

    def _column(self, batch: pa.RecordBatch, name: str) -> RawColumn:
        values = batch.column(name).to_numpy(zero_copy_only=False)
        return RawColumn(values, self._unit(name))

    def prepared(self, batch: pa.RecordBatch, first_row: int) -> tuple[pa.Table, Catalog]:
        """Some rows as they are kept, with their positions, row numbers and pixels."""
        import pyarrow as pa

        try:
            catalog = self.catalog(batch)
        except ValueError as error:
            last = first_row + batch.num_rows - 1
            raise ValueError(f"{self.file.path}, rows {first_row:,} to {last:,}: {error}") from None
        kept = {name: batch.column(name) for name in self.kept}
        columns = {
            ROW: np.arange(first_row, first_row + len(catalog)),
            PIXEL: healpix.pixels(catalog.ra, catalog.dec, ORDER).astype(np.uint32),
        }
        if self.computed:
            columns |= {RA: catalog.ra, DEC: catalog.dec}
        if self.with_error and catalog.error is not None:
            columns[ERROR] = catalog.error
        added = {name: pa.array(values) for name, values in columns.items()}
        return pa.table(kept | added), catalog

    def in_memory(self, table: pa.Table, order: np.ndarray | None) -> Catalog:
        """The positions of prepared rows, taken in some order; None means as they are."""
        names = {"ra": RA, "dec": DEC, "error": ERROR}
        columns = {}
        for role in ("ra", "dec", *(["error"] if self.with_error else [])):
            stored = role == "error" or self.computed
            name = names[role] if stored else str(self.roles[role])
            column = table.column(name).to_numpy()
            values = column if order is None else column[order]
            values.setflags(write=False)  # what nobody can write to need not be copied
            columns[role] = RawColumn(values, None if stored else self._unit(name))
        return Catalog(**columns)

    def _unit(self, name: str) -> str | None:
        unit = (self.file.schema.field(name).metadata or {}).get(b"unit")
        return unit.decode() if unit else None


def _check_roles(side: str, columns: Mapping[str, Any]) -> None:
    """Make sure that roles exist, and are names, or numbers where they may be."""
    unknown = sorted(set(columns) - set(ROLES))
    if unknown:
        raise TypeError(f"{side}_columns has no {unknown[0]!r}; it may have {', '.join(ROLES)}")
    for role, value in columns.items():
        if value is None or isinstance(value, str):
            continue
        if role not in NUMBERS or not isinstance(value, numbers.Real):
            raise TypeError(
                f"{side}_columns: {role} must be the name of a column, not {value!r:.60}; "
                f"only {' and '.join(NUMBERS)} may be numbers"
            )


def _all_columns(file: CatalogFile) -> tuple[str, ...]:
    """The columns of a file, but not that by which a HATS catalogue sorts its rows."""
    keys = None
    if is_hats(file.path):
        keys = healpix_column(catalog_properties(catalog_folder(file.path)))
    return tuple(name for name in file.schema.names if name != keys)
