"""A catalogue of positions, the canonical input of every match."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...plugins.arrays import on_host
from ...runtime.blocks import run_blocks
from ...runtime.threads import default_threads
from . import kernel
from .columns import ROLES, choose_columns
from .quantities import angle, julian_years, milliarcseconds_per_year, vector

#: Rows of a block of a pass over a catalogue: about a millisecond.
BLOCK_ROWS = 1 << 18


class EpochWarning(UserWarning):
    """Positions of different epochs are compared as they are, though proper motions are known."""


@dataclass(frozen=True, eq=False, repr=False)
class Catalog:
    """Positions of sources, and what is known of their motion and error.

    Parameters
    ----------
    ra, dec : array_like, shape (n,)
        Degrees, or anything with a unit of angle, or sexagesimal text (``"17:45:40.04"``: then
        right ascension in hours). Any finite right ascension is wrapped. Rows in which either is
        NaN, infinite, masked or empty stay in the catalogue and match nothing.
    pm_ra_cosdec, pm_dec : array_like, shape (n,), optional
        Proper motion (mas/yr, or with a unit), that in right ascension with the factor
        cos(dec). None means unknown. A row in which either is NaN does not move.
    epoch : float, astropy Time or array_like, optional
        Julian year of the positions, one for all or one for each row. None means unknown.
    error : float or array_like, optional
        One-sigma error of a position (arcsec, or with a unit). None means unknown.

    Attributes
    ----------
    ra, dec : ndarray of float64, shape (n,)
        Degrees; read-only. Right ascension is between -180 and 360.
    pm_ra_cosdec, pm_dec : ndarray of float64 or None
        Milliarcseconds per year.
    epoch : float, ndarray of float64 or None
        Julian year.
    error : ndarray of float64, shape (n,), or None
        Arcseconds.

    Raises
    ------
    ValueError
        If arrays differ in length or hold no numbers, if a declination is outside -90 to 90
        (the message names the first row), if an error is negative, or if only one of the two
        proper motions is given.

    Examples
    --------
    >>> import armillary as arm
    >>> barnard = arm.crossmatch.Catalog(
    ...     [269.448503], [4.739420], pm_ra_cosdec=[-801.6], pm_dec=[10362.4], epoch=2016.0)
    >>> moved = barnard.at(1991.25)
    >>> print(f"{moved.ra[0]:.6f} {moved.dec[0]:.6f}")
    269.454032 4.668179
    """

    ra: np.ndarray
    dec: np.ndarray
    pm_ra_cosdec: np.ndarray | None = None
    pm_dec: np.ndarray | None = None
    epoch: Any = None
    error: np.ndarray | None = None

    def __init__(
        self,
        ra: Any,
        dec: Any,
        *,
        pm_ra_cosdec: Any = None,
        pm_dec: Any = None,
        epoch: Any = None,
        error: Any = None,
    ) -> None:
        right_ascension, declination = angle("ra", ra), angle("dec", dec)
        shape = right_ascension.shape
        if declination.shape != shape:
            raise ValueError(f"ra has {shape[0]} rows and dec {declination.shape[0]}")
        if (pm_ra_cosdec is None) != (pm_dec is None):
            missing = "pm_dec" if pm_dec is None else "pm_ra_cosdec"
            raise ValueError(f"{missing} is missing; a proper motion has both components")
        right_ascension = _valid(right_ascension, declination)
        fields = {"ra": right_ascension, "dec": declination}
        if pm_ra_cosdec is not None:
            fields["pm_ra_cosdec"] = milliarcseconds_per_year("pm_ra_cosdec", pm_ra_cosdec, shape)
            fields["pm_dec"] = milliarcseconds_per_year("pm_dec", pm_dec, shape)
        if error is not None:
            fields["error"] = _errors(error, shape)
        for name, array in fields.items():
            object.__setattr__(self, name, _read_only(array))
        object.__setattr__(self, "epoch", None if epoch is None else julian_years(epoch, shape))

    # ------------------------------------------------------------ from other things

    @classmethod
    def from_table(cls, table: Any, **columns: Any) -> Catalog:
        """A catalogue from the columns of a table.

        Parameters
        ----------
        table : table
            Of astropy, pandas, pyarrow, or what else exports Arrow streams.
        **columns : str, optional
            Names of columns for ``ra``, ``dec``, ``pm_ra_cosdec``, ``pm_dec``, ``epoch`` and
            ``error``; case does not matter. Whatever is no name is the value itself, such as
            ``epoch=2016.0`` or ``error=0.1``. Default:
            recognised names (``ra`` and ``dec``, ``RAJ2000`` and ``DEJ2000``, ``RA_ICRS`` and
            ``DE_ICRS``, ...) of positions, proper motions and ``ref_epoch``; an error is used
            only where it is named. None means not to look for one.

        Returns
        -------
        Catalog

        Raises
        ------
        ValueError
            If columns are missing, ambiguous or hold no angles.
        TypeError
            If it is no table, or an argument is not one of these.

        Examples
        --------
        >>> from astropy.table import Table
        >>> import armillary as arm
        >>> table = Table({"RAJ2000": ["17:45:40.04"], "DEJ2000": ["-29:00:28.1"]})
        >>> arm.crossmatch.Catalog.from_table(table)
        Catalog of 1 source
        """
        from ...io.memory_reader import read_table

        unknown = sorted(set(columns) - set(ROLES))
        if unknown:
            raise TypeError(f"there is no column {unknown[0]!r}; there are {', '.join(ROLES)}")
        raw = read_table(table)
        named = {role: v for role, v in columns.items() if v is None or isinstance(v, str)}
        values = {role: v for role, v in columns.items() if role not in named}
        chosen = choose_columns(raw.names, {**named, **dict.fromkeys(values)})
        found = {role: raw.column(position) for role, position in chosen.items()}
        return cls(**found, **values)

    @classmethod
    def from_sky_coord(cls, coordinates: Any) -> Catalog:
        """A catalogue from an astropy ``SkyCoord``, its proper motions and ``obstime`` included.

        Parameters
        ----------
        coordinates : SkyCoord
            In any frame that has a way to ICRS; one position, or a vector of them.

        Returns
        -------
        Catalog

        Raises
        ------
        ValueError
            If it has more than one dimension.
        """
        from astropy import units
        from astropy.coordinates import RadialDifferential

        if coordinates.isscalar:
            coordinates = coordinates.reshape(1)
        icrs = coordinates.icrs
        position, velocity = icrs.spherical, icrs.data.differentials.get("s")
        motion = {}
        if velocity is not None and not isinstance(velocity, RadialDifferential):
            east, north = icrs.proper_motion.to_value(units.mas / units.yr)
            motion = {"pm_ra_cosdec": east, "pm_dec": north}
        epoch = getattr(coordinates, "obstime", None)
        ra, dec = position.lon.to_value(units.deg), position.lat.to_value(units.deg)
        return cls(ra, dec, **motion, epoch=epoch)

    # ------------------------------------------------------------ what it is

    def __len__(self) -> int:
        return len(self.ra)

    @functools.cached_property
    def known(self) -> np.ndarray | None:
        """Rows whose position is known, as a mask; None if all are."""
        mask = np.isfinite(self.ra) & np.isfinite(self.dec)
        return None if mask.all() else mask

    def at(self, epoch: float) -> Catalog:
        """The catalogue with its positions and proper motions at another epoch.

        Sources move in a straight line through space, with no parallax and no radial
        velocity. Without proper motions nothing moves.

        Parameters
        ----------
        epoch : float or Time
            Julian year.

        Returns
        -------
        Catalog

        Raises
        ------
        ValueError
            If there are proper motions and the epoch of the positions is unknown.
        """
        to = julian_years(epoch, (1,))
        east, north = self.pm_ra_cosdec, self.pm_dec
        if east is None or north is None:
            return self
        if self.epoch is None:
            raise ValueError(
                "the catalogue has proper motions and no epoch; say of which year its positions "
                "are (epoch=2016.0 for a Catalog, {'epoch': 2016.0} for the columns of a file)"
            )
        years = np.atleast_1d(to - self.epoch)
        moved = tuple(np.empty(len(self)) for _ in range(4))

        def move(rows: tuple[int, int]) -> None:
            kernel.move(self.ra, self.dec, east, north, years, *rows, *moved)

        _each_block(len(self), move)
        other = object.__new__(Catalog)
        names = ("ra", "dec", "pm_ra_cosdec", "pm_dec")
        fields = {**vars(self), **dict(zip(names, map(_read_only, moved), strict=True))}
        fields.pop("known", None)
        for name, value in {**fields, "epoch": to}.items():
            object.__setattr__(other, name, value)
        return other

    def __repr__(self) -> str:
        words = [f"Catalog of {len(self):,} source{'s' * (len(self) != 1)}"]
        if self.pm_ra_cosdec is not None:
            words.append("with proper motions")
        if isinstance(self.epoch, float):
            words.append(f"at {self.epoch:g}")
        return " ".join(words)


def different_epochs(epochs: Sequence[Any], moving: Sequence[bool]) -> str:
    """What is wrong with comparing two catalogues as they are; nothing if that is sensible.

    Parameters
    ----------
    epochs : sequence of float, ndarray or None
        Of the left and the right catalogue.
    moving : sequence of bool
        Whether each has proper motions.
    """
    left, right = epochs
    if left is None or right is None or not any(moving) or np.array_equal(left, right):
        return ""
    years = [f"{np.median(epoch):g}" for epoch in epochs]
    # What cannot move says where to meet.
    target = years[0] if moving[1] and not moving[0] else years[1]
    return (
        f"left is of {years[0]} and right of {years[1]}, and their positions are compared as they "
        f"are; pass epoch={target} to move both there by their proper motions"
    )


def as_catalog(name: str, value: Any) -> Catalog:
    """What the caller of a match passed, as a catalogue.

    Raises
    ------
    TypeError
        If it is nothing that has positions; the message names the argument.
    ValueError
        If its positions cannot be used.
    """
    if isinstance(value, Catalog):
        return value
    try:
        if hasattr(value, "icrs") and hasattr(value, "transform_to"):
            return Catalog.from_sky_coord(value)
        if isinstance(value, (tuple, list)) and len(value) == 2:
            return Catalog(*map(on_host, value))
        return Catalog.from_table(value)
    except TypeError:
        raise TypeError(
            f"{name} must be a Catalog, (ra, dec) in degrees, a SkyCoord, or a table of astropy, "
            f"pandas or Arrow, not {type(value).__name__}"
        ) from None
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _each_block(n: int, function: Any) -> None:
    blocks = [(first, min(first + BLOCK_ROWS, n)) for first in range(0, n, BLOCK_ROWS)]
    run_blocks(blocks, function, threads=default_threads() if len(blocks) > 1 else 1)


def _valid(ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
    """The right ascensions, wrapped where they must be, beside declinations that can be."""
    found: list[tuple[int, int, int]] = []
    _each_block(len(ra), lambda rows: found.append(kernel.inspect(ra, dec, *rows)))
    impossible = [row for _, row, _ in found if row >= 0]
    if impossible:
        row = min(impossible)
        raise ValueError(f"dec must be within -90 to 90 degrees; row {row} is {dec[row]}")
    if not any(n_far for _, _, n_far in found):
        return ra
    with np.errstate(invalid="ignore"):
        # Both operations are exact.
        ra = np.fmod(ra, 360.0)
        return np.where(ra < -180.0, ra + 360.0, ra)


def _errors(error: Any, shape: tuple[int, ...]) -> np.ndarray:
    from astropy import units

    array = vector("error", error, units.arcsec, shape)
    bad = np.flatnonzero(array < 0.0)
    if len(bad):
        raise ValueError(f"error must not be negative; row {bad[0]} is {array[bad[0]]}")
    return array


def _read_only(array: np.ndarray) -> np.ndarray:
    """A view that nobody can write through; the caller's array stays as it is."""
    view = array.view()
    view.setflags(write=False)
    return view
