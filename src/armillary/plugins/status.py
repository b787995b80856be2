"""What can run here, what cannot, and why: the data behind ``armillary status``."""

from __future__ import annotations

import platform
from dataclasses import asdict, dataclass
from typing import Any

from .._version import __version__
from . import settings
from .errors import BackendUnavailable, PluginError, SettingError
from .hookspecs import FAMILY_HOOKS
from .isolation import Raised, isolated
from .records import Registered, Request
from .registry import (
    CORE,
    Blocked,
    Conflict,
    Failure,
    Registry,
    core_registry,
    discover,
    get_registry,
    resolve,
)
from .select import BY_NAME, block_backends, choose, process_backends, unanswered_variable, why_not

#: Version of the layout of :meth:`Status.to_dict`.
SCHEMA = 1


@dataclass(frozen=True, slots=True)
class BackendStatus:
    """One backend of one operation.

    ``state`` is "active" (would run now), "available", "unavailable" or "conflict".
    """

    operation: str
    name: str
    state: str
    reason: str
    distribution: str
    version: str
    precision: str
    arrays: tuple[str, ...]
    summary: str
    url: str
    citation: str


@dataclass(frozen=True, slots=True)
class Status:
    """Everything that ``armillary status`` prints."""

    backends: tuple[BackendStatus, ...]
    failures: tuple[Failure, ...]
    blocked: tuple[Blocked, ...]
    settings: tuple[settings.Setting, ...]
    build: dict[str, Any]
    problems: tuple[str, ...]

    @property
    def healthy(self) -> bool:
        """True if no plugin failed or clashed and every setting is understood."""
        conflicts = any(b.state == "conflict" for b in self.backends)
        return not (self.failures or self.problems or conflicts)

    def to_dict(self) -> dict[str, Any]:
        """The whole status as plain values, ready for JSON."""
        return {
            "schema": SCHEMA,
            "healthy": self.healthy,
            "backends": [asdict(b) for b in self.backends],
            "failures": [asdict(f) for f in self.failures],
            "blocked": [asdict(b) for b in self.blocked],
            "settings": [asdict(s) for s in self.settings],
            "build": self.build,
            "problems": list(self.problems),
        }


def collect_status() -> Status:
    """Look at everything; nothing that is broken can stop the look."""
    registry, problem = _look()
    backends: list[BackendStatus] = []
    problems = [problem]
    for operation in registry.operations:
        active, reason = (None, problem) if problem else _active(operation)
        backends += _rows(registry, operation, active)
        problems.append(reason)
    problems += [_broken_core(row) for row in backends]
    problems += _mistyped(registry)
    problems += [str(c) for c in _machine_choices().values() if isinstance(c, SettingError)]
    return Status(
        tuple(backends),
        tuple(registry.failures),
        tuple(registry.blocked),
        tuple(_settings(registry)),
        build_information(),
        tuple(dict.fromkeys(filter(None, problems))),
    )


def _look() -> tuple[Registry, str]:
    """The registry in force; where it cannot be had, what is known without it and why."""
    try:
        return get_registry(), ""
    except PluginError as error:
        return discover(settings.plugin_switches()), str(error)
    except SettingError as error:
        return core_registry(), str(error)


def _broken_core(row: BackendStatus) -> str:
    """What is wrong with a backend of armillary's own, which must run everywhere."""
    if row.distribution != CORE or not row.reason:
        return ""
    return f"armillary's own {row.operation} backend {row.name!r} cannot run: {row.reason}"


def _mistyped(registry: Registry) -> list[str]:
    """Settings that mean nothing here: unknown variables, and names of what is not there."""
    problems = [
        f"{setting.name} is {setting.meaning}"
        for setting in _settings(registry)
        if setting.meaning == settings.UNKNOWN
    ]
    if registry.plugins is None:
        return problems
    there = {name for plugin in registry.plugins for name in plugin.called}
    for variable in ("ARMILLARY_PLUGINS", "ARMILLARY_BLOCK"):
        for name in sorted((settings.names(variable) or frozenset()) - there):
            problems.append(f"{variable} names {name!r}, and no plugin of that name is installed")
    scopes = (*_selected(registry), *FAMILY_HOOKS, None)
    return problems + [unanswered_variable(registry, scope) for scope in scopes]


def _selected(registry: Registry) -> list[str]:
    """The operations for which a backend is selected."""
    return [operation for operation in registry.operations if operation not in BY_NAME]


