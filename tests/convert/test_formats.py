"""Formats of plugins: who is asked about a file, and what comes of each answer."""

import sys
import types

import pyarrow as pa
import pytest
from pyarrow import parquet

import armillary as arm
from armillary.convert.catalogs.api import catalog
from armillary.convert.formats import asked_for, recognised
from armillary.io import CatalogFileError
from armillary.plugins import BackendUnavailable, ContractError, Implementation, PluginWarning
from armillary.plugins.records import Registered
from armillary.plugins.registry import load_registry, set_registry

OPERATION = "convert.catalog"
SCHEMA = pa.schema([pa.field("n", pa.int64(), metadata={"unit": "s"}), pa.field("t", pa.string())])
MAGIC = b"\0NUMBERS"


class Numbers:
    """A format: after its name, a byte for each row."""

    certainty = 1.0

    def sniff(self, name, first_bytes):
        return self.certainty if first_bytes.startswith(MAGIC) else 0.0

    def read(self, path):
        values = path.read_bytes()[len(MAGIC) :]
        batches = (pa.record_batch([[v], [f"row {v}"]], schema=SCHEMA) for v in values)
        return pa.RecordBatchReader.from_batches(SCHEMA, batches)


@pytest.fixture(autouse=True)
def registry(monkeypatch):
    """No plugin but those of a test."""
    registry = load_registry(found=[])
    own = Implementation(operation=OPERATION, name="cpu", target="armillary:convert", api=1)
    registry.implementations.setdefault(OPERATION, {}).setdefault(
        "cpu", Registered(own, "armillary", "")
    )
    before = set_registry(registry)
    yield registry
    set_registry(before)


@pytest.fixture
def plugin(monkeypatch, registry):
    """Register a converter under a name."""

    def register(converter, name="numbers", **fields):
        home = types.ModuleType(f"{name}_package")
        home.converter = converter
        home.can_run = fields.pop("can_run", None)
        monkeypatch.setitem(sys.modules, home.__name__, home)
        record = Implementation(
            operation=OPERATION,
            name=name,
            target=f"{home.__name__}:converter",
            api=1,
            can_run=None if home.can_run is None else f"{home.__name__}:can_run",
            **fields,
        )
        registry.implementations[OPERATION][name] = Registered(record, f"{name}-dist", "1.0")

    return register


@pytest.fixture
def numbers(tmp_path):
    path = tmp_path / "file.numbers"
    path.write_bytes(MAGIC + bytes([3, 1, 2]))
    return path


@pytest.fixture
def out(tmp_path):
    (tmp_path / "results").mkdir()
    return tmp_path / "results" / "out.parquet"


def test_a_file_that_only_a_plugin_knows_is_read_by_it(plugin, numbers, out):
    plugin(Numbers)
    report = catalog(numbers, out)
    table = parquet.read_table(out)
    assert table.to_pydict() == {"n": [3, 1, 2], "t": ["row 3", "row 1", "row 2"]}
    assert table.schema.equals(SCHEMA, check_metadata=True)
    assert report.formats == ("numbers (numbers-dist 1.0)",)


def test_it_is_put_together_with_formats_that_are_known(plugin, numbers, tmp_path, out):
    plugin(Numbers)
    (tmp_path / "a.csv").write_text("t,n\nx,7\n")
    catalog([tmp_path / "a.csv", numbers], out, columns=["n"])
    assert parquet.read_table(out)["n"].to_pylist() == [7, 3, 1, 2]


def test_a_whole_table_and_dictionaries_are_read_as_well(plugin, numbers, out):
    class Tables(Numbers):
        def read(self, path):
            return pa.table({"t": pa.array(["a", "b", "a"]).dictionary_encode()})

    plugin(Tables)
    catalog(numbers, out)
    assert parquet.read_table(out).to_pydict() == {"t": ["a", "b", "a"]}
    assert parquet.read_schema(out).field("t").type == pa.string()


def test_without_the_plugin_the_file_is_refused_as_ever(numbers, out):
    with pytest.raises(CatalogFileError, match="it is a binary file, but neither Parquet nor FITS"):
        catalog(numbers, out)


def test_a_plugin_is_not_asked_about_what_armillary_reads(plugin, tmp_path, out):
    class Greedy(Numbers):
        def sniff(self, name, first_bytes):
            raise AssertionError("asked")

    plugin(Greedy)
    (tmp_path / "a.csv").write_text("t,n\nx,7\n")
    assert catalog(tmp_path / "a.csv", out).formats == ("CSV",)


def test_the_most_certain_reads(plugin, numbers):
    class Unsure(Numbers):
        certainty = 0.5

    plugin(Unsure, "unsure")
    plugin(Numbers)
    assert recognised(OPERATION, numbers).registered.record.name == "numbers"


