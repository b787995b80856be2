"""What a record may say, and what is said to one who gets it wrong."""

from __future__ import annotations

import dataclasses
import pickle

import pytest

from armillary.plugins.records import Provenance, Registered


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        ("operation", "bls", ValueError),
        ("operation", "Search.bls", ValueError),
        ("operation", "garden.rake", ValueError),
        ("operation", None, TypeError),
        ("name", "My-Backend", ValueError),
        ("name", "", ValueError),
        ("name", b"mine", TypeError),
        ("target", "my_package.bls", ValueError),
        ("target", "my_package:", ValueError),
        ("target", print, TypeError),
        ("api", "1", TypeError),
        ("api", True, TypeError),
        ("summary", None, TypeError),
        ("url", 3, TypeError),
        ("citation", 3, TypeError),
        ("arrays", ["numpy"], TypeError),
        ("arrays", "numpy", TypeError),
        ("arrays", (), ValueError),
        ("precision", "float16", ValueError),
        ("can_run", lambda request: True, TypeError),
        ("can_run", "my_package", ValueError),
        ("batch", lambda calls: [], TypeError),
        ("batch", "my_package.bls_batch", ValueError),
    ],
)
def test_a_wrong_field_is_named(record, field, value, error):
    name = value if field == "name" else "mine"
    fields = {} if field == "name" else {field: value}
    with pytest.raises(error, match=field):
        record(name, **fields)


def test_a_record_cannot_be_changed_and_survives_pickling(record):
    made = record(batch="my_package.bls:bls_batch")
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.name = "other"
    assert pickle.loads(pickle.dumps(made)) == made


def test_a_backend_is_written_with_its_distribution_and_version(record):
    assert str(Registered(record("mine"), "mine-dist", "2.1")) == (
        "search.bls backend 'mine' (mine-dist 2.1)"
    )


def test_provenance_survives_a_dictionary_and_ignores_what_it_does_not_know():
    provenance = Provenance("search.bls", "cpu", "armillary", "1", "float64", "default", 2, True)
    stored = provenance.to_dict() | {"from_the_future": 1}
    assert Provenance.from_dict(stored) == provenance
    assert "from the cache" in str(provenance)
    assert "2 threads" in str(provenance)
