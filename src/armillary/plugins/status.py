"""What can run here, what cannot, and why: the data behind ``armillary status``."""

from __future__ import annotations

import platform
from dataclasses import asdict, dataclass
from typing import Any

from .._version import __version__
from . import settings
from .errors import BackendUnavailable, PluginError, SettingError
from .hookspecs import FAMILY_HOOKS
from .records import Request
from .registry import Blocked, Conflict, Failure, Registry, core_registry, discover, get_registry
from .select import choose, process_backends, why_not

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


def _active(operation: str) -> tuple[str | None, str]:
    """The backend that would run now; None and the reason if there is none."""
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
        reason = why_not(registered, Request(operation, arrays=record.arrays[0]))
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
    scopes |= {settings.backend_variable(o): o for o in registry.operations}
    found = settings.in_force(scopes)
    for scope, name in process_backends().items():
        found.append(
            settings.Setting("backend", name, "set_backend", f"backend for {scope or 'everything'}")
        )
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
