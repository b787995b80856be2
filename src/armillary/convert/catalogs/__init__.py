"""Catalogues of many kinds into one Parquet file."""
