"""What armillary promises of the operations, held against the kernels.

``cupy`` runs where there is a CUDA device, and is skipped elsewhere with the reason that the
backend itself gives. ``cupy_on_host`` runs everywhere: the same targets and the same kernel
sources, compiled for the host.
"""

from __future__ import annotations

import pytest

from armillary.testing import conformance

test_bls = pytest.mark.gpu(conformance("search.bls", "cupy"))
test_bls_on_host = conformance("search.bls", "cupy_on_host")

test_template_score = pytest.mark.gpu(conformance("search.template_score", "cupy"))
test_template_score_on_host = conformance("search.template_score", "cupy_on_host")
