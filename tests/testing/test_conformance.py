"""armillary's own backends against everything that it asks of others."""

from __future__ import annotations

import pytest

from armillary.testing import conformance

test_bls_cpu = pytest.mark.kernel(conformance("search.bls", "cpu"))
test_bls_reference = conformance("search.bls", "reference")
