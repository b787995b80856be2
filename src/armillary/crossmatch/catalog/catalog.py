"""A catalogue of positions, the canonical input of every match."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..._words import counted
from ...plugins.arrays import HOST, array_kind, require_host
from ...runtime.blocks import run_blocks
from ...runtime.threads import default_threads
from . import kernel
from .columns import ROLES, choose_columns
from .device import DeviceCatalog, device_catalog
from .quantities import (
    angle,
    julian_year,
    julian_years,
    milliarcseconds_per_year,
    owned,
    read_only_view,
    vector,
)

#: Rows of a block of a pass over a catalogue: about a millisecond.
BLOCK_ROWS = 1 << 18

#: What changes with the epoch.
_MOVING = ("ra", "dec", "pm_ra_cosdec", "pm_dec")


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
        Julian year of the positions, one for all or one for each row, within 1000 to 3000.
        None means unknown. For single rows NaN means so too, which is an error only where
        :meth:`at` (or ``epoch`` of a match) needs it: in a row with position and proper motion.
    error : float or array_like, optional
        One-sigma error of a position (arcsec, or with a unit). None means unknown.

    Attributes
    ----------
    ra, dec : ndarray of float64, shape (n,)
        Degrees; read-only, as all arrays here, and copied from arrays that can be written to:
        a catalogue does not change. Right ascension is between -180 and 360.
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
        (the message names the first row), if an error is negative, if an epoch is no year
        within 1000 to 3000, or if only one of the two proper motions is given.
    TypeError
        If an array is on a device.

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
        fields = {
            "ra": ra,
            "dec": dec,
            "pm_ra_cosdec": pm_ra_cosdec,
            "pm_dec": pm_dec,
            "epoch": epoch,
            "error": error,
        }
        for name, value in fields.items():
            require_host(name, value)
        self._set(_checked(fields, default_threads()))

    def _set(self, fields: Mapping[str, Any]) -> None:
        for name, value in fields.items():
            if isinstance(value, np.ndarray):
                value.setflags(write=False)
            object.__setattr__(self, name, value)

    # Arrays come out of a pickle, or a deep copy, ready to be written to.
    __setstate__ = _set

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
        return cls(**_columns_of_table(table, columns))

    @classmethod
    def from_sky_coord(cls, coordinates: Any) -> Catalog:
        """A catalogue from an astropy ``SkyCoord``, its proper motions and ``obstime`` included.

        An ``obstime`` counts where it was set, not where it is the default of a frame.

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
            If it has more than one dimension, or there is no way to ICRS.
        """
        return cls(**_columns_of_sky_coord(coordinates))

    # ------------------------------------------------------------ what it is

    def __len__(self) -> int:
        return len(self.ra)

    @functools.cached_property
    def known(self) -> np.ndarray | None:
        """Rows whose position is known, as a mask; None if all are."""
        # Where all are known the pass that checks positions has said so.
        mask = np.isfinite(self.ra) & np.isfinite(self.dec)
        mask.setflags(write=False)
        return mask

    @property
    def moves(self) -> bool:
        """Whether any row has a proper motion that is not zero."""
        east, north = self.pm_ra_cosdec, self.pm_dec
        if east is None or north is None:
            return False

        def any_moves(rows: tuple[int, int]) -> bool:
            speed = np.hypot(east[slice(*rows)], north[slice(*rows)])
            return bool(np.any(np.isfinite(speed) & (speed > 0.0)))

        # Nearly always the first rows tell.
        return any(map(any_moves, _blocks(len(self))))

    def at(self, epoch: float) -> Catalog:
        """The catalogue with its positions and proper motions at another epoch.

        Sources move in a straight line through space, with no parallax and no radial
        velocity. Without proper motions nothing moves.

        The way to another epoch and back leads to where it began within about the cube of the
        angle of the way: a line across the sky has a radial velocity at its other end, which
        is not known there.

        Parameters
        ----------
        epoch : float or Time
            Julian year, within 1000 to 3000.

        Returns
        -------
        Catalog

        Raises
        ------
        ValueError
            If there are proper motions and the epoch of the positions is unknown, of all or of
            a row that has both a position and a proper motion.
        """
        return moved(self, julian_year(epoch), default_threads())

    def __repr__(self) -> str:
        words = [f"Catalog of {counted(len(self), 'source')}"]
        if self.pm_ra_cosdec is not None:
            words.append("with proper motions")
        if isinstance(self.epoch, float):
            words.append(f"at {self.epoch:g}")
        return " ".join(words)


# ------------------------------------------------------------------ epochs


def moved(catalog: Catalog, epoch: float, threads: int) -> Catalog:
    """:meth:`Catalog.at` with a number of threads."""
    east, north = catalog.pm_ra_cosdec, catalog.pm_dec
    if east is None or north is None:
        return catalog
    _require_epochs(catalog)
    years = np.atleast_1d(epoch - catalog.epoch)
    columns = tuple(np.empty(len(catalog)) for _ in range(4))

    def move(rows: tuple[int, int]) -> None:
        kernel.move(catalog.ra, catalog.dec, east, north, years, *rows, *columns)

    _each_block(len(catalog), move, threads)
    # What has no position does not get one: ``known`` stays as it is.
    fields = {**vars(catalog), **dict(zip(_MOVING, columns, strict=True)), "epoch": epoch}
    return _catalog_of(fields)


def _require_epochs(catalog: Catalog) -> None:
    """Refuse rows that would move, but from an unknown epoch."""
    if catalog.epoch is None:
        raise ValueError(
            "the catalogue has proper motions and no epoch; say of which year its positions "
            "are (epoch=2016.0 for a Catalog, {'epoch': 2016.0} for the columns of a file)"
        )
    unknown = np.isnan(catalog.epoch)
    if not unknown.any():
        return
    needed = [np.isfinite(getattr(catalog, name)) for name in _MOVING]
    rows = np.flatnonzero(unknown & np.logical_and.reduce(needed))
    if len(rows):
        raise ValueError(
            f"epoch must be known where there is a position and a proper motion; row {rows[0]} "
            f"has none"
        )


def different_epochs(epochs: Sequence[Any], moving: Sequence[bool]) -> str:
    """What is wrong with comparing two catalogues as they are; nothing if that is sensible.

    Parameters
    ----------
    epochs : sequence of float, ndarray or None
        Of the left and the right catalogue; NaN where a row has none.
    moving : sequence of bool
        Whether each has proper motions.
    """
    left, right = (_known_years(epoch) for epoch in epochs)
    if not (len(left) and len(right) and any(moving)) or np.array_equal(left, right):
        return ""
    years = [f"{np.median(known):g}" for known in (left, right)]
    # What cannot move says where to meet.
    target = years[0] if moving[1] and not moving[0] else years[1]
    return (
        f"left is of {years[0]} and right of {years[1]}, and their positions are compared as they "
        f"are; pass epoch={target} to move both there by their proper motions"
    )


def _known_years(epoch: Any) -> np.ndarray:
    """The year of all rows that have one, or the years of the rows; empty if none has."""
    years = np.array([], dtype=np.float64) if epoch is None else np.atleast_1d(epoch)
    years = years[np.isfinite(years)]
    return years[:1] if np.all(years == years[:1]) else years


# ------------------------------------------------------------------ from other things


def as_catalog(name: str, value: Any, threads: int) -> Catalog | DeviceCatalog:
    """What the caller of a match passed, as a catalogue; positions on a device stay there.

    Raises
    ------
    TypeError
        If it is nothing that has positions; the message names the argument.
    ValueError
        If its positions cannot be used.
    """
    if isinstance(value, Catalog | DeviceCatalog):
        return value
    columns = _columns_of(name, value)
    try:
        if columns is _columns_of_pair and array_kind(*value) != HOST:
            return device_catalog(*value)
        return _catalog_of(_checked(columns(value), threads, copy=False))
    except TypeError as error:
        raise TypeError(f"{name}: {error}") from error
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def is_pair(value: Any) -> bool:
    """Whether it is (ra, dec): a tuple of two of anything, or a list of two columns."""
    if isinstance(value, tuple):
        return len(value) == 2
    return isinstance(value, list) and len(value) == 2 and all(map(_is_column, value))


def _is_column(value: Any) -> bool:
    # A tuple in a list is a position, of which there happen to be two.
    scalar = np.isscalar(value) or getattr(value, "shape", None) == ()
    return value is not None and not scalar and not isinstance(value, tuple)


def _columns_of(name: str, value: Any) -> Callable[[Any], dict[str, Any]]:
    """The function that takes positions, and what else there is, from a thing of this kind."""
    # What belongs to a library that is not imported cannot have been passed.
    coordinates = sys.modules.get("astropy.coordinates")
    if coordinates is not None and isinstance(value, coordinates.SkyCoord):
        return _columns_of_sky_coord
    if is_pair(value):
        return _columns_of_pair
    if hasattr(value, "columns") or hasattr(value, "__arrow_c_stream__"):
        return _columns_of_table
    if isinstance(value, list) and any(isinstance(item, tuple) for item in value):
        raise TypeError(
            f"{name} must be (ra, dec), two arrays, and not a list of tuples; pass "
            f"tuple(zip(*positions)) for a list of positions"
        )
    raise TypeError(
        f"{name} must be a Catalog, (ra, dec) in degrees, a SkyCoord, or a table of astropy, "
        f"pandas or Arrow, not {type(value).__name__}"
    )


def _columns_of_pair(value: Any) -> dict[str, Any]:
    return dict(zip(("ra", "dec"), value, strict=True))


def _columns_of_table(table: Any, given: Mapping[str, Any] | None = None) -> dict[str, Any]:
    from ...io.memory_reader import read_table

    given = given or {}
    unknown = sorted(set(given) - set(ROLES))
    if unknown:
        raise TypeError(f"there is no column {unknown[0]!r}; there are {', '.join(ROLES)}")
    raw = read_table(table)
    named = {role: v for role, v in given.items() if v is None or isinstance(v, str)}
    values = {role: v for role, v in given.items() if role not in named}
    chosen = choose_columns(raw.names, {**named, **dict.fromkeys(values)})
    return {role: raw.column(position) for role, position in chosen.items()} | values


def _columns_of_sky_coord(coordinates: Any) -> dict[str, Any]:
    from astropy import units
    from astropy.coordinates import ConvertError, RadialDifferential

    if coordinates.isscalar:
        coordinates = coordinates.reshape(1)
    try:
        icrs = coordinates.icrs
    except (AttributeError, ConvertError) as error:  # the former where a frame lacks its place
        raise ValueError(
            f"{coordinates.frame.name} coordinates cannot be turned into ICRS: {error}"
        ) from error
    position, velocity = icrs.spherical, icrs.data.differentials.get("s")
    columns = {"ra": position.lon.to_value(units.deg), "dec": position.lat.to_value(units.deg)}
    if velocity is not None and not isinstance(velocity, RadialDifferential):
        east, north = icrs.proper_motion.to_value(units.mas / units.yr)
        columns |= {"pm_ra_cosdec": east, "pm_dec": north}
    # The default of FK4 is its equinox, which says nothing of when the positions were taken.
    if not coordinates.is_frame_attr_default("obstime"):
        columns["epoch"] = getattr(coordinates, "obstime", None)
    return columns


# ------------------------------------------------------------------ what a catalogue can hold


def _catalog_of(fields: Mapping[str, Any]) -> Catalog:
    """A catalogue of what was checked already."""
    catalog = object.__new__(Catalog)
    catalog.__setstate__(fields)
    return catalog


def _checked(columns: Mapping[str, Any], threads: int, *, copy: bool = True) -> dict[str, Any]:
    """The attributes of a catalogue, of which ``ra`` and ``dec`` are there and not None."""
    given = {name: value for name, value in columns.items() if value is not None}
    ra, dec = (angle(name, columns[name]) for name in ("ra", "dec"))
    shape = ra.shape
    if dec.shape != shape:
        raise ValueError(f"ra has {shape[0]} rows and dec {dec.shape[0]}")
    if ("pm_ra_cosdec" in given) != ("pm_dec" in given):
        missing = "pm_dec" if "pm_ra_cosdec" in given else "pm_ra_cosdec"
        raise ValueError(f"{missing} is missing; a proper motion has both components")
    ra, all_known = _valid(ra, dec, threads)
    arrays = {"ra": ra, "dec": dec}
    for name in ("pm_ra_cosdec", "pm_dec"):
        if name in given:
            arrays[name] = milliarcseconds_per_year(name, given[name], shape)
    if "error" in given:
        arrays["error"] = _errors(given["error"], shape)
    fields: dict[str, Any] = {
        name: owned(array, columns[name]) if copy else read_only_view(array)
        for name, array in arrays.items()
    }
    if "epoch" in given:
        fields["epoch"] = julian_years(given["epoch"], shape)
    return {**fields, "known": None} if all_known else fields


def _blocks(n: int) -> list[tuple[int, int]]:
    return [(first, min(first + BLOCK_ROWS, n)) for first in range(0, n, BLOCK_ROWS)]


def _each_block(n: int, function: Any, threads: int) -> None:
    blocks = _blocks(n)
    run_blocks(blocks, function, threads=threads if len(blocks) > 1 else 1)


def _valid(ra: np.ndarray, dec: np.ndarray, threads: int) -> tuple[np.ndarray, bool]:
    """The right ascensions, wrapped where they must be, and whether every position is known."""
    found: list[tuple[int, int, int]] = []
    _each_block(len(ra), lambda rows: found.append(kernel.inspect(ra, dec, *rows)), threads)
    impossible = [row for _, row, _ in found if row >= 0]
    if impossible:
        row = min(impossible)
        raise ValueError(f"dec must be within -90 to 90 degrees; row {row} is {dec[row]}")
    all_known = not any(n_unknown for n_unknown, _, _ in found)
    if not any(n_far for _, _, n_far in found):
        return ra, all_known
    with np.errstate(invalid="ignore"):
        # Both operations are exact.
        ra = np.fmod(ra, 360.0)
        return np.where(ra < -180.0, ra + 360.0, ra), all_known


def _errors(error: Any, shape: tuple[int, ...]) -> np.ndarray:
    from astropy import units

    array = vector("error", error, units.arcsec, shape)
    bad = np.flatnonzero(array < 0.0)
    if len(bad):
        raise ValueError(f"error must not be negative; row {bad[0]} is {array[bad[0]]}")
    return array
