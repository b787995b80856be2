"""Readers and writers of light curves and catalogues; a thin layer over astropy and pyarrow.

Importing this package imports only NumPy. The libraries behind the file formats are imported
when a file of that format is read.
"""

from armillary.io.catalog_files import CatalogFile, is_hats, open_catalog
from armillary.io.errors import CatalogFileError, LightCurveError
from armillary.io.light_curve import LightCurve
from armillary.io.readers import read_light_curve

__all__ = [
    "CatalogFile",
    "CatalogFileError",
    "LightCurve",
    "LightCurveError",
    "is_hats",
    "open_catalog",
    "read_light_curve",
]
