"""Readers and writers of light curves, images and catalogues.

A thin layer over astropy and pyarrow. Importing this package imports only NumPy. The libraries
behind the file formats are imported when a file of that format is read.
"""

from armillary.io.catalog_files import CatalogFile, is_hats, open_catalog
from armillary.io.errors import CatalogFileError, LightCurveError
from armillary.io.image import Image, read_image, write_image
from armillary.io.image_fits import ImageFileError
from armillary.io.image_mask import read_mask
from armillary.io.light_curve import LightCurve
from armillary.io.light_curves import LightCurves
from armillary.io.readers import read_light_curve

__all__ = [
    "CatalogFile",
    "CatalogFileError",
    "Image",
    "ImageFileError",
    "LightCurve",
    "LightCurveError",
    "LightCurves",
    "is_hats",
    "open_catalog",
    "read_image",
    "read_light_curve",
    "read_mask",
    "write_image",
]
