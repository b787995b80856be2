"""The record that armillary collects."""

from armillary.plugins import Implementation, hookimpl


@hookimpl
def armillary_convert():
    yield Implementation(
        operation="convert.catalog",
        name="npy",
        target="armillary_npy.catalog:Npy",
        api=1,
        summary="structured arrays in files of NumPy (.npy)",
    )