def test_a_tie_is_an_error_that_says_how_to_choose(plugin, numbers, out):
    plugin(Numbers)
    plugin(Numbers, "other")
    says = r"numbers \(numbers-dist 1.0\) and other \(other-dist 1.0\) .*use_backend\('numbers', "
    with pytest.raises(ValueError, match=says):
        catalog(numbers, out)
    with arm.use_backend("other", OPERATION):
        assert catalog(numbers, out).formats == ("other (other-dist 1.0)",)


def test_who_is_asked_for_by_name_reads_every_file_unasked(plugin, tmp_path, out):
    plugin(Numbers)
    (tmp_path / "a.csv").write_bytes(b"x" * len(MAGIC) + b"\5")
    with arm.use_backend("numbers", OPERATION):
        catalog(tmp_path / "a.csv", out)
    assert parquet.read_table(out)["n"].to_pylist() == [5]


def test_armillary_itself_asked_for_by_name_asks_no_plugin(plugin, numbers, out):
    plugin(Numbers)
    with arm.use_backend("cpu", OPERATION), pytest.raises(CatalogFileError):
        catalog(numbers, out)


def test_a_name_for_other_operations_changes_nothing(plugin, numbers, out):
    plugin(Numbers)
    with arm.use_backend("reference"):
        assert asked_for(OPERATION) is None
        assert catalog(numbers, out).n_rows == 3


@pytest.mark.parametrize("answer", [1.5, -0.1, float("nan"), "yes", None, True])
def test_a_certainty_that_is_none_is_an_error_that_names_the_plugin(plugin, numbers, answer):
    class Odd(Numbers):
        certainty = answer

    plugin(Odd)
    with pytest.raises(ContractError, match=r"sniff of .*numbers-dist 1.0\) returned .*not a cert"):
        recognised(OPERATION, numbers)


class Broken(Numbers):
    def sniff(self, name, first_bytes):
        raise SystemExit(3)


class NotMade(Numbers):
    def __init__(self):
        raise RuntimeError("no licence")


@pytest.mark.parametrize("broken", [Broken, NotMade])
def test_a_plugin_that_fails_to_look_is_warned_of_and_the_others_go_on(plugin, numbers, broken):
    plugin(broken, "broken")
    plugin(Numbers)
    with pytest.warns(PluginWarning, match=r"broken-dist 1.0\) raised"):
        assert recognised(OPERATION, numbers).registered.record.name == "numbers"


def test_one_that_knows_the_file_and_cannot_run_says_why(plugin, numbers, out):
    plugin(Numbers, can_run=lambda request: "there is no libnumbers")
    with pytest.raises(BackendUnavailable, match=r"file.numbers.*knows.*there is no libnumbers"):
        catalog(numbers, out)


def test_a_backend_that_is_no_converter_is_not_asked(plugin, numbers):
    plugin(lambda **arguments: None, "whole")
    assert recognised(OPERATION, numbers) is None
    assert asked_for(OPERATION, "whole") == "whole"


def test_only_converters_that_write_are_asked_to_write(plugin, tmp_path):
    class Writer(Numbers):
        def sniff(self, name, first_bytes):
            assert first_bytes == b""
            return 0.5 * name.endswith(".numbers")

        def write(self, path):
            raise NotImplementedError

    plugin(Numbers)
    plugin(Writer, "writer")
    found = recognised(OPERATION, tmp_path / "new.numbers", "write")
    assert found.registered.record.name == "writer"
    assert recognised(OPERATION, tmp_path / "new.other", "write") is None


def test_what_it_raises_on_reading_names_it_and_leaves_nothing(plugin, numbers, out):
    class Failing(Numbers):
        def read(self, path):
            def batches():
                yield pa.record_batch([[1], ["a"]], schema=SCHEMA)
                raise LookupError("row 2 is odd")

            return pa.RecordBatchReader.from_batches(SCHEMA, batches())

    plugin(Failing)
    with pytest.raises(LookupError, match="row 2 is odd") as caught:
        catalog(numbers, out)
    assert "numbers-dist 1.0" in caught.value.__notes__[0]
    assert list(out.parent.iterdir()) == []


class WithoutSchema(Numbers):
    def read(self, path):
        return iter([])


class OtherRows(Numbers):
    def read(self, path):
        class Rows(list):
            schema = SCHEMA

        return Rows([pa.table({"n": ["a"], "t": ["b"]})])


class NoTables(Numbers):
    def read(self, path):
        class Rows(list):
            schema = SCHEMA

        return Rows([{"n": 1}])


@pytest.mark.parametrize(
    ("converter", "says"),
    [
        (WithoutSchema, "returned list_iterator without a schema"),
        (OtherRows, "gave rows that are not of its schema"),
        (NoTables, "gave dict, not pyarrow.Table"),
    ],
)
def test_what_is_no_catalogue_is_an_error_that_names_the_plugin(
    plugin, numbers, out, converter, says
):
    plugin(converter)
    with pytest.raises(ContractError, match=rf"numbers-dist 1.0\) {says}"):
        catalog(numbers, out)
    assert list(out.parent.iterdir()) == []
