"""The front doors of matching in memory."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...cache.axis import Answer, answered, store_for
from ...cache.store import Store
from ...plugins.arrays import HOST, array_kind, namespace
from ...plugins.call import call, checked_arrays
from ...plugins.errors import ContractError
from ...plugins.records import Request
from ...plugins.registry import CORE
from ...plugins.select import Plan, choose
from ...runtime.progress import Progress, reporting
from ...runtime.threads import thread_count
from ..catalog.catalog import (
    Catalog,
    EpochWarning,
    as_catalog,
    different_epochs,
    is_pair,
    moved,
)
from ..catalog.device import DeviceCatalog
from ..catalog.quantities import julian_year, read_only_view
from ..catalog.radius import NSigma, arcseconds
from .result import Matches

SHAPES: dict[str, tuple[None]] = {"left": (None,), "right": (None,), "separation": (None,)}
DTYPES = {"left": np.int64, "right": np.int64}


def nearest(
    left: Any,
    right: Any,
    radius: Any,
    *,
    k: int = 1,
    mutual: bool = False,
    min_radius: Any = 0.0,
    epoch: Any = None,
    backend: str | None = None,
    cache: Any = None,
    threads: int | None = None,
    progress: Any = None,
) -> Matches:
    """Match every source of a catalogue with the nearest of another.

    Parameters
    ----------
    left, right : Catalog, (ra, dec), SkyCoord or table
        The catalogues: a tuple of right ascensions and declinations in degrees (or a list of
        two arrays, but no list of tuples), an astropy ``SkyCoord``,
        a table of astropy, pandas or pyarrow with recognised column names, or a
        :class:`Catalog`, which can also hold proper motions, epochs and errors. Arrays are not
        copied where they can be used as they are, and the result keeps them: leave them alone
        while you use it. A :class:`Catalog` has arrays of its own. Arrays on a device, such as
        those of cupy, are matched there by the backend that owns them: then all four are.
    radius : float, Quantity, array_like of shape (n,), NSigma or None
        Largest separation (arcsec, inclusive): one for all, one for each left row, or
        :func:`n_sigma`. None means no limit. Several are where the catalogues are.
    k : int
        Most matches of a left row.
    mutual : bool
        Keep only pairs that are each other's nearest; ``k`` must then be 1.
    min_radius : float or Quantity
        Smallest separation (arcsec, inclusive). With 0 a source at the same position counts.
    epoch : float or Time, optional
        Julian year (1000 to 3000) to which both catalogues are moved first, as far as they have
        proper motions. None means to compare positions as they are.
    backend : str, optional
        Backend to use; None lets the selection decide.
    cache : Store or str, optional
        Where the pairs are looked up and kept: a store, or the name of one ("memory", "disk").
        None means that of :func:`armillary.use_cache` or ``ARMILLARY_CACHE``, else none.
    threads : int, optional
        Threads; None means ``ARMILLARY_THREADS`` or every processor. The result does not
        depend on it.
    progress : callable or bool, optional
        Called with (rows done, rows in all), at the end with both equal; ``mutual`` counts left
        rows twice. True shows a bar in a terminal.

    Returns
    -------
    Matches
        Pairs of row numbers with their separation, by left row, separation and right row.
        Equal separations go to the lower row. Their arrays are where the catalogues are.

    Raises
    ------
    ValueError
        If a catalogue cannot be used, a declination is outside -90 to 90, a radius is negative
        or NaN or of another length, ``k`` is less than 1, ``mutual`` goes with another ``k``,
        or :func:`n_sigma` with a catalogue without errors.
    TypeError
        If an argument is of a kind that cannot be used, some arrays are on a device and others are
        not, or no installed backend takes arrays of this device.
    BackendUnavailable
        If the backend that was asked for cannot run; nothing else is tried.
    MemoryError
        If the result would not fit into memory.

    Warns
    -----
    EpochWarning
        If the catalogues are of different epochs, have proper motions, and ``epoch`` is None.

    References
    ----------
    Gray, Nieto-Santisteban & Szalay (2006), MSR-TR-2006-52 (zones).

    Examples
    --------
    >>> import armillary as arm
    >>> matches = arm.crossmatch.nearest(
    ...     ([10.0, 20.0, 359.9999], [0.0, 0.0, 5.0]), ([20.0003, 0.0001], [0.0, 5.0]), 2.0)
    >>> matches.left, matches.right, matches.separation.round(3)
    (array([1, 2]), array([0, 1]), array([1.08 , 0.717]))
    >>> matches.unmatched_left
    array([0])
    """
    if isinstance(k, bool) or not hasattr(k, "__index__") or k < 1:
        raise ValueError(f"k must be a whole number of at least 1, not {k!r}")
    if mutual and k != 1:
        raise ValueError(f"mutual=True is about the one nearest; k must then be 1, not {k}")
    threads = thread_count(threads)
    job = _Job.of(
        "crossmatch.nearest", left, right, radius, min_radius, epoch, backend, cache, threads
    )
    with reporting(progress, "crossmatch") as report:
        rows = _RowsDone(report, len(job.left.ra), 2 if mutual else 1)
        answer = job.nearest(int(k), rows.part(0))
        if mutual and len(answer.value["left"]):
            answer = job.mutual(answer, rows.part(1))
        rows.end()
    return job.matches(answer)


def within(
    left: Any,
    right: Any,
    radius: Any,
    *,
    min_radius: Any = 0.0,
    epoch: Any = None,
    backend: str | None = None,
    cache: Any = None,
    threads: int | None = None,
    progress: Any = None,
) -> Matches:
    """Match every source of a catalogue with all of another within a radius.

    Parameters
    ----------
    left, right : Catalog, (ra, dec), SkyCoord or table
        As for :func:`nearest`. None for ``right`` matches a catalogue with itself: each pair
        of rows once, the lower row on the left, and no row with itself.
    radius : float, Quantity, array_like of shape (n,) or NSigma
        Largest separation (arcsec, inclusive): one for all, one for each left row, or
        :func:`n_sigma`.
    min_radius, epoch, backend, cache, threads, progress
        As for :func:`nearest`.

    Returns
    -------
    Matches
        Pairs of row numbers with their separation, by left row, separation and right row.

    Raises
    ------
    ValueError, TypeError, BackendUnavailable
        As for :func:`nearest`; also if ``radius`` is None.
    MemoryError
        If the result would not fit into memory; the message tells how large it would be.

    Warns
    -----
    EpochWarning
        As for :func:`nearest`.

    Examples
    --------
    >>> import armillary as arm
    >>> pairs = arm.crossmatch.within(([10.0, 10.0, 10.0], [0.0, 0.001, 0.5]), None, 5.0)
    >>> pairs.left, pairs.right, pairs.separation
    (array([0]), array([1]), array([3.6]))
    """
    if radius is None:
        raise ValueError("radius must be given: without a limit every pair is a match")
    threads = thread_count(threads)
    job = _Job.of(
        "crossmatch.within", left, right, radius, min_radius, epoch, backend, cache, threads
    )
    with reporting(progress, "crossmatch") as report:
        rows = _RowsDone(report, len(job.left.ra), 1)
        answer = job.within(rows.part(0))
        rows.end()
    return job.matches(answer)


# ------------------------------------------------------------------ one call


_Pairs = Answer[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class _Side:
    """A catalogue without the rows that can match nothing; its arrays are where it is."""

    catalog: Catalog | DeviceCatalog
    ra: Any
    dec: Any
    rows: Any  # row numbers in the catalogue; None if all are here

    @property
    def n_dropped(self) -> int:
        return len(self.catalog) - len(self.ra)

    def part(self, array: Any) -> Any:
        """The values of these rows."""
        return array if self.rows is None else array[self.rows]

    def in_catalog(self, rows: Any) -> Any:
        """Row numbers of the catalogue for row numbers here."""
        return rows if self.rows is None else self.rows[rows]


@dataclass(frozen=True, slots=True)
class _Job:
    """The canonical form of a call."""

    operation: str
    left: _Side
    right: _Side
    with_itself: bool
    radius: Any
    right_radius: Any
    min_radius: float
    backend: str | None
    store: Store | None
    arrays_are: str
    threads: int

    @classmethod
    def of(
        cls,
        operation: str,
        left: Any,
        right: Any,
        radius: Any,
        min_radius: Any,
        epoch: Any,
        backend: str | None,
        cache: Any,
        threads: int,
    ) -> _Job:
        with_itself = operation == "crossmatch.within" and right is None
        arrays_are = _kind_of_call(left, left if with_itself else right, radius)
        store = store_for(cache, arrays_are)
        # A first look, before anything is done for a backend that cannot take it.
        choose(Request(operation, arrays=arrays_are), backend)
        first = as_catalog("left", left, threads)
        second = first if with_itself else as_catalog("right", right, threads)
        first, second = _at_one_epoch(first, second, epoch, threads)
        sides = _side(first, radius), _side(second, radius)
        least = arcseconds("min_radius", min_radius)
        if least.ndim or not np.isfinite(least):
            raise ValueError(f"min_radius must be one finite number, not {min_radius!r}")
        limits = _radius(radius, *sides)
        return cls(
            operation,
            *sides,
            with_itself,
            *limits,
            float(least),
            backend,
            store,
            arrays_are,
            threads,
        )

    def nearest(self, k: int, report: Progress | None) -> _Pairs:
        arguments = _positions(self.left, self.right) | {"radius": read_only_view(self.radius)}
        # No row has more neighbours than there are.
        options = self._options(self.right_radius) | {"k": (min(k, max(1, len(self.right.ra))), 1)}
        return self._run(arguments, options, report)

    def within(self, report: Progress | None) -> _Pairs:
        arguments = _positions(self.left, self.right) | {"radius": read_only_view(self.radius)}
        options = self._options(self.right_radius) | {"with_itself": (self.with_itself, False)}
        return self._run(arguments, options, report)

    def mutual(self, there: _Pairs, report: Progress | None) -> _Pairs:
        """The pairs whose left row is also the nearest of their right row."""
        pairs, xp = there.value, namespace(self.arrays_are)
        chosen, which = xp.unique(pairs["right"], return_inverse=True)
        arguments = {
            "left_ra": read_only_view(self.right.ra[chosen]),
            "left_dec": read_only_view(self.right.dec[chosen]),
            "right_ra": self.left.ra,
            "right_dec": self.left.dec,
        }
        # The limit of a pair is the same from both sides: the radii change places.
        if self.right_radius is None and len(self.radius) == 1:
            radius, other = self.radius, None
        else:
            radius = np.zeros(1) if self.right_radius is None else self.right_radius[chosen]
            other = xp.ascontiguousarray(xp.broadcast_to(self.radius, self.left.ra.shape))
        arguments["radius"] = read_only_view(radius)
        options = self._options(other) | {"k": (1, 1)}
        back = self._run(arguments, options, report)
        nearest_left = xp.full(len(chosen), -1)
        nearest_left[back.value["left"]] = back.value["right"]
        keep = nearest_left[which.ravel()] == pairs["left"]
        kept = {name: array[keep] for name, array in pairs.items()}
        return Answer(kept, there.plan, there.cache_hit and back.cache_hit)

    def matches(self, answer: _Pairs) -> Matches:
        pairs = answer.value
        return Matches(
            left=read_only_view(self.left.in_catalog(pairs["left"])),
            right=read_only_view(self.right.in_catalog(pairs["right"])),
            separation=read_only_view(pairs["separation"]),
            left_catalog=self.left.catalog,
            right_catalog=self.right.catalog,
            n_dropped_left=self.left.n_dropped,
            n_dropped_right=self.right.n_dropped,
            with_itself=self.with_itself,
            provenance=answer.provenance(self.threads),
        )

    def _options(self, right_radius: Any) -> dict[str, tuple[Any, Any]]:
        if right_radius is not None:
            right_radius = read_only_view(right_radius)
        return {"right_radius": (right_radius, None), "min_radius": (self.min_radius, 0.0)}

    def _run(
        self,
        arguments: Mapping[str, Any],
        options: Mapping[str, tuple[Any, Any]],
        report: Progress | None,
    ) -> _Pairs:
        chosen = {name: value for name, (value, _) in options.items()}
        request = Request.of(self.operation, arguments, chosen, self.arrays_are)
        plan = choose(request, self.backend)

        def compute() -> dict[str, Any]:
            result = call(plan, arguments, options, {"threads": self.threads, "progress": report})
            pairs = checked_arrays(plan, result, SHAPES, DTYPES, self.arrays_are)
            if plan.backend.distribution != CORE:
                n_rows = len(arguments["left_ra"]), len(arguments["right_ra"])
                _check_pairs(plan, pairs, *n_rows, namespace(self.arrays_are))
            return pairs

        identity = {**arguments, **chosen}
        return answered(plan, identity, compute, self.store)


def _kind_of_call(left: Any, right: Any, radius: Any) -> str:
    """The package that owns the arrays of both catalogues and of the radius.

    Raises
    ------
    TypeError
        If it is not one.
    """
    there, other = (array_kind(*_coordinates(side)) for side in (left, right))
    if there != other:
        raise TypeError(
            f"left is {_where(there)} and right is {_where(other)}; pass both on one device, or "
            f"both on the host"
        )
    kind = array_kind(radius)
    if kind != there and (kind != HOST or np.ndim(radius)):
        raise TypeError(
            f"radius is {_where(kind)} and the catalogues are {_where(there)}; pass one number, or "
            f"an array where they are"
        )
    return there


def _coordinates(value: Any) -> tuple[Any, ...]:
    if isinstance(value, DeviceCatalog):
        return value.ra, value.dec
    return tuple(value) if is_pair(value) else ()


def _where(kind: str) -> str:
    return "on the host" if kind == HOST else f"in arrays of {kind}"


class _RowsDone:
    """Progress of a whole call in left rows, whatever its parts count, up to its end.

    A call without rows counts as one, so that its end is more than nothing.
    """

    def __init__(self, report: Progress | None, n_rows: int, parts: int) -> None:
        self._report = report
        self._rows = max(1, n_rows)
        self._total = parts * self._rows
        self._last = -1

    def part(self, number: int) -> Progress | None:
        """What one of the parts, all equally long, reports its own progress to."""
        if self._report is None:
            return None

        def told(done: float, total: float) -> None:
            share = done / total if total else 1.0
            self._tell(number * self._rows + round(share * self._rows))

        return told

    def end(self) -> None:
        """Report the end, if no part has."""
        if self._last < self._total:
            self._tell(self._total)

    def _tell(self, done: int) -> None:
        self._last = done
        if self._report is not None:
            self._report(done, self._total)


def _positions(left: _Side, right: _Side) -> dict[str, Any]:
    # Of a view a backend cannot lift the protection, as it could of the array itself.
    return {
        "left_ra": read_only_view(left.ra),
        "left_dec": read_only_view(left.dec),
        "right_ra": read_only_view(right.ra),
        "right_dec": read_only_view(right.dec),
    }


def _at_one_epoch(
    left: Catalog | DeviceCatalog, right: Catalog | DeviceCatalog, epoch: Any, threads: int
) -> tuple[Catalog | DeviceCatalog, Catalog | DeviceCatalog]:
    if epoch is not None:
        epoch = julian_year(epoch)
        there = _moved("left", left, epoch, threads)
        return there, there if right is left else _moved("right", right, epoch, threads)
    pair = left, right
    sentence = different_epochs([c.epoch for c in pair], [c.moves for c in pair])
    if sentence:
        warnings.warn(sentence, EpochWarning, stacklevel=4)
    return left, right


def _moved(
    name: str, catalog: Catalog | DeviceCatalog, epoch: float, threads: int
) -> Catalog | DeviceCatalog:
    if isinstance(catalog, DeviceCatalog):
        return catalog
    try:
        return moved(catalog, epoch, threads)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _side(catalog: Catalog | DeviceCatalog, radius: Any) -> _Side:
    mask = catalog.known
    if isinstance(radius, NSigma) and catalog.error is not None:
        known_error = np.isfinite(catalog.error)
        if not known_error.all():
            mask = known_error if mask is None else mask & known_error
    if mask is None:
        return _Side(catalog, catalog.ra, catalog.dec, None)
    rows = namespace(array_kind(mask)).flatnonzero(mask)
    return _Side(catalog, read_only_view(catalog.ra[rows]), read_only_view(catalog.dec[rows]), rows)


def _radius(radius: Any, left: _Side, right: _Side) -> tuple[Any, Any]:
    """The canonical ``radius`` and ``right_radius``."""
    if radius is None:
        return np.full(1, np.inf), None
    if isinstance(radius, NSigma):
        errors = []
        for name, side in (("left", left), ("right", right)):
            if side.catalog.error is None:
                raise ValueError(f"a radius of {radius} needs errors; {name} has none")
            errors.append(radius.n * side.part(side.catalog.error))
        return errors[0], errors[1]
    array = arcseconds("radius", radius)
    if array.ndim == 0:
        return array.reshape(1), None
    n_rows = len(left.catalog)
    if array.shape != (n_rows,):
        raise ValueError(
            f"radius must be one number or one for each of the {n_rows} left rows, "
            f"not of shape {array.shape}"
        )
    return namespace(array_kind(array)).ascontiguousarray(left.part(array)), None


def _check_pairs(plan: Plan, pairs: Mapping[str, Any], n_left: int, n_right: int, xp: Any) -> None:
    """Hold a plugin to the order and the range of its pairs."""
    left, right, apart = pairs["left"], pairs["right"], pairs["separation"]
    for name, array in pairs.items():
        if len(array) != len(left):
            raise ContractError(
                f"{plan.backend} returned {len(array)} of {name!r}, not {len(left)}"
            )
    for name, array, n in (("left", left, n_left), ("right", right, n_right)):
        if len(array) and not (array.min() >= 0 and array.max() < n):
            raise ContractError(f"{plan.backend} returned {name!r} with rows outside 0 to {n - 1}")
    same = xp.diff(left) == 0
    tied = same & (xp.diff(apart) == 0)
    for name, wrong in (
        ("left", xp.diff(left) < 0),
        ("separation", same & (xp.diff(apart) < 0)),
        ("right", tied & (xp.diff(right) <= 0)),
    ):
        if wrong.any():
            raise ContractError(
                f"{plan.backend} returned pairs that are not by left row, separation, right row: "
                f"{name!r} falls after pair {int(xp.argmax(wrong))}"
            )
