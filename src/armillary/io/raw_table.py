"""A table as its source gives it, and the one way from there to a light curve."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from armillary.io.columns import (
    TIME_SYSTEMS,
    RawColumn,
    Selection,
    as_days,
    as_float64,
    as_flux,
    as_flux_err,
    choose_columns,
    system_of_name,
)
from armillary.io.errors import LightCurveError
from armillary.io.light_curve import LightCurve, usable_rows
from armillary.io.quality import flagged_rows

__all__ = ["Options", "RawTable", "to_light_curve"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Options:
    """What the caller of ``read_light_curve`` asked for."""

    flux_column: str | int | None = None
    time_column: str | int | None = None
    flux_err_column: str | int | None = None
    quality_column: str | int | None = None
    quality: str | int = "default"
    time_system: str | None = None

    def choose(self, names: Sequence[str]) -> Selection:
        """Choose columns by these options."""
        return choose_columns(
            names,
            time_column=self.time_column,
            flux_column=self.flux_column,
            flux_err_column=self.flux_err_column,
            quality_column=self.quality_column,
        )


@dataclass(frozen=True)
class RawTable:
    """Columns by position, read when asked for, with the metadata that came along.

    Attributes
    ----------
    names : tuple of str
        Names of all columns.
    column : callable
        Gives the column at a position.
    source : str
        Where the table came from, for the meta.
    meta : mapping
        Entries for the meta of the light curve.
    """

    names: tuple[str, ...]
    column: Callable[[int], RawColumn]
    source: str
    meta: Mapping[str, Any] = field(default_factory=dict)


def to_light_curve(table: RawTable, options: Options) -> LightCurve:
    """Choose columns, convert them, drop what is flagged or no number, and count it."""
    chosen = options.choose(table.names)
    name = table.names.__getitem__
    days = as_days(table.column(chosen.time), name(chosen.time))
    flux, flux_unit = as_flux(table.column(chosen.flux), name(chosen.flux))
    flux_err = None
    if chosen.flux_err is not None:
        errors = table.column(chosen.flux_err)
        flux_err = as_flux_err(errors, name(chosen.flux_err), flux_unit)
        if flux_err.size and np.all(np.isnan(flux_err)):
            # A column that says nothing is the same as no column (lightkurve makes such ones).
            flux_err = None
    if not flux.size:
        raise LightCurveError("it has no rows")

    meta = {"flux_unit": flux_unit, **table.meta}
    meta.pop("format", None)  # the mark of our own files, for _own_segments only
    meta["time_scale"] = meta.get("time_scale") or days.time_scale
    stated = meta.get("time_system") or days.time_system or system_of_name(name(chosen.time))
    meta["time_system"] = _agreed_system(stated, options.time_system)
    if meta.get("relative") is None and meta["flux_unit"] == "electron / s":
        meta["relative"] = False

    flagged = np.zeros(flux.size, dtype=bool)
    if chosen.quality is not None and options.quality != "none":
        quality_name = name(chosen.quality)
        flags = as_float64(table.column(chosen.quality).values, quality_name)
        flagged = flagged_rows(flags, quality_name, meta.get("mission"), options.quality)
    keep = usable_rows(days.values, flux, flux_err) & ~flagged

    n_kept, n_flagged = int(np.count_nonzero(keep)), int(np.count_nonzero(flagged))
    n_invalid = flux.size - n_flagged - n_kept
    counts = f"{n_flagged} of {flux.size} rows flagged, {n_invalid} without usable numbers"
    if not n_kept:
        raise LightCurveError(f"it has no usable rows ({counts})")
    logger.info("%s: %s", table.source, counts)
    meta.update(
        flux_column=meta.get("flux_column") or name(chosen.flux),
        source=table.source,
        n_read=flux.size,
        n_flagged=n_flagged,
        n_invalid=n_invalid,
    )
    return LightCurve(
        days.values[keep],
        flux[keep],
        None if flux_err is None else flux_err[keep],
        segment=_own_segments(table, keep),
        meta=meta,
    )


def _agreed_system(stated: str | None, given: str | None) -> str | None:
    stated_name, given_name = _usual_name(stated), _usual_name(given)
    if stated_name and given_name and stated_name != given_name:
        raise LightCurveError(f"its times are stated to be {stated}, but time_system={given!r}")
    return stated_name or given_name


def _usual_name(time_system: str | None) -> str | None:
    """Spell a known time system in capitals; leave any other as it is."""
    capitals = str(time_system).upper()
    return capitals if capitals in TIME_SYSTEMS else time_system


def _own_segments(table: RawTable, keep: np.ndarray) -> np.ndarray:
    """Segments, where the table is a light curve that was saved with them; else one."""
    if table.meta.get("format") != "armillary light curve" or "segment" not in table.names:
        return np.zeros(int(np.count_nonzero(keep)), dtype=np.int64)
    values = as_float64(table.column(table.names.index("segment")).values, "segment")
    return values[keep].astype(np.int64)
