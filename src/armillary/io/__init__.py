"""Readers and writers of light curves; a thin layer over astropy and pyarrow.

Importing this package imports only NumPy. The libraries behind the file formats are imported
when a file of that format is read.
"""

from armillary.io.errors import LightCurveError
from armillary.io.light_curve import LightCurve
from armillary.io.readers import read_light_curve

__all__ = ["LightCurve", "LightCurveError", "read_light_curve"]
