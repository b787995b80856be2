"""The header of ECSV, which astropy also puts into Parquet files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from armillary.io.catalog_rows import reason
from armillary.io.errors import CatalogFileError

__all__ = ["described_columns", "read_header"]


def read_header(lines: Sequence[str]) -> dict[str, Any]:
    """The YAML of an ECSV header, without the comment signs.

    Raises
    ------
    CatalogFileError
        If it is no such YAML.
    """
    from astropy.table.meta import get_header_from_yaml

    from armillary.io.quiet import quiet

    try:
        with quiet():
            header = get_header_from_yaml(lines)
    except Exception as error:  # yaml's own errors and astropy's have no common base
        raise CatalogFileError(f"its ECSV header is damaged ({reason(error)})") from None
    columns = header.get("datatype") if isinstance(header, dict) else None
    if not isinstance(columns, list) or not all(_is_described(column) for column in columns):
        raise CatalogFileError("its ECSV header does not tell name and datatype of its columns")
    return header


def described_columns(lines: Sequence[str]) -> list[dict[str, Any]]:
    """What the header says of each column: ``name``, ``datatype``, and perhaps ``unit``."""
    return read_header(lines)["datatype"]


def _is_described(column: Any) -> bool:
    return isinstance(column, dict) and all(
        isinstance(column.get(key), str) for key in ("name", "datatype")
    )
