"""The light curve that every reader gives and every search takes."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from armillary.io.columns import (
    RawColumn,
    as_days,
    as_flux,
    as_flux_err,
    is_partly_masked,
    split_unit,
)
from armillary.plugins.arrays import require_host

if TYPE_CHECKING:
    from astropy.table import QTable
    from matplotlib.axes import Axes

__all__ = ["META_KEYS", "LightCurve"]

#: Keys that the meta of every light curve has; None where the input does not say.
META_KEYS = (
    "target",
    "time_system",
    "time_scale",
    "flux_unit",
    "flux_column",
    "mission",
    "sector",
    "source",
    "n_read",
    "n_flagged",
    "n_invalid",
    "relative",
)

_SECTOR_WORDS = {"Kepler": "quarter", "K2": "campaign"}


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class LightCurve:
    """Brightness of one star over time: finite numbers, sorted in time, never changed.

    Parameters
    ----------
    time : array_like of float, shape (n,)
        Times in days, finite. Sorted here (stably) if they are not.
    flux : array_like of float, shape (n,)
        Fluxes, finite, in any unit.
    flux_err : array_like of float, shape (n,), optional
        One-sigma errors in the unit of `flux`, finite and positive. Default: None, unknown.
    segment : array_like of int, shape (n,), optional
        Which segment (sector, quarter, file) each point belongs to. Default: zeros.
    meta : mapping, optional
        What is known about the data; see Notes. Default: nothing.

    Raises
    ------
    ValueError
        If an array is not one-dimensional, lengths differ, or a value is masked or not finite
        (or an error not positive). :meth:`from_arrays` drops and counts such points instead.
    TypeError
        If an array is on a device, or ``meta`` is no mapping.

    Notes
    -----
    The arrays are read-only copies, float64 (`segment` int64), contiguous, native byte order.
    ``meta`` is a read-only mapping that always has the keys ``target``, ``time_system`` ("BTJD",
    "BKJD", "BJD", ...; None where the input does not state it), ``time_scale`` ("tdb", "utc",
    ...), ``flux_unit``, ``flux_column``, ``mission``, ``sector`` (sector, quarter or campaign),
    ``source``, ``relative`` (True where the flux is relative to 1), and the counts of rows
    ``n_read``, ``n_flagged`` (dropped for their quality flags) and ``n_invalid`` (dropped for a
    time, flux or error that is no usable number).

    Examples
    --------
    >>> from armillary.io import LightCurve
    >>> light_curve = LightCurve([2.0, 1.0, 3.0], [1.0, 0.9, 1.1], meta={"target": "K2-3"})
    >>> light_curve.time
    array([1., 2., 3.])
    >>> light_curve
    <LightCurve K2-3: 3 points, 1 to 3 d, no errors>
    """

    time: np.ndarray
    flux: np.ndarray
    flux_err: np.ndarray | None = None
    segment: np.ndarray = None  # type: ignore[assignment]  # None in the call only
    meta: Mapping[str, Any] = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        time = _vector(self.time, "time")
        flux = _vector(self.flux, "flux", time.size)
        flux_err = None
        if self.flux_err is not None:
            flux_err = _vector(self.flux_err, "flux_err", time.size)
            if np.any(flux_err <= 0):
                raise ValueError("flux_err must be positive; from_arrays drops such points")
        segment = _segments(self.segment, time.size)
        if np.any(time[1:] < time[:-1]):
            order = np.argsort(time, kind="stable")
            time, flux, segment = time[order], flux[order], segment[order]
            flux_err = None if flux_err is None else flux_err[order]
        for name, array in (
            ("time", time),
            ("flux", flux),
            ("flux_err", flux_err),
            ("segment", segment),
        ):
            if array is not None:
                array.flags.writeable = False
            object.__setattr__(self, name, array)
        meta = {**dict.fromkeys(META_KEYS), **_entries(self.meta)}
        for key, count in (("n_read", time.size), ("n_flagged", 0), ("n_invalid", 0)):
            if meta[key] is None:
                meta[key] = count
        object.__setattr__(self, "meta", _frozen(meta))

    @classmethod
    def from_arrays(cls, time: Any, flux: Any, flux_err: Any = None, **meta: Any) -> LightCurve:
        """Make a light curve of plain arrays, dropping what is no usable number.

        Parameters
        ----------
        time : array_like, shape (n,)
            Times in days, or a Quantity or astropy Time.
        flux : array_like, shape (n,)
            Fluxes in any unit, or a Quantity.
        flux_err : array_like, shape (n,), optional
            One-sigma errors in the unit of `flux`, or a Quantity. Default: None.
        **meta
            Entries of the meta: ``target="..."``, ``time_system="BTJD"``, ...

        Returns
        -------
        LightCurve
            Rows whose time or flux is masked or not finite, or whose error is not finite and
            positive, are dropped and counted in ``meta["n_invalid"]``.

        Raises
        ------
        ValueError
            If an array is not one-dimensional, lengths differ, or a unit does not fit.
        TypeError
            If an array is on a device.

        Examples
        --------
        >>> import numpy as np
        >>> from armillary.io import LightCurve
        >>> light_curve = LightCurve.from_arrays([0.0, 1.0, 2.0], [1.0, np.nan, 1.0])
        >>> len(light_curve), light_curve.meta["n_invalid"]
        (2, 1)
        """
        days = as_days(_raw(time, "time"), "time")
        values, unit = as_flux(_raw(flux, "flux"), "flux")
        errors = None
        if flux_err is not None:
            errors = as_flux_err(_raw(flux_err, "flux_err"), "flux_err", unit)
        for name, array in (("flux", values), ("flux_err", errors)):
            if array is not None and array.size != days.values.size:
                raise ValueError(_length_sentence(name, array.size, days.values.size))
        keep = usable_rows(days.values, values, errors)
        stated = {
            "time_system": days.time_system,
            "time_scale": days.time_scale,
            "flux_unit": unit,
            "source": "arrays",
            **meta,
            "n_read": keep.size,
            "n_invalid": keep.size - int(np.count_nonzero(keep)),
        }
        return cls(
            days.values[keep],
            values[keep],
            None if errors is None else errors[keep],
            meta=stated,
        )

    def __len__(self) -> int:
        return self.time.size

    def __repr__(self) -> str:
        meta = self.meta
        named = [str(meta[key]) for key in ("target", "mission") if meta[key]]
        if meta["sector"] is not None:
            named.append(f"{_SECTOR_WORDS.get(meta['mission'], 'sector')} {meta['sector']}")
        parts = [f"{len(self)} points"]
        if len(self):
            parts.append(f"{meta['time_system'] or ''} {self.time[0]:g} to {self.time[-1]:g} d")
        n_segments = np.unique(self.segment).size
        if n_segments > 1:
            parts.append(f"{n_segments} segments")
        if self.flux_err is None:
            parts.append("no errors")
        label = f" {' '.join(named)}:" if named else ""
        return f"<LightCurve{label} {', '.join(part.strip() for part in parts)}>"

    def __reduce__(self) -> tuple:
        # Read-only mappings cannot be pickled, and pickled arrays come back writable.
        return type(self), (self.time, self.flux, self.flux_err, self.segment, thawed(self.meta))

    def to_table(self) -> QTable:
        """Give the light curve as an astropy table with units.

        Returns
        -------
        astropy.table.QTable
            Columns ``time`` [d], ``flux``, ``flux_err`` (if known; both in
            ``meta["flux_unit"]``) and ``segment``; the meta as the table's meta.

        Examples
        --------
        >>> from armillary.io import LightCurve
        >>> LightCurve([1.0, 2.0], [0.9, 1.1]).to_table().colnames
        ['time', 'flux', 'segment']
        """
        from astropy import units
        from astropy.table import QTable

        table = QTable(meta=thawed(self.meta))
        table["time"] = self.time * units.day
        unit = units.Unit(self.meta["flux_unit"] or "", parse_strict="silent")
        if isinstance(unit, units.UnrecognizedUnit):
            unit = units.dimensionless_unscaled
        for name in ("flux", "flux_err"):
            array = getattr(self, name)
            if array is not None:
                table[name] = array * unit if unit != units.dimensionless_unscaled else array
        table["segment"] = self.segment
        return table

    def save(self, path: str | os.PathLike) -> None:
        """Write the light curve as an ECSV file that ``read_light_curve`` reads back.

        Parameters
        ----------
        path : str or path-like
            Replaced if it exists. The file appears whole or not at all: it is written under
            another name beside it and renamed.

        Examples
        --------
        >>> import tempfile
        >>> from armillary.io import LightCurve, read_light_curve
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     LightCurve([1.0, 2.0], [0.9, 1.1]).save(f"{folder}/star.ecsv")
        ...     read_light_curve(f"{folder}/star.ecsv").flux
        array([0.9, 1.1])
        """
        path = Path(path)
        table = self.to_table()
        table.meta = {"format": "armillary light curve", **table.meta}
        with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as folder:
            unfinished = Path(folder, path.name)
            table.write(unfinished, format="ascii.ecsv")
            unfinished.replace(path)

    def plot(self, ax: Axes | None = None, **options: Any) -> Axes:
        """Draw flux against time with matplotlib.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw. Default: a new figure.
        **options
            Passed to ``ax.plot``.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        if ax is None:
            try:
                from matplotlib import pyplot
            except ImportError:
                raise ImportError('plots need matplotlib: pip install "armillary[plot]"') from None
            ax = pyplot.subplots(figsize=(9, 3), layout="constrained")[1]
        ax.plot(self.time, self.flux, **{"marker": ".", "ms": 2, "lw": 0, "c": "k", **options})
        system = self.meta["time_system"]
        ax.set_xlabel(f"time [{system}, d]" if system else "time [d]")
        unit = self.meta["flux_unit"]
        ax.set_ylabel(f"flux [{unit}]" if unit else "flux")
        if self.meta["target"]:
            ax.set_title(self.meta["target"])
        return ax


