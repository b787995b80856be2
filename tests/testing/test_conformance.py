"""armillary's own backends against everything that it asks of others."""

from __future__ import annotations

import pytest

from armillary.testing import conformance

test_bls_cpu = pytest.mark.kernel(conformance("search.bls", "cpu"))
test_bls_reference = conformance("search.bls", "reference")

test_template_score_cpu = pytest.mark.kernel(conformance("search.template_score", "cpu"))
test_template_score_reference = conformance("search.template_score", "reference")

test_nearest_cpu = pytest.mark.kernel(conformance("crossmatch.nearest", "cpu"))
test_nearest_reference = conformance("crossmatch.nearest", "reference")

test_within_cpu = pytest.mark.kernel(conformance("crossmatch.within", "cpu"))
test_within_reference = conformance("crossmatch.within", "reference")

test_isophotes_cpu = pytest.mark.kernel(conformance("fit.isophotes", "cpu"))
test_isophotes_reference = conformance("fit.isophotes", "reference")

test_forced_isophotes_cpu = pytest.mark.kernel(conformance("fit.forced_isophotes", "cpu"))
test_forced_isophotes_reference = conformance("fit.forced_isophotes", "reference")

test_ellipse_model_cpu = pytest.mark.kernel(conformance("fit.ellipse_model", "cpu"))
test_ellipse_model_reference = conformance("fit.ellipse_model", "reference")

test_visibilities_cpu = pytest.mark.kernel(conformance("convert.visibilities", "cpu"))
test_visibilities_reference = conformance("convert.visibilities", "reference")

test_store_in_memory = conformance("cache.open", "memory")
test_store_on_disk = pytest.mark.kernel(conformance("cache.open", "disk"))
