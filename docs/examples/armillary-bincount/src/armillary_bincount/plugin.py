"""The record that armillary collects."""

from armillary.plugins import Implementation, hookimpl


@hookimpl
def armillary_search():
    yield Implementation(
        operation="search.bls",
        name="bincount",
        target="armillary_bincount.bls:bls",
        api=1,
        summary="folds by np.bincount, one thread",
    )
