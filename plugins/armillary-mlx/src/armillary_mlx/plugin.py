"""The records that armillary collects; importing this does not import MLX."""

from __future__ import annotations

from collections.abc import Iterator

from armillary.plugins import Implementation, hookimpl

_URL = "https://ml-explore.github.io/mlx/"
_CITATION = "MLX (Hannun et al. 2023), https://github.com/ml-explore/mlx"


@hookimpl
def armillary_search() -> Iterator[Implementation]:
    yield Implementation(
        operation="search.bls",
        name="mlx",
        target="armillary_mlx.box:bls",
        api=1,
        summary="boxes found in float32 by MLX, scored in float64 on the host",
        url=_URL,
        citation=_CITATION,
        precision="float32",
        depends=("mlx",),
        can_run="armillary_mlx.device:can_run",
    )
    yield Implementation(
        operation="search.template_score",
        name="mlx",
        target="armillary_mlx.template:template_score",
        api=1,
        summary="folded in float64 on the host, scored in float32 by MLX",
        url=_URL,
        citation=_CITATION,
        precision="float32",
        depends=("mlx",),
        can_run="armillary_mlx.device:can_run",
    )
