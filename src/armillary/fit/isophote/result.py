"""What a fit of isophotes gives back: one row per ellipse, tables, files, pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..._words import counted
from ...plugins.arrays import HOST, array_kind, namespace, on_host, read_only
from ...plugins.records import Provenance

if TYPE_CHECKING:
    from astropy.table import QTable

#: Why a fit ended, by its stop code; the codes are those of IRAF and photutils.
STOP_CODES = {
    0: "converged",
    1: "too few valid samples",
    2: "not converged in the iterations allowed",
    3: "no samples, or too few for the harmonics",
    4: "sampled with a given geometry, not fitted",
    5: "no usable gradient, or the ellipse left the image; geometry of another isophote",
}
#: The code of an ellipse that could not be fitted for want of a gradient.
NO_GRADIENT = 5

#: The arrays of a result, each of shape (n,).
COLUMNS: dict[str, type] = {
    "sma": float,
    "intensity": float,
    "intensity_err": float,
    "ellipticity": float,
    "ellipticity_err": float,
    "position_angle": float,
    "position_angle_err": float,
    "x0": float,
    "x0_err": float,
    "y0": float,
    "y0_err": float,
    "gradient": float,
    "gradient_err": float,
    "rms": float,
    "sector_area": float,
    "flux_ellipse": float,
    "flux_circle": float,
    "n_pixels_ellipse": int,
    "n_pixels_circle": int,
    "n_data": int,
    "n_flagged": int,
    "n_iterations": int,
    "n_samples": int,
    "stop_code": int,
}
#: Those that say where an ellipse is, and of what shape.
GEOMETRY = ("x0", "y0", "ellipticity", "position_angle")
#: Those of shape (n, number of harmonics).
HARMONIC_COLUMNS = ("a", "a_err", "b", "b_err")


@dataclass(frozen=True, eq=False, repr=False)
class Isophotes:
    """Isophotes of one image, by growing semi-major axis.

    Pixels are counted from 0 at their centres, x along columns and y along rows. What is not
    known is NaN: all errors of an ellipse that was not fitted, the geometry at ``sma`` 0. All
    arrays are read-only and have one entry for each ellipse. Of an image on a device they are
    there, and so is what is derived from them; tables, files and pictures take a copy on the host.

    Attributes
    ----------
    sma : ndarray, shape (n,)
        Semi-major axis (pixels); 0 is the value at the centre.
    intensity, intensity_err : ndarray, shape (n,)
        Mean along the ellipse, in the unit of the image.
    ellipticity, ellipticity_err : ndarray, shape (n,)
        One minus the ratio of the axes.
    position_angle, position_angle_err : ndarray, shape (n,)
        Of the major axis, from 0 to less than pi (radians), counter-clockwise from +x.
    x0, x0_err, y0, y0_err : ndarray, shape (n,)
        Centre (pixels).
    gradient, gradient_err : ndarray, shape (n,)
        Change of the intensity with ``sma``, per pixel. The error is the one that the rules of
        the fit compare, from the scatter along the two ellipses.
    rms : ndarray, shape (n,)
        Standard deviation of the samples along the ellipse.
    sector_area : ndarray, shape (n,)
        Mean area (pixels) that a sample stands for, as IRAF counts it: 2 for bilinear samples.
    a, a_err, b, b_err : ndarray, shape (n, k)
        Deviations from an ellipse, for each of ``harmonics``: amplitudes of the sine and cosine
        over ``sma |gradient|``. ``b`` of order 4 is positive for discs, negative for boxes.
    flux_ellipse, flux_circle : ndarray, shape (n,)
        Sum of the pixels whose centres are inside the ellipse, or a circle of radius ``sma``.
    n_pixels_ellipse, n_pixels_circle : ndarray of int, shape (n,)
        How many pixels are in these sums.
    n_data, n_flagged : ndarray of int, shape (n,)
        Samples used, and not used: outside the image, on unusable pixels, or clipped.
    n_iterations, n_samples : ndarray of int, shape (n,)
        Iterations of the fit, and samples drawn in all of them.
    stop_code : ndarray of int, shape (n,)
        0: converged. 1: too few valid samples. 2: not converged in the iterations allowed.
        3: no samples, or too few. 4: not fitted, as the geometry was given. 5: not fitted, as
        there was no usable gradient or the ellipse left the image.
    harmonics : tuple of int
        Orders of ``a`` and ``b``.
    sampling : str
        "polar_angle" or "eccentric_anomaly": the angle that they are harmonics of.
    image_shape : tuple of int
        Rows and columns of the image.
    n_unusable : int
        Pixels of the image that are masked, not finite, or without a positive variance.
    reason : str
        Why nothing was fitted, in a sentence; otherwise empty.
    provenance : Provenance
        Who computed it, and who decided so.
    """

    sma: np.ndarray
    intensity: np.ndarray
    intensity_err: np.ndarray
    ellipticity: np.ndarray
    ellipticity_err: np.ndarray
    position_angle: np.ndarray
    position_angle_err: np.ndarray
    x0: np.ndarray
    x0_err: np.ndarray
    y0: np.ndarray
    y0_err: np.ndarray
    gradient: np.ndarray
    gradient_err: np.ndarray
    rms: np.ndarray
    sector_area: np.ndarray
    a: np.ndarray
    a_err: np.ndarray
    b: np.ndarray
    b_err: np.ndarray
    flux_ellipse: np.ndarray
    flux_circle: np.ndarray
    n_pixels_ellipse: np.ndarray
    n_pixels_circle: np.ndarray
    n_data: np.ndarray
    n_flagged: np.ndarray
    n_iterations: np.ndarray
    n_samples: np.ndarray
    stop_code: np.ndarray
    harmonics: tuple[int, ...]
    sampling: str
    image_shape: tuple[int, int]
    n_unusable: int
    reason: str
    provenance: Provenance

    def __post_init__(self) -> None:
        read_only(*(getattr(self, name) for name in (*COLUMNS, *HARMONIC_COLUMNS)))

    def __len__(self) -> int:
        return len(self.sma)

    # ------------------------------------------------------------ derived

    @property
    def converged(self) -> np.ndarray:
        """True where the fit converged (stop code 0), the value at the centre left out."""
        return (self.stop_code == 0) & (self.sma > 0.0)

    @property
    def known(self) -> np.ndarray:
        """True where intensity and geometry are known, the value at the centre left out."""
        isfinite = self._functions.isfinite
        found = self.sma > 0.0
        for name in ("sma", "intensity", *GEOMETRY):
            found = found & isfinite(getattr(self, name))
        return found

    @property
    def gradient_rel_err(self) -> np.ndarray:
        """Error of the gradient over its size; NaN where it is not negative, or not known."""
        falling = self._functions.where(self.gradient < 0.0, -self.gradient, np.nan)
        return self.gradient_err / falling

    @property
    def pixel_stddev(self) -> np.ndarray:
        """IRAF's estimate of the standard deviation of a pixel: rms times sqrt(sector_area)."""
        return self.rms * self._functions.sqrt(self.sector_area)

    # ------------------------------------------------------------ where the arrays are

    @property
    def _functions(self) -> Any:
        """The module with the functions for its arrays."""
        return namespace(array_kind(self.sma))

    def on_host(self) -> Isophotes:
        """The same with its arrays on the host: itself, if they are there."""
        return self if array_kind(self.sma) == HOST else self._host_copy

    @cached_property
    def _host_copy(self) -> Isophotes:
        names = (*COLUMNS, *HARMONIC_COLUMNS)
        return replace(self, **{name: on_host(getattr(self, name)) for name in names})

    # ------------------------------------------------------------ tables and files

    def to_table(
        self, names: Literal["photutils", "iraf"] = "photutils", *, zero_point: float | None = None
    ) -> QTable:
        """One row per ellipse.

        Parameters
        ----------
        names : {"photutils", "iraf"}
            "photutils": its column names; position angles in degrees from +x, pixels from 0.
            "iraf": the names of the STSDAS task; position angles in degrees from +y, pixels
            from 1.
        zero_point : float, optional
            Adds surface brightness and total magnitudes: magnitude of a source of intensity 1.
            None leaves them out.

        Returns
        -------
        astropy.table.QTable

        Raises
        ------
        ValueError
            If ``names`` is neither of these, or ``zero_point`` is not finite.
        """
        from .table import as_table

        return as_table(self.on_host(), names, zero_point)

    def save(
        self,
        path: str | Path,
        *,
        names: Literal["photutils", "iraf"] = "photutils",
        zero_point: float | None = None,
        overwrite: bool = False,
    ) -> None:
        """Write the table to a file, whole or not at all.

        Parameters
        ----------
        path : str or Path
            ``.ecsv`` or ``.fits``.
        names, zero_point
            As in :meth:`to_table`. What has IRAF's names cannot be loaded again.
        overwrite : bool
            Replace a file that is there.

        Raises
        ------
        ValueError
            If the suffix is another.
        FileExistsError
            If the file is there and ``overwrite`` is false.
        OSError
            If the file cannot be written; an older one is then untouched.
        """
        from .table import save_table

        save_table(self.on_host(), Path(path), names, zero_point, overwrite)

    @classmethod
    def load(cls, path: str | Path) -> Isophotes:
        """Read what :meth:`save` wrote.

        Raises
        ------
        ValueError
            If the file holds no isophotes written by armillary.
        OSError
            If it cannot be read.
        """
        from .table import load_table

        return load_table(Path(path))

    def plot(self, image: Any = None, **options: Any) -> Any:
        """Profiles with errors, and, with the image, its ellipses and what the model leaves.

        Parameters
        ----------
        image : array_like, shape (ny, nx), optional
            What was fitted. None draws the profiles alone.
        **options
            Passed to :func:`armillary.plot.isophotes.plot_isophotes`.

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        from ...plot.isophotes import plot_isophotes

        return plot_isophotes(self.on_host(), on_host(image), **options)

    # ------------------------------------------------------------ as Python sees it

    def __getstate__(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        # Arrays come out of a pickle, or a deep copy, ready to be written to.
        for name, value in state.items():
            if isinstance(value, np.ndarray):
                value.setflags(write=False)
            object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        ny, nx = self.image_shape
        title = f"{counted(len(self), 'isophote')} of an image of {nx} x {ny} pixels"
        lines = [f"Isophotes: {title}"]
        if self.reason:
            lines.append(f"  {self.reason}")
        if len(self):
            lines += self.on_host()._summary()
        if self.n_unusable:
            lines.append(f"  {counted(self.n_unusable, 'unusable pixel')}")
        lines.append(f"  {self.provenance}")
        return "\n".join(lines)

    def _summary(self) -> list[str]:
        """Where the isophotes are, and how their fits ended."""
        ends = (
            f"{np.count_nonzero(self.stop_code == code)} {meaning.partition(';')[0]}"
            for code, meaning in STOP_CODES.items()
            if np.any(self.stop_code == code)
        )
        return [
            f"  sma {self.sma[0]:.4g} to {self.sma[-1]:.4g} pixels, "
            f"intensity {self.intensity[0]:.4g} to {self.intensity[-1]:.4g}",
            f"  {'; '.join(ends)}",
        ]


#: What a result holds beside its arrays.
HEADER = tuple(
    field.name for field in fields(Isophotes) if field.name not in {*COLUMNS, *HARMONIC_COLUMNS}
)
