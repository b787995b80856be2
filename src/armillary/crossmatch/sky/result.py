"""What a match gives: pairs of rows, and tables made of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ..._saved import load_arrays, save_arrays
from ..._words import counted
from ...plugins.arrays import HOST, array_kind, namespace, on_host
from ...plugins.records import Provenance
from ..catalog.catalog import Catalog
from ..catalog.columns import ROLES
from ..catalog.device import DeviceCatalog
from ..catalog.quantities import read_only_view
from .angles import difference

Join = Literal["inner", "left", "outer", "anti"]

FORMAT = "armillary.crossmatch.Matches 1"
#: What there is of each pair.
ARRAYS = ("left", "right", "separation")


@dataclass(frozen=True, eq=False, repr=False)
class Matches:
    """Pairs of rows of two catalogues, by left row, separation and right row.

    All arrays are read-only. Of catalogues on a device they are on that device too, but for
    offsets: these, tables, files and pictures are made on the host, of a copy that is taken once.

    Attributes
    ----------
    left, right : ndarray of int64, shape (n,)
        Row numbers, counted from 0.
    separation : ndarray of float64, shape (n,)
        Angle between the two (arcsec), accurate to 1e-9 of itself up to 179.999 degrees.
    left_catalog, right_catalog : Catalog or DeviceCatalog
        What was matched, at the epoch at which it was matched. The latter has ``ra`` and ``dec``
        on the device, and ``on_host()``, which gives the former.
    n_dropped_left, n_dropped_right : int
        Rows that can match nothing, because their position (or, for :func:`n_sigma`, their
        error) is unknown.
    with_itself : bool
        Whether the right catalogue is the left one.
    provenance : Provenance
        Who computed it, and who decided so.
    """

    left: Any
    right: Any
    separation: Any
    left_catalog: Any
    right_catalog: Any
    n_dropped_left: int
    n_dropped_right: int
    with_itself: bool
    provenance: Provenance

    def __len__(self) -> int:
        return len(self.left)

    def on_host(self) -> Matches:
        """The same matches with all arrays on the host; themselves, if they are there.

        Returns
        -------
        Matches
        """
        return self if array_kind(self.left) == HOST else self._copy_on_host

    @cached_property
    def _copy_on_host(self) -> Matches:
        arrays = {name: read_only_view(on_host(getattr(self, name))) for name in ARRAYS}
        left = _catalog_on_host(self.left_catalog)
        right = left if self.with_itself else _catalog_on_host(self.right_catalog)
        return replace(self, left_catalog=left, right_catalog=right, **arrays)

    # ------------------------------------------------------------ derived arrays

    @cached_property
    def unmatched_left(self) -> Any:
        """Left rows without a match, those without a position included.

        Of a catalogue matched with itself, the rows that are in no pair.
        """
        return self._alone(self.left, self.left_catalog)

    @cached_property
    def unmatched_right(self) -> Any:
        """Right rows without a match, those without a position included."""
        return self._alone(self.right, self.right_catalog)

    def _alone(self, rows: Any, catalog: Catalog | DeviceCatalog) -> Any:
        xp = namespace(array_kind(rows))
        alone = xp.ones(len(catalog), bool)
        for matched in (self.left, self.right) if self.with_itself else (rows,):
            alone[matched] = False
        return read_only_view(xp.flatnonzero(alone))

    @cached_property
    def offsets(self) -> tuple[np.ndarray, np.ndarray]:
        """Right minus left position of each pair, east and north (arcsec).

        The distance and direction of the right source as seen from the left one; for close
        pairs these are the differences in right ascension times cos(dec), and in declination.
        """
        host = self.on_host()
        left, right = host.left_catalog, host.right_catalog
        dec1, dec2 = left.dec[host.left], right.dec[host.right]
        d1, d2 = np.radians(dec1), np.radians(dec2)
        turn = np.radians(difference(right.ra[host.right], left.ra[host.left]))
        east = np.cos(d2) * np.sin(turn)
        # Towards the pole meridians converge; there is no difference of like numbers in this.
        north = (
            np.sin(np.radians(dec2 - dec1))
            + 2.0 * np.sin(d1) * np.cos(d2) * np.sin(0.5 * turn) ** 2
        )
        length = np.hypot(east, north)
        scale = np.divide(host.separation, length, out=np.zeros(len(self)), where=length > 0)
        return read_only_view(east * scale), read_only_view(north * scale)

    # ------------------------------------------------------------ tables

    def to_table(
        self,
        left_table: Any = None,
        right_table: Any = None,
        join: Join = "inner",
        *,
        suffixes: tuple[str, str] = ("_left", "_right"),
    ) -> Any:
        """The matched rows of two tables side by side.

        Parameters
        ----------
        left_table, right_table : table, optional
            The tables that were matched, both of astropy, both pandas or both pyarrow; for
            "anti" the left one is enough. None for both gives a ``QTable`` of ``left``,
            ``right`` and ``separation``.
        join : {"inner", "left", "outer", "anti"}
            "inner": pairs. "left": also left rows without a match, in their place. "outer": also
            right rows without one, at the end. "anti": left rows without a match, alone.
        suffixes : tuple of str
            Added to the names of columns that both tables have. An index of pandas that has a
            name is a column, and so is each named level of one with several.

        Returns
        -------
        table
            Of the kind of the input: the columns of the left table, those of the right one, and
            ``separation`` (arcsec); what is missing is masked or null.

        Raises
        ------
        ValueError
            If a table has another number of rows than was matched, ``join`` is none of the
            four, ``suffixes`` are not two strings, names collide in spite of them, or an index
            is named like a column.
        TypeError
            If the tables are of different kinds, or only one is given.

        Examples
        --------
        >>> from astropy.table import Table
        >>> import armillary as arm
        >>> left = Table({"ra": [10.0, 20.0], "dec": [0.0, 0.0], "name": ["a", "b"]})
        >>> right = Table({"ra": [20.0001], "dec": [0.0], "flux": [3.5]})
        >>> matches = arm.crossmatch.nearest(left, right, 1.0)
        >>> matches.to_table(left, right, "left")["name", "flux"].pformat()
        ['name flux', '---- ----', '   a   --', '   b  3.5']
        """
        from .tables import alone, joined

        left, right, separation = self.on_host()._joined_rows(join)
        if left_table is None and right_table is None:
            return self._as_table(left, right, separation, join)
        n_rows = len(self.left_catalog), len(self.right_catalog)
        if join == "anti":
            return alone(left_table, left, n_rows[0])
        return joined((left_table, right_table), (left, right), separation, n_rows, suffixes)

    def _joined_rows(self, join: Join) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Left and right rows, -1 where there is none, and separations, NaN where there is none."""
        if join == "inner":
            return self.left, self.right, self.separation
        alone = self.unmatched_left
        nothing = np.full(len(alone), -1)
        if join == "anti":
            return alone, nothing, np.full(len(alone), np.nan)
        if join not in ("left", "outer"):
            raise ValueError(f"join must be 'inner', 'left', 'outer' or 'anti', not {join!r}")
        left = np.concatenate([self.left, alone])
        order = np.argsort(left, kind="stable")
        left = left[order]
        right = np.concatenate([self.right, nothing])[order]
        separation = np.concatenate([self.separation, np.full(len(alone), np.nan)])[order]
        if join == "left":
            return left, right, separation
        alone = self.unmatched_right
        return (
            np.concatenate([left, np.full(len(alone), -1)]),
            np.concatenate([right, alone]),
            np.concatenate([separation, np.full(len(alone), np.nan)]),
        )

    def _as_table(
        self, left: np.ndarray, right: np.ndarray, separation: np.ndarray, join: Join
    ) -> Any:
        from astropy import units
        from astropy.table import MaskedColumn, QTable
        from astropy.utils.masked import Masked

        table = QTable(meta=self._meta())
        table["left"] = MaskedColumn(left, mask=left < 0) if np.any(left < 0) else left
        if join != "anti":
            table["right"] = MaskedColumn(right, mask=right < 0) if np.any(right < 0) else right
            unknown = np.isnan(separation)
            quantity = separation * units.arcsec
            table["separation"] = Masked(quantity, mask=unknown) if unknown.any() else quantity
        return table

    # ------------------------------------------------------------ files and pictures

    def _meta(self) -> dict[str, Any]:
        return {
            "n_dropped_left": self.n_dropped_left,
            "n_dropped_right": self.n_dropped_right,
            "with_itself": self.with_itself,
            "provenance": self.provenance.to_dict(),
        }

    def save(self, path: str | Path) -> None:
        """Write everything, the positions included, to one ``.npz`` file.

        Raises
        ------
        OSError
            If the file cannot be written; an older file at ``path`` is then untouched.
        """
        host = self.on_host()
        arrays = {name: getattr(host, name) for name in ARRAYS}
        for side in ("left", "right"):
            for name in ROLES:
                value = getattr(getattr(host, f"{side}_catalog"), name)
                if value is not None:
                    arrays[f"{side}_catalog_{name}"] = np.asarray(value)
        save_arrays(path, FORMAT, self._meta(), arrays)

    @classmethod
    def load(cls, path: str | Path) -> Matches:
        """Read what :meth:`save` wrote.

        Raises
        ------
        ValueError
            If the file holds no such matches.
        """
        header, arrays = load_arrays(path, FORMAT, "matches")
        catalogs = {}
        for side in ("left_catalog", "right_catalog"):
            prefix = f"{side}_"
            fields = {n.removeprefix(prefix): v for n, v in arrays.items() if n.startswith(prefix)}
            catalogs[side] = Catalog(**fields)
        return cls(
            left=arrays["left"],
            right=arrays["right"],
            separation=arrays["separation"],
            n_dropped_left=header["n_dropped_left"],
            n_dropped_right=header["n_dropped_right"],
            with_itself=header["with_itself"],
            provenance=Provenance.from_dict(header["provenance"]),
            **catalogs,
        )

    def plot(self, **options: Any) -> Any:
        """Histogram of separations, and the cloud of offsets, where a wrong epoch leaps to the eye.

        Parameters
        ----------
        **options
            Passed to :func:`armillary.plot.matches.plot_matches`.

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        from ...plot.matches import plot_matches

        return plot_matches(self.on_host(), **options)

    def __getstate__(self) -> dict[str, Any]:
        # What is derived is derived again.
        derived = ("unmatched_left", "unmatched_right", "offsets", "_copy_on_host")
        return {k: v for k, v in self.__dict__.items() if k not in derived}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        # Arrays come out of a pickle, or a deep copy, ready to be written to.
        for name, value in state.items():
            if isinstance(value, np.ndarray):
                value.setflags(write=False)
            object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        xp = namespace(array_kind(self.separation))
        n_left, n_right = len(self.left_catalog), len(self.right_catalog)
        other = "itself" if self.with_itself else counted(n_right, "source")
        lines = [
            f"Matches of {counted(n_left, 'source')} with {other}: {counted(len(self), 'pair')}"
        ]
        if len(self):
            lines.append(
                f"  separation: median {float(xp.median(self.separation)):.4g}, "
                f"largest {float(self.separation.max()):.4g} arcsec"
            )
        lines.append(
            f"  without a match: {len(self.unmatched_left):,} left, "
            f"{len(self.unmatched_right):,} right"
        )
        if self.n_dropped_left or self.n_dropped_right:
            lines.append(
                f"  dropped, as their position or error is unknown: {self.n_dropped_left:,} left, "
                f"{self.n_dropped_right:,} right"
            )
        lines.append(f"  {self.provenance}")
        return "\n".join(lines)


def _catalog_on_host(catalog: Catalog | DeviceCatalog) -> Catalog:
    return catalog.on_host() if isinstance(catalog, DeviceCatalog) else catalog
