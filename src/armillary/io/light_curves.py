"""Many light curves in a few long arrays."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, overload

import numpy as np

from armillary._saved import load_arrays, save_arrays
from armillary._words import counted
from armillary.io.columns import is_partly_masked
from armillary.io.light_curve import LightCurve, thawed
from armillary.plugins.arrays import require_host

__all__ = ["LightCurves"]

FORMAT = "armillary.io.LightCurves 1"

#: The arrays with a row for each point.
_COLUMNS = ("time", "flux", "flux_err", "segment")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class LightCurves:
    """Light curves of any lengths, one after the other in long arrays that never change.

    Light curve ``i`` is rows ``offsets[i]`` to ``offsets[i + 1]`` of every array. ``len()`` is the
    number of light curves, an index gives a :class:`LightCurve`, a slice gives fewer of them.

    Parameters
    ----------
    time : array_like of float, shape (n,)
        Times in days, finite. Sorted here within each light curve (stably) if they are not.
    flux : array_like of float, shape (n,)
        Fluxes, finite, in any unit.
    flux_err : array_like of float, shape (n,), optional
        One-sigma errors, finite and positive; NaN throughout a light curve means that its errors
        are unknown. Default: None, unknown of all.
    segment : array_like of int, shape (n,), optional
        Which segment of its light curve each point belongs to. Default: zeros.
    offsets : array_like of int, shape (m + 1,), optional
        Where each light curve begins, and where the last one ends. Default: one light curve.
    meta : sequence of mapping or None, length m, optional
        What is known of each, as in :class:`LightCurve`. Default: nothing.

    Raises
    ------
    ValueError
        If ``offsets`` or ``meta`` do not go with the arrays, or one is no light curve: a value is
        masked or not finite, for example. The message then begins with its number, counted from 0.
    TypeError
        If an array is on a device, or ``meta`` is no sequence of mappings.

    Examples
    --------
    >>> from armillary.io import LightCurves
    >>> both = LightCurves([1.0, 2.0, 3.0, 1.5, 2.5], [1.0, 0.9, 1.0, 7.0, 7.1], offsets=[0, 3, 5])
    >>> both
    <LightCurves: 2 light curves, 5 points>
    >>> both[1].flux
    array([7. , 7.1])
    """

    time: np.ndarray
    flux: np.ndarray
    flux_err: np.ndarray | None = None
    segment: np.ndarray = None  # type: ignore[assignment]  # None in the call only
    offsets: np.ndarray = None  # type: ignore[assignment]
    meta: Sequence[Mapping[str, Any]] = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        for name in (*_COLUMNS, "offsets"):
            require_host(name, getattr(self, name))
        columns = {name: getattr(self, name) for name in _COLUMNS}
        columns = {name: None if c is None else np.asanyarray(c) for name, c in columns.items()}
        n_points = columns["time"].size
        for name, column in columns.items():
            if column is not None and column.shape != (n_points,):
                raise ValueError(
                    f"{name} must be one-dimensional and as long as time ({n_points}), not of "
                    f"shape {column.shape}"
                )
        offsets = _offsets(self.offsets, n_points)
        metas = _metas(self.meta, len(offsets) - 1)
        checked = [
            _light_curve(number, columns, slice(*bounds), meta)
            for number, (bounds, meta) in enumerate(zip(pairwise(offsets), metas, strict=True))
        ]
        for name, value in _concatenated(checked).items():
            object.__setattr__(self, name, value)

    @classmethod
    def from_light_curves(cls, light_curves: Iterable[LightCurve]) -> LightCurves:
        """Put light curves together; they keep their meta.

        Parameters
        ----------
        light_curves : iterable of LightCurve
            In the order that they will have.

        Returns
        -------
        LightCurves

        Raises
        ------
        TypeError
            If something is no :class:`LightCurve`.

        Examples
        --------
        >>> from armillary.io import LightCurve, LightCurves
        >>> one = LightCurve([1.0, 2.0], [1.0, 0.9], meta={"target": "K2-3"})
        >>> LightCurves.from_light_curves([one, one])[1].meta["target"]
        'K2-3'
        """
        given = list(light_curves)
        for number, one in enumerate(given):
            if not isinstance(one, LightCurve):
                raise TypeError(
                    f"light curve {number} is {type(one).__name__}, not LightCurve; "
                    f"read_light_curve makes one of files and tables"
                )
        return cls(**_concatenated(given))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @overload
    def __getitem__(self, index: int) -> LightCurve: ...
    @overload
    def __getitem__(self, index: slice) -> LightCurves: ...
    def __getitem__(self, index: int | slice) -> LightCurve | LightCurves:
        try:
            numbers = range(len(self))[index]
        except IndexError:
            have = counted(len(self), "light curve")
            raise IndexError(f"there is no number {index} among {have}") from None
        if isinstance(numbers, range):
            return LightCurves.from_light_curves(self[number] for number in numbers)
        columns = {name: getattr(self, name) for name in _COLUMNS}
        rows = slice(*self.offsets[numbers : numbers + 2])
        return _light_curve(numbers, columns, rows, self.meta[numbers])

    def __iter__(self) -> Iterator[LightCurve]:
        return (self[number] for number in range(len(self)))

    def __repr__(self) -> str:
        points = counted(self.time.size, "point")
        return f"<LightCurves: {counted(len(self), 'light curve')}, {points}>"

    def __reduce__(self) -> tuple:
        # Read-only mappings cannot be pickled, and pickled arrays come back writable.
        columns = (getattr(self, name) for name in _COLUMNS)
        return type(self), (*columns, self.offsets, [thawed(meta) for meta in self.meta])

    def save(self, path: str | os.PathLike) -> None:
        """Write everything to one ``.npz`` file, whole or not at all.

        Parameters
        ----------
        path : str or path-like
            Replaced if it exists.

        Raises
        ------
        OSError
            If the file cannot be written; an older one is then untouched.
        TypeError
            If a meta holds something else than text, numbers and collections of them.
        """
        arrays = {name: getattr(self, name) for name in (*_COLUMNS, "offsets")}
        arrays = {name: array for name, array in arrays.items() if array is not None}
        save_arrays(os.fspath(path), FORMAT, {"meta": [thawed(meta) for meta in self.meta]}, arrays)

    @classmethod
    def load(cls, path: str | os.PathLike) -> LightCurves:
        """Read what :meth:`save` wrote.

        Raises
        ------
        ValueError
            If the file holds no such light curves.

        Examples
        --------
        >>> import tempfile
        >>> from armillary.io import LightCurves
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     LightCurves([1.0, 2.0], [0.9, 1.1]).save(f"{folder}/stars.npz")
        ...     LightCurves.load(f"{folder}/stars.npz")
        <LightCurves: 1 light curve, 2 points>
        """
        header, arrays = load_arrays(os.fspath(path), FORMAT, "light curves")
        return cls(**arrays, meta=header["meta"])


def _offsets(values: Any, n_points: int) -> np.ndarray:
    if values is None:
        return np.array([0, n_points])
    try:
        offsets = np.array(values)
    except ValueError:  # rows of different lengths
        offsets = np.empty(0)
    if offsets.dtype.kind not in "iu" or offsets.ndim != 1 or not offsets.size:
        raise ValueError(f"offsets must be one or more whole numbers, not {values!r:.60}")
    if is_partly_masked(values):
        raise ValueError("offsets must not be masked")
    offsets = offsets.astype(np.int64)
    if offsets[0] != 0 or offsets[-1] != n_points or np.any(np.diff(offsets) < 0):
        raise ValueError(
            f"offsets must rise from 0 to the number of points, {n_points}, not from "
            f"{offsets[0]} to {offsets[-1]} with a step of {np.diff(offsets).min(initial=0)}"
        )
    return offsets


def _metas(given: Any, n: int) -> list[Any]:
    """An entry for each of n light curves."""
    if given is None:
        return [None] * n
    if isinstance(given, (str, Mapping)) or not isinstance(given, Iterable):
        raise TypeError(f"meta must be a sequence of mappings, not {type(given).__name__}")
    metas = list(given) or [None] * n
    if len(metas) != n:
        raise ValueError(
            f"meta must have an entry for each of {counted(n, 'light curve')}, not {len(metas)}"
        )
    return metas


def _light_curve(number: int, columns: Mapping[str, Any], rows: slice, meta: Any) -> LightCurve:
    own: dict[str, Any] = {
        name: None if column is None else column[rows] for name, column in columns.items()
    }
    if own["flux_err"] is not None and _are_unknown(own["flux_err"]):
        own["flux_err"] = None
    try:
        return LightCurve(**own, meta=meta)
    except (TypeError, ValueError) as error:
        raise type(error)(f"light curve {number}: {error}") from error


def _are_unknown(flux_err: np.ndarray) -> bool:
    is_readable = flux_err.dtype.kind == "f" and not is_partly_masked(flux_err)
    return is_readable and bool(np.all(np.isnan(flux_err)))


def _concatenated(light_curves: Sequence[LightCurve]) -> dict[str, Any]:
    """The fields of many light curves, read-only."""
    fields: dict[str, Any] = {
        "time": _joined([one.time for one in light_curves], np.float64),
        "flux": _joined([one.flux for one in light_curves], np.float64),
        "flux_err": None,
        "segment": _joined([one.segment for one in light_curves], np.int64),
        "offsets": np.cumsum([0, *(len(one) for one in light_curves)]),
        "meta": tuple(one.meta for one in light_curves),
    }
    if any(one.flux_err is not None for one in light_curves):
        errors = [
            np.full(len(one), np.nan) if one.flux_err is None else one.flux_err
            for one in light_curves
        ]
        fields["flux_err"] = _joined(errors, np.float64)
    fields["offsets"].flags.writeable = False
    return fields


def _joined(arrays: Sequence[np.ndarray], dtype: type) -> np.ndarray:
    array = np.concatenate(arrays) if arrays else np.empty(0, dtype)
    array.flags.writeable = False
    return array