def _active(operation: str) -> tuple[str | None, str]:
    """The backend that would run now; None and the reason if there is none."""
    if operation in BY_NAME:
        return None, ""
    try:
        return choose(Request(operation)).backend.record.name, ""
    except BackendUnavailable as error:
        return None, str(error)


def list_backends(operation: str) -> tuple[BackendStatus, ...]:
    """The backends of an operation, with what each can do here and why not.

    Parameters
    ----------
    operation : str
        Such as ``"search.bls"``.

    Returns
    -------
    tuple of BackendStatus
        Sorted by name; ``state`` is "active" for the one that would run now.

    Raises
    ------
    ValueError
        If armillary has no such operation.

    Examples
    --------
    >>> import armillary as arm
    >>> [b.name for b in arm.list_backends("search.bls") if b.distribution == "armillary"]
    ['cpu', 'reference']
    """
    active, _ = _active(operation)
    return _rows(get_registry(), operation, active)


def _rows(registry: Registry, operation: str, active: str | None) -> tuple[BackendStatus, ...]:
    rows = []
    for name, registered in sorted(registry.backends(operation).items()):
        record = registered.record
        reason = _why_not_in_general(registered)
        state = "unavailable" if reason else "active" if name == active else "available"
        rows.append(
            BackendStatus(
                operation,
                name,
                state,
                reason,
                registered.distribution,
                registered.version,
                record.precision,
                record.arrays,
                record.summary,
                record.url,
                record.citation,
            )
        )
    for conflict in registry.conflicts:
        if conflict.operation == operation:
            rows.append(_conflict_row(conflict))
    return tuple(sorted(rows, key=lambda row: row.name))


def _why_not_in_general(registered: Registered) -> str:
    record = registered.record
    reason = why_not(registered, Request(record.operation, arrays=record.arrays[0]))
    # A plugin's target is loaded when it is chosen; our own must load wherever armillary does.
    if reason or registered.distribution != CORE:
        return reason
    try:
        with isolated():
            resolve(record.target)
    except Raised as raised:
        return f"loading {record.target} raised {raised}"
    return ""


def _conflict_row(conflict: Conflict) -> BackendStatus:
    return BackendStatus(
        operation=conflict.operation,
        name=conflict.name,
        state="conflict",
        reason=str(conflict),
        distribution=", ".join(claimant.origin for claimant in conflict.claimants),
        version="",
        precision="",
        arrays=(),
        summary="",
        url="",
        citation="",
    )


def _settings(registry: Registry) -> list[settings.Setting]:
    scopes = {settings.backend_variable(None): "everything"}
    scopes |= {settings.backend_variable(family): family for family in FAMILY_HOOKS}
    scopes |= {settings.backend_variable(o): o for o in _selected(registry)}
    found = settings.in_force(scopes)
    said = [("use_backend", scope, name) for scope, name in block_backends()]
    said += [("set_backend", scope, name) for scope, name in process_backends().items()]
    for source, scope, name in said:
        meaning = f"backend for {scope or 'everything'}"
        found.append(settings.Setting("backend", name, source, meaning))
    return found


def build_information() -> dict[str, Any]:
    """Compiler, flags, CPU variant in use and threads, for bug reports."""
    import numpy

    information: dict[str, Any] = {
        "armillary": __version__,
        "python": platform.python_version(),
        "numpy": numpy.__version__,
        "platform": platform.platform(),
    }
    try:
        from .. import _build_info
    except ImportError:
        information["compiler"] = "not built: run `make build` or `pip install .`"
    else:
        information["compiler"] = _build_info.COMPILER
        information["flags"] = " ".join(_build_info.FLAGS)
        information["variants"] = list(_build_info.VARIANTS)
        information["cython"] = _build_info.CYTHON
        information["debug"] = _build_info.DEBUG
    for name, found in _machine_choices().items():
        information[name] = f"unknown: {found}" if isinstance(found, SettingError) else found
    return information


def _machine_choices() -> dict[str, Any]:
    """CPU variant and threads in force, or the error of the setting that spoils one."""
    from ..runtime import cpu, threads

    choices: dict[str, Any] = {}
    for name, choose_it in (("cpu_variant", cpu.variant), ("threads", threads.default_threads)):
        try:
            choices[name] = choose_it()
        except SettingError as error:
            choices[name] = error
    return choices
