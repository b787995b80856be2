"""The nearest on the sky: of each left row, look at the strip of right rows that it can reach."""

import numpy as np

from armillary.crossmatch.sky.reference import separation

# Degrees, far above the rounding of declinations and separations: no row at the rim is lost.
MARGIN = 1e-9


def nearest(left_ra, left_dec, right_ra, right_dec, radius, k=1):
    # Two positions are never closer than their declinations, at any right ascension: poles and
    # right ascension zero need no care.
    by_dec = np.argsort(right_dec)
    sorted_dec = right_dec[by_dec]
    reach = radius / 3600.0 + MARGIN
    first = np.searchsorted(sorted_dec, left_dec - reach, side="left")
    stop = np.searchsorted(sorted_dec, left_dec + reach, side="right")

    radius = np.broadcast_to(radius, left_ra.shape)
    found = [(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))]
    for i in range(len(left_ra)):
        rows = np.sort(by_dec[first[i] : stop[i]])
        apart = separation(left_ra[i], left_dec[i], right_ra[rows], right_dec[rows])
        inside = apart <= radius[i]
        rows, apart = rows[inside], apart[inside]
        # Stable: of equal separations the lower row comes first.
        closest = np.argsort(apart, kind="stable")[:k]
        found.append((np.full(len(closest), i), rows[closest], apart[closest]))
    left, right, apart = map(np.concatenate, zip(*found, strict=True))
    return {"left": left, "right": right, "separation": apart}
