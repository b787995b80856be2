"""The record that armillary collects."""

from armillary.plugins import Implementation, hookimpl


@hookimpl
def armillary_crossmatch():
    yield Implementation(
        operation="crossmatch.nearest",
        name="strips",
        target="armillary_strips.nearest:nearest",
        api=1,
        summary="looks only at the strip of declinations that the radius reaches, one thread",
    )
