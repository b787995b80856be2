"""MLX against everything that armillary promises of its operations."""

from __future__ import annotations

from armillary.testing import conformance

test_bls = conformance("search.bls", "mlx")
test_template_score = conformance("search.template_score", "mlx")
