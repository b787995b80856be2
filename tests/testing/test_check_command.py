"""``armillary check``: the kit from the shell."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from dataclasses import replace

import pytest
import typer
from typer.testing import CliRunner

from armillary.cli.check import check, parse_waivers
from armillary.plugins import Implementation
from armillary.plugins.records import Registered
from armillary.plugins.registry import Blocked, Conflict, Failure, get_registry
from armillary.search.box.cpu import bls as right
from armillary.testing import checks
from armillary.testing.kit import SUITES


@pytest.fixture
def run() -> Callable[..., tuple[int, str]]:
    app = typer.Typer()
    app.command()(check)

    def invoke(*arguments: str) -> tuple[int, str]:
        result = CliRunner(env={"COLUMNS": "200"}).invoke(app, list(arguments))
        return result.exit_code, result.output

    return invoke


def doubled(time, flux, flux_err, period, duration, duration_start, duration_stop, oversample=10):  # type: ignore[no-untyped-def]
    found = right(time, flux, flux_err, period, duration, duration_start, duration_stop, oversample)
    return found | {"level": 2 * found["level"]}


class Codec:
    """A codec that is right: zlib, and a checksum of what it stored."""

    name = "fake"

    def encode(self, data, itemsize):  # type: ignore[no-untyped-def]
        packed = zlib.compress(data, 1)
        stored = zlib.crc32(packed).to_bytes(4, "big") + packed
        return stored if len(stored) < len(data) else None

    def decode(self, stored, into):  # type: ignore[no-untyped-def]
        if len(stored) < 4 or stored[:4] != zlib.crc32(stored[4:]).to_bytes(4, "big"):
            raise ValueError("the stored bytes are damaged")
        into[:] = zlib.decompress(stored[4:])


#: What a backend with twice the level gets wrong.
TELLING = ("boxes_hold_what_they_say", "resolution_of_time", "flux_offset")


def test_a_sound_distribution_ends_with_status_0(
    run: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Those of its operations whose checks are quick.
    quick = ("search.bls", "crossmatch.nearest", "crossmatch.within")
    monkeypatch.setattr("armillary.cli.check.SUITES", {name: SUITES[name] for name in quick})
    status, text = run("cpu")
    assert status == 0
    assert "search.bls backend 'cpu' (armillary" in text
    assert f"{sum(len(checks(operation)) for operation in quick)} passed" in text


@pytest.mark.parametrize("name", ["memory", "disk"])
def test_a_store_is_checked_like_a_backend(run: Callable[..., tuple[int, str]], name: str) -> None:
    status, text = run(name)
    assert status == 0
    assert f"cache.open backend '{name}' (armillary" in text
    assert f"{len(checks('cache.open'))} passed" in text


def test_a_failed_check_is_shown_and_ends_with_status_1(
    run: Callable[..., tuple[int, str]], register: Callable[..., str]
) -> None:
    register(doubled)
    status, text = run("Armillary_Fake")
    assert status == 1
    assert "moves the level by something else" in text


def test_waived_failures_are_no_failures(
    run: Callable[..., tuple[int, str]], register: Callable[..., str]
) -> None:
    register(doubled)
    waivers = [f"--waive=fake:{name}=it counts twice" for name in TELLING]
    status, text = run("armillary-fake", "--json", *waivers)
    report = json.loads(text)
    waived = {c["name"] for c in report["backends"][0]["checks"] if c["outcome"] == "waived"}
    assert (status, report["healthy"], waived) == (0, True, set(TELLING))


def test_a_needless_waiver_ends_with_status_1(
    run: Callable[..., tuple[int, str]], register: Callable[..., str]
) -> None:
    register(right)
    status, text = run("armillary-fake", "--json", "--waive", "provenance=it is shy")
    outcomes = {c["name"]: c["outcome"] for c in json.loads(text)["backends"][0]["checks"]}
    assert (status, outcomes["provenance"]) == (1, "unexpectedly passed")


def registered(operation: str, name: str) -> Registered:
    record = Implementation(operation=operation, name=name, target="nobody:no", api=1)
    return Registered(record, "armillary-fake", "1.0")


SEARCH, NEAREST = registered("search.bls", "fake"), registered("crossmatch.nearest", "fake")
OTHER = registered("search.bls", "other")


@pytest.mark.parametrize(
    ("waiver", "meant"),
    [
        ("every_duration=it is known", {SEARCH, OTHER}),
        ("poles=it is known", {NEAREST}),
        ("provenance=it is known", {SEARCH, NEAREST, OTHER}),
        ("fake:every_duration=it is known", {SEARCH}),
        ("fake:provenance=it is known", {SEARCH, NEAREST}),
        ("search.bls:provenance=it is known", {SEARCH, OTHER}),
        ("crossmatch.nearest:provenance=it is known", {NEAREST}),
    ],
)
def test_a_waiver_is_for_the_backends_named_whose_operation_has_the_check(
    waiver: str, meant: set[Registered]
) -> None:
    waivers = parse_waivers([waiver], [SEARCH, NEAREST, OTHER])
    assert {backend for backend, waived in waivers.items() if waived} == meant
    assert {tuple(waived.values()) for waived in waivers.values()} <= {(), ("it is known",)}


def test_nothing_that_could_run_is_no_success(
    run: Callable[..., tuple[int, str]], register: Callable[..., str]
) -> None:
    register(doubled, can_run=lambda request: "there is no such device")
    status, text = run("armillary-fake")
    assert status == 1
    assert "there is no such device" in text
    assert "nothing could run here" in text


def chatting(time, flux, flux_err, period, duration, duration_start, duration_stop, oversample=10):  # type: ignore[no-untyped-def]
    print("searching")
    return right(time, flux, flux_err, period, duration, duration_start, duration_stop, oversample)


def test_what_a_backend_prints_stays_out_of_the_report(
    register: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    register(chatting, can_run=lambda request: print("can I?") or True)  # type: ignore[func-returns-value]
    with pytest.raises(typer.Exit):
        check("armillary-fake", as_json=True)
    written = capsys.readouterr()
    (backend,) = json.loads(written.out)["backends"]
    failed = [c["name"] for c in backend["checks"] if c["outcome"] == "failed"]
    assert failed == ["nothing_is_printed"]
    assert {"searching", "can I?"} <= set(written.err.splitlines())


def test_a_backend_cannot_end_the_command(
    run: Callable[..., tuple[int, str]], register: Callable[..., str]
) -> None:
    def target(time, flux, flux_err, period, duration, duration_start, duration_stop):  # type: ignore[no-untyped-def]
        raise SystemExit(0)

    register(target)
    status, text = run("armillary-fake")
    assert status == 1
    assert "tried to end the process" in text


# ------------------------------------------------------------------ what has no checks


def test_a_converter_is_named_as_one_without_checks_and_ends_with_status_1(
    run: Callable[..., tuple[int, str]], register: Callable[..., str]
) -> None:
    register(dict, operation="convert.catalog")
    for name in ("armillary-fake", "fake"):
        status, text = run(name)
        assert status == 1
        assert "not checked: convert.catalog 'fake': there are no checks for it" in text
        assert "nothing was checked" in text
    status, text = run("armillary-fake", "--json")
    report = json.loads(text)
    assert (status, report["healthy"], report["backends"]) == (1, False, [])
    assert [u["operation"] for u in report["unchecked"]] == ["convert.catalog"]


def test_what_has_no_checks_is_no_failure_of_what_has_them(
    run: Callable[..., tuple[int, str]], register: Callable[..., str]
) -> None:
    register(Codec, operation="cache.codec")
    get_registry().implementations["convert.catalog"]["fake"] = registered(
        "convert.catalog", "fake"
    )
    status, text = run("armillary-fake")
    assert status == 0
    assert "not checked: convert.catalog 'fake': there are no checks for it" in text
    assert f"{len(checks('cache.codec'))} passed" in text


def test_nothing_can_be_waived_of_what_has_no_checks(
    run: Callable[..., tuple[int, str]], register: Callable[..., str]
) -> None:
    register(dict, operation="convert.catalog")
    status, text = run("fake", "--waive", "provenance=x")
    assert status == 1
    assert "'provenance', which is no check of what was asked for, which has none" in text


# ------------------------------------------------------------------ what is not there


@pytest.fixture
def partly(register: Callable[..., str]) -> Callable[..., None]:
    """Register a sound backend of a distribution, and say what of it is missing."""

    def add(**missing: object) -> None:
        register(right)
        registry = get_registry()
        for name, what in missing.items():
            getattr(registry, name).append(what)

    return add


CLAIMANTS = tuple(
    Registered(
        Implementation(operation="search.bls", name="both", target="nobody:bls", api=1), name, "2.0"
    )
    for name in ("armillary-fake", "armillary-other")
)
FAILURE = Failure("second", "Armillary_Fake", "1.0", "import", "importing second raised OSError")
CONFLICT = Conflict("search.bls", "both", CLAIMANTS)
BLOCKED = Blocked("third", "armillary.fake", "1.0", "named in ARMILLARY_BLOCK")


@pytest.mark.parametrize(
    ("key", "missing", "words"),
    [
        ("failures", FAILURE, "importing second raised OSError"),
        ("conflicts", CONFLICT, "armillary-other 2.0"),
    ],
)
def test_a_broken_part_of_the_distribution_ends_with_status_1(
    run: Callable[..., tuple[int, str]],
    partly: Callable[..., None],
    key: str,
    missing: object,
    words: str,
) -> None:
    partly(**{key: missing})
    status, text = run("armillary-fake")
    assert status == 1
    assert words in text
    assert f"{len(checks('search.bls'))} passed" in text
    status, text = run("armillary-fake", "--json")
    report = json.loads(text)
    assert (status, report["healthy"], len(report[key])) == (1, False, 1)


def test_a_part_that_is_kept_out_on_purpose_is_told_and_no_failure(
    run: Callable[..., tuple[int, str]], partly: Callable[..., None]
) -> None:
    partly(blocked=BLOCKED)
    status, text = run("armillary-fake")
    assert status == 0
    assert "named in ARMILLARY_BLOCK" in text
    report = json.loads(run("armillary-fake", "--json")[1])
    assert [blocked["plugin"] for blocked in report["blocked"]] == ["third"]


def test_what_is_broken_of_others_is_no_business_of_this_distribution(
    run: Callable[..., tuple[int, str]], partly: Callable[..., None]
) -> None:
    partly(
        failures=replace(FAILURE, distribution="armillary-other"),
        conflicts=replace(CONFLICT, claimants=(CLAIMANTS[1], CLAIMANTS[1])),
    )
    status, text = run("armillary-fake", "--json")
    report = json.loads(text)
    assert (status, report["failures"], report["conflicts"]) == (0, [], [])


@pytest.mark.parametrize(
    ("name", "key", "missing", "words"),
    [
        ("armillary-other", "conflicts", CONFLICT, "claimed by armillary-fake 2.0"),
        ("both", "conflicts", CONFLICT, "claimed by armillary-fake 2.0"),
        ("away", "blocked", replace(BLOCKED, distribution="away"), "named in ARMILLARY_BLOCK"),
        ("away", "failures", replace(FAILURE, distribution="away"), "raised OSError"),
    ],
)
def test_why_a_distribution_has_no_backend_is_told(
    run: Callable[..., tuple[int, str]],
    partly: Callable[..., None],
    name: str,
    key: str,
    missing: object,
    words: str,
) -> None:
    partly(**{key: missing})
    status, text = run(name)
    assert status == 1
    assert f"'{name}' has no backend here to be checked" in text
    assert words in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nobody"], "'nobody' is neither a distribution nor a backend"),
        (["cpu", "--waive", "provenance"], "--waive must be"),
        (["cpu", "--waive", "gpu:provenance=x"], "'gpu', which is neither a backend nor an"),
        (["cpu", "--waive", ":provenance=x"], "'', which is neither a backend nor an"),
        (["cpu", "--waive", "speed=x"], "'speed', which is no check of convert.visibilities, "),
        (["cpu", "--waive", "search.bls:poles=x"], "'poles', which is no check of search.bls; the"),
    ],
)
def test_what_cannot_be_meant_is_a_sentence(
    run: Callable[..., tuple[int, str]], arguments: list[str], message: str
) -> None:
    status, text = run(*arguments)
    assert status == 1
    assert message in text