def usable_rows(time: np.ndarray, flux: np.ndarray, flux_err: np.ndarray | None) -> np.ndarray:
    """Tell which rows hold a finite time and flux and, if given, a positive finite error."""
    keep = np.isfinite(time) & np.isfinite(flux)
    if flux_err is not None:
        keep &= np.isfinite(flux_err) & (flux_err > 0)
    return keep


def thawed(value: Any) -> Any:
    """Copy a read-only meta into plain dicts and lists, which pickle and serialise."""
    if isinstance(value, Mapping):
        return {key: thawed(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [thawed(item) for item in value]
    return value


def _frozen(value: Any) -> Any:
    if isinstance(value, Mapping):
        return MappingProxyType({key: _frozen(item) for key, item in value.items()})
    if isinstance(value, (tuple, list)):
        return tuple(_frozen(item) for item in value)
    return value.item() if isinstance(value, np.generic) else value


def _entries(meta: Any) -> dict[str, Any]:
    if meta is not None and not isinstance(meta, Mapping):
        raise TypeError(f"meta must be a mapping, or None, not {type(meta).__name__}")
    return dict(meta or {})


def _raw(values: Any, name: str) -> RawColumn:
    require_host(name, values)
    if hasattr(values, "unit") or hasattr(values, "jd"):
        return split_unit(values)
    return RawColumn(values if hasattr(values, "dtype") else np.asarray(values))


def _vector(values: Any, name: str, size: int | None = None) -> np.ndarray:
    require_host(name, values)
    if is_partly_masked(values):
        raise ValueError(f"{name} must not be masked; from_arrays drops and counts such points")
    if getattr(values, "unit", None) is not None:
        raise ValueError(f"{name} has a unit; from_arrays converts units, LightCurve does not")
    try:
        array = np.array(values, dtype=np.float64, order="C")
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be an array of numbers") from None
    if array.ndim != 1:
        raise ValueError(f"{name} must be one-dimensional, not of shape {array.shape}")
    if size is not None and array.size != size:
        raise ValueError(_length_sentence(name, array.size, size))
    if not np.all(np.isfinite(array)):
        raise ValueError(f"{name} must be finite; from_arrays drops and counts other points")
    return array


def _segments(values: Any, size: int) -> np.ndarray:
    if values is None:
        return np.zeros(size, dtype=np.int64)
    require_host("segment", values)
    if is_partly_masked(values):
        raise ValueError("segment must not be masked; leave such points out")
    array = np.array(values)
    if array.dtype.kind not in "iu" and array.size:
        raise ValueError(f"segment must be integers, not {array.dtype}")
    if array.ndim != 1:
        raise ValueError(f"segment must be one-dimensional, not of shape {array.shape}")
    if array.size != size:
        raise ValueError(_length_sentence("segment", array.size, size))
    return array.astype(np.int64)


def _length_sentence(name: str, size: int, expected: int) -> str:
    return f"{name} has {size} values, but time has {expected}"
