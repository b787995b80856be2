"""Backends with one fault each: what the conformance kit is there to find.

A fault is planted into a backend that is right, the compiled one, by changing what it is called
with or what it returns. Everything else stays right, so that the checks which fail are those that
see this fault.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Set
from typing import Any, NamedTuple

import numpy as np

from armillary.crossmatch.sky import cpu as matching
from armillary.fit.isophote import cpu as isophotes
from armillary.search.box import cpu as box_search

Arrays = dict[str, np.ndarray]
Arguments = dict[str, Any]
Target = Callable[..., Arrays]
Fault = Callable[[Target], Target]

BLS, FORCED = "search.bls", "fit.forced_isophotes"
NEAREST, WITHIN = "crossmatch.nearest", "crossmatch.within"

#: Operation -> a target that is right.
RIGHT: dict[str, Target] = {
    BLS: box_search.bls,
    NEAREST: matching.nearest,
    WITHIN: matching.within,
    FORCED: isophotes.forced_isophotes,
}


class Planted(NamedTuple):
    """A fault, and who must notice.

    Attributes
    ----------
    operation : str
    fault : callable
        Takes a target that is right, and gives the wrong one.
    check : str
        The check that is meant for it.
    also : set of str
        Checks of other properties that cannot but see it as well.
    """

    operation: str
    fault: Fault
    check: str
    also: Set[str] = frozenset()

    @property
    def target(self) -> Target:
        """The wrong backend."""
        return self.fault(RIGHT[self.operation])


# ------------------------------------------------------------------ how faults are planted


def unchanged(right: Target) -> Target:
    """The same backend, wrapped as those that are wrong."""
    return calling(lambda arguments: arguments)(right)


def calling(change: Callable[[Arguments], Arguments]) -> Fault:
    """With some arguments changed."""

    def fault(right: Target) -> Target:
        @functools.wraps(right)
        def target(**arguments: Any) -> Arrays:
            return right(**(arguments | change(arguments)))

        return target

    return fault


def returning(change: Callable[[Arrays, Arguments], Arrays]) -> Fault:
    """With some results changed; ``change`` sees them and the arguments."""

    def fault(right: Target) -> Target:
        @functools.wraps(right)
        def target(**arguments: Any) -> Arrays:
            found = right(**arguments)
            return found | change(found, arguments)

        return target

    return fault


def losing(lost: Callable[[Arrays, Arguments], np.ndarray]) -> Fault:
    """Without some of the pairs."""

    def change(found: Arrays, arguments: Arguments) -> Arrays:
        keep = ~lost(found, arguments)
        return {name: array[keep] for name, array in found.items()}

    return returning(change)


def with_memory_used_again(right: Target) -> Target:
    """Results in arrays that the next call writes to."""
    kept: Arrays = {}

    @functools.wraps(right)
    def target(**arguments: Any) -> Arrays:
        found = right(**arguments)
        for name, array in found.items():
            known = kept.get(name)
            if known is None or known.shape != array.shape:
                kept[name] = array
                continue
            # Core has made it read-only; this backend takes the liberty.
            known.setflags(write=True)
            known[...] = array
        return dict(kept)

    return target


def that_goes_on(right: Target) -> Target:
    """What the function for progress raises is swallowed."""

    @functools.wraps(right)
    def target(**arguments: Any) -> Arrays:
        progress = arguments.get("progress")

        def report(done: float, total: float) -> None:
            if progress is not None:
                with contextlib.suppress(Exception):
                    progress(done, total)

        return right(**(arguments | {"progress": report}))

    return target


def that_miscounts(right: Target) -> Target:
    """Progress of something else."""

    @functools.wraps(right)
    def target(**arguments: Any) -> Arrays:
        progress = arguments.get("progress")
        if progress is not None:
            progress(7, 3)
        return right(**(arguments | {"progress": None}))

    return target


# ------------------------------------------------------------------ faults of box searches


def one_bin_late(found: Arrays, arguments: Arguments) -> Arrays:
    period = arguments["period"]
    bin_width = arguments["duration"][arguments["duration_start"]] / arguments["oversample"]
    return {"t0": np.remainder(found["t0"] + bin_width, period)}


def without_the_last_point(arguments: Arguments) -> Arguments:
    return {name: arguments[name][:-1] for name in ("time", "flux", "flux_err")}


def single_times(arguments: Arguments) -> Arguments:
    return {"time": arguments["time"].astype(np.float32).astype(np.float64)}


def weights_in_place_of_errors(right: Target) -> Target:
    """Weights are put where the errors were, and errors, rounded, where the weights are."""

    @functools.wraps(right)
    def target(**arguments: Any) -> Arrays:
        found = right(**arguments)
        flux_err = arguments["flux_err"]
        # The array is read-only; this backend takes the liberty.
        flux_err.setflags(write=True)
        flux_err **= -2.0
        flux_err **= -0.5
        flux_err.setflags(write=False)
        return found

    return target


def by_growing_period(found: Arrays, arguments: Arguments) -> Arrays:
    order = np.argsort(arguments["period"], kind="stable")
    return {name: array[order] for name, array in found.items()}


# ------------------------------------------------------------------ faults of matches


def positions(found: Arrays, arguments: Arguments) -> tuple[np.ndarray, ...]:
    """Coordinates of the pairs: left ra, left dec, right ra, right dec."""
    left, right = found["left"], found["right"]
    return (
        arguments["left_ra"][left],
        arguments["left_dec"][left],
        arguments["right_ra"][right],
        arguments["right_dec"][right],
    )


def to_the_higher_row(right: Target) -> Target:
    """Rows of the right catalogue from the last to the first."""

    @functools.wraps(right)
    def target(**arguments: Any) -> Arrays:
        columns = ("right_ra", "right_dec", "right_radius")
        given = {name: arguments[name] for name in columns if arguments.get(name) is not None}
        turned = {name: column[::-1].copy() for name, column in given.items()}
        found = right(**(arguments | turned))
        return found | {"right": len(arguments["right_ra"]) - 1 - found["right"]}

    return target


def equals_by_falling_row(found: Arrays, arguments: Arguments) -> Arrays:
    order = np.lexsort((-found["right"], found["separation"], found["left"]))
    return {name: array[order] for name, array in found.items()}


def flat_near_the_pole(found: Arrays, arguments: Arguments) -> Arrays:
    """Within an arcminute of a pole, as on a map with right ascension to the right."""
    ra1, dec1, ra2, dec2 = positions(found, arguments)
    turn = np.remainder(ra1 - ra2 + 180.0, 360.0) - 180.0
    east = turn * np.sin(np.radians(90.0 - np.abs(dec1)))
    flat = 3600.0 * np.hypot(east, dec1 - dec2)
    near = np.minimum(np.abs(dec1), np.abs(dec2)) > 90.0 - 1.0 / 60.0
    return {"separation": np.where(near, flat, found["separation"])}


def across_zero(found: Arrays, arguments: Arguments) -> np.ndarray:
    ra1, _, ra2, _ = positions(found, arguments)
    return np.abs(ra1 - ra2) > 180.0


def across_zero_if_signed(found: Arrays, arguments: Arguments) -> np.ndarray:
    """Of right ascensions in -180 to 180, those below 0 are not found from those below 360."""
    ra1, _, ra2, _ = positions(found, arguments)
    return (np.maximum(ra1, ra2) > 180.0) & (np.minimum(ra1, ra2) < 0.0)


def last_row_of_a_thread(found: Arrays, arguments: Arguments) -> np.ndarray:
    n_left, threads = len(arguments["left_ra"]), arguments["threads"]
    ends = np.linspace(0, n_left, threads + 1).astype(int)[1:-1] - 1
    return np.isin(found["left"], ends) & (n_left > 10_000)


# ------------------------------------------------------------------ all of them

#: What is wrong -> where, and who must notice.
PLANTED: dict[str, Planted] = {
    "an off-by-one bin": Planted(
        BLS,
        returning(one_bin_late),
        "boxes_hold_what_they_say",
        # The same question, of other times.
        also={"resolution_of_time"},
    ),
    "the last point dropped": Planted(
        BLS,
        calling(without_the_last_point),
        "every_point_counts",
        # It may be in the best box; and of points that are there twice one is left.
        also={"boxes_hold_what_they_say", "resolution_of_time", "duplicate_times"},
    ),
    "times in float32": Planted(BLS, calling(single_times), "resolution_of_time"),
    "an input changed": Planted(BLS, weights_in_place_of_errors, "inputs_are_left_alone"),
    "results by growing period": Planted(
        BLS,
        returning(by_growing_period),
        "order_of_periods",
        # Its periods are not in order either.
        also={"whole_spectrum"},
    ),
    "oversample ignored": Planted(BLS, calling(lambda a: {"oversample": 10}), "finer_bins"),
    "another depth with other threads": Planted(
        BLS,
        returning(lambda r, a: {"depth": r["depth"] * (1 + 1e-12 * a["threads"])}),
        "number_of_threads",
    ),
    "durations of shorter periods": Planted(
        BLS,
        calling(lambda a: {"duration_start": np.zeros_like(a["duration_start"])}),
        "durations_differ_by_period",
    ),
    "progress that cannot be stopped": Planted(BLS, that_goes_on, "progress_may_stop_it"),
    "the higher row of equals": Planted(
        NEAREST,
        to_the_higher_row,
        "equal_separations_go_to_the_lower_row",
        # Rows at one position are equally far away, too.
        also={"copies_go_to_the_lower_row", "k_nearest_among_equals", "thousands_of_copies"},
    ),
    "equals by falling row": Planted(
        WITHIN,
        returning(equals_by_falling_row),
        "copies_are_ordered_by_row",
        # Lattices have equal separations, and so has a catalogue some of whose rows are copied.
        also={"equal_separations_are_ordered", "with_itself"},
    ),
    "min_radius ignored": Planted(
        WITHIN,
        calling(lambda a: {"min_radius": 0.0}),
        "smallest_separation",
        # So it is beside other options.
        also={"options_together", "options_with_itself"},
    ),
    "min_radius ignored within one catalogue": Planted(
        WITHIN,
        calling(lambda a: {"min_radius": 0.0} if a["with_itself"] else {}),
        "options_with_itself",
    ),
    "right_radius ignored where there is k": Planted(
        NEAREST,
        calling(lambda a: {"right_radius": None} if a["k"] > 1 else {}),
        "options_together",
    ),
    "rows lost between threads": Planted(
        NEAREST, losing(last_row_of_a_thread), "number_of_threads"
    ),
    "separations of a flat map near a pole": Planted(
        NEAREST,
        returning(flat_near_the_pole),
        "poles",
        # Some of its pairs are there.
        also={"accuracy"},
    ),
    "separations of a flat map near a pole, all pairs": Planted(
        WITHIN, returning(flat_near_the_pole), "poles", also={"accuracy"}
    ),
    "pairs missed at 0 h, right ascensions signed": Planted(
        NEAREST,
        losing(across_zero_if_signed),
        "right_ascension_zero",
        # They have right ascensions below 0, too.
        also={"equal_separations_go_to_the_lower_row", "whole_turns"},
    ),
    "pairs missed at 0 h": Planted(
        WITHIN,
        losing(across_zero),
        "right_ascension_zero",
        # All of these have pairs there: their rows are all over the sky, or in fields at 0 h.
        also={
            "accuracy",
            "antipodes",
            "equal_separations_are_ordered",
            "every_pair_of_a_sphere",
            "large_catalogues",
            "one_place_many_names",
            "ordinary_catalogues",
            "poles",
            "radius_is_inclusive",
            "whole_turns",
            "wide_radii",
            "with_itself",
        },
    ),
    "medians that are means": Planted(
        FORCED,
        calling(lambda a: {"integrator": "mean"} if a["integrator"] == "median" else {}),
        "means_and_medians",
    ),
    "sampling ignored": Planted(
        FORCED, calling(lambda a: {"sampling": "polar_angle"}), "angles_of_samples"
    ),
    # NaN reaches a backend in images alone: light curves and catalogues come without.
    "NaN taken for data": Planted(
        FORCED,
        calling(lambda a: {"image": np.nan_to_num(a["image"])}),
        "ring_without_pixels",
        # All of these have unusable pixels.
        also={
            "counts_of_samples",
            "ellipses_beyond_the_image",
            "kinds_of_unusable_pixels",
            "sums_over_pixels",
        },
    ),
}
