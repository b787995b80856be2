"""``armillary check``: the kit from the shell."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
import typer
from typer.testing import CliRunner

from armillary.cli.check import check
from armillary.search.box.cpu import bls as right
from armillary.testing import checks


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


#: What a backend with twice the level gets wrong.
TELLING = ("boxes_hold_what_they_say", "flux_offset")


def test_a_sound_distribution_ends_with_status_0(run: Callable[..., tuple[int, str]]) -> None:
    status, text = run("cpu")
    assert status == 0
    assert "search.bls backend 'cpu' (armillary" in text
    assert f"{len(checks('search.bls'))} passed" in text


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


def test_a_needless_waiver_ends_with_status_1(run: Callable[..., tuple[int, str]]) -> None:
    status, text = run("cpu", "--json", "--waive", "provenance=it is shy")
    outcomes = {c["name"]: c["outcome"] for c in json.loads(text)["backends"][0]["checks"]}
    assert (status, outcomes["provenance"]) == (1, "unexpectedly passed")


def test_nothing_that_could_run_is_no_success(
    run: Callable[..., tuple[int, str]], register: Callable[..., str]
) -> None:
    register(doubled, can_run=lambda request: "there is no such device")
    status, text = run("armillary-fake")
    assert status == 1
    assert "there is no such device" in text
    assert "nothing could run here" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nobody"], "'nobody' is neither a distribution nor a backend"),
        (["cpu", "--waive", "provenance"], "--waive must be"),
        (["cpu", "--waive", "gpu:provenance=x"], "--waive names the backend 'gpu'"),
        (["cpu", "--waive", "speed=x"], "'speed', which is no check"),
    ],
)
def test_what_cannot_be_meant_is_a_sentence(
    run: Callable[..., tuple[int, str]], arguments: list[str], message: str
) -> None:
    status, text = run(*arguments)
    assert status == 1
    assert message in text
