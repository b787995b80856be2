"""The words in which core and plugins talk: implementations, requests, provenance."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from types import MappingProxyType
from typing import Any

from .hookspecs import FAMILY_HOOKS

#: Version of the plugin API that this armillary speaks; see the plugin author guide.
API_VERSION = 1

#: NumPy takes microseconds to spell a dtype, which is much of a call's dispatch.
_dtype_name = functools.cache(str)

_OPERATION = re.compile(r"[a-z]+\.[a-z][a-z0-9_]*")
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_TARGET = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Implementation:
    """One way to carry out one operation: the record that a plugin yields.

    Parameters
    ----------
    operation : str
        Public path of the operation, such as ``"search.bls"``.
    name : str
        The name that users give as ``backend=``; lower case, one per operation.
    target : str
        ``"module:function"``, imported when this implementation is chosen.
    api : int
        Version of the plugin API that the target was written for.
    summary, url, citation : str
        For people: one line, a home page, and what to cite.
    arrays : tuple of str
        Kinds of array that the target owns: the top-level module of their type.
    precision : str
        Precision of the computation, ``"float64"`` or ``"float32"``.
    depends : tuple of str
        Distributions whose version may change the result, such as the package that is wrapped: a
        cache does not serve what another version computed.
    can_run : str or None
        ``"module:function"`` of a function that takes a :class:`Request` and
        returns True or a sentence that says why not. None means always.
    batch : str or None
        ``"module:function"`` of a function that carries out many calls of the operation at once.
        It takes a sequence of mappings, the canonical arguments of each call, and the options
        that the calls share; it returns a list of what the target would give for each, in their
        order. None means that core calls the target for each.

    Raises
    ------
    TypeError, ValueError
        If a field has the wrong type or form; the message names the field.

    Examples
    --------
    >>> from armillary.plugins import Implementation
    >>> record = Implementation(
    ...     operation="search.bls", name="mine", target="my_package.bls:bls", api=1)
    >>> record.family
    'search'
    """

    operation: str
    name: str
    target: str
    api: int
    summary: str = ""
    url: str = ""
    citation: str = ""
    arrays: tuple[str, ...] = ("numpy",)
    precision: str = "float64"
    depends: tuple[str, ...] = ()
    can_run: str | None = None
    batch: str | None = None

    def __post_init__(self) -> None:
        texts = ("operation", "name", "target", "summary", "url", "citation", "precision")
        for name in texts:
            if not isinstance(getattr(self, name), str):
                raise TypeError(f"{name} must be a string, not {getattr(self, name)!r}")
        if isinstance(self.api, bool) or not isinstance(self.api, int):
            raise TypeError(f"api must be a whole number, not {self.api!r}")
        _require(_OPERATION, "operation", self.operation, 'like "search.bls"')
        _require(_NAME, "name", self.name, "a lower-case identifier")
        _require(_TARGET, "target", self.target, '"module:function"')
        if self.family not in FAMILY_HOOKS:
            raise ValueError(
                f"operation {self.operation!r} belongs to no family; "
                f"the families are {', '.join(FAMILY_HOOKS)}"
            )
        if self.precision not in ("float64", "float32"):
            raise ValueError(f'precision must be "float64" or "float32", not {self.precision!r}')
        if not isinstance(self.arrays, tuple) or not all(isinstance(a, str) for a in self.arrays):
            raise TypeError(f"arrays must be a tuple of strings, not {self.arrays!r}")
        if not isinstance(self.depends, tuple) or not all(isinstance(d, str) for d in self.depends):
            raise TypeError(f"depends must be a tuple of strings, not {self.depends!r}")
        if not self.arrays:
            raise ValueError('arrays must name at least one kind of array, such as "numpy"')
        for name in ("can_run", "batch"):
            reference = getattr(self, name)
            if reference is None:
                continue
            if not isinstance(reference, str):
                raise TypeError(f'{name} must be "module:function" or None, not {reference!r}')
            _require(_TARGET, name, reference, '"module:function"')

    @property
    def family(self) -> str:
        """The first part of the operation's name."""
        return self.operation.partition(".")[0]


def _require(pattern: re.Pattern[str], name: str, value: str, form: str) -> None:
    if not pattern.fullmatch(value):
        raise ValueError(f"{name} must be {form}, not {value!r}")


@dataclass(frozen=True, slots=True)
class Registered:
    """An implementation together with the distribution that brought it."""

    record: Implementation
    distribution: str
    version: str

    def __str__(self) -> str:
        return f"{self.record.operation} backend {self.record.name!r} ({self.origin})"

    @property
    def origin(self) -> str:
        """Distribution and version, as people write it."""
        return f"{self.distribution} {self.version}".strip()


@dataclass(frozen=True, slots=True)
class Request:
    """What ``can_run`` sees of a call: shapes, dtypes and options, never data.

    A request without shapes asks in general: could this backend run on this machine?
    """

    operation: str
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=lambda: MappingProxyType({}))
    dtypes: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    options: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    arrays: str = "numpy"

    @classmethod
    def of(
        cls,
        operation: str,
        arguments: Mapping[str, Any],
        options: Mapping[str, Any],
        arrays: str = "numpy",
    ) -> Request:
        """The request of a call with these arrays, of the given kind."""
        return cls(
            operation,
            shapes={name: array.shape for name, array in arguments.items()},
            dtypes={name: _dtype_name(array.dtype) for name, array in arguments.items()},
            options=options,
            arrays=arrays,
        )


@dataclass(frozen=True, slots=True)
class Provenance:
    """Who computed a result, with what, and who decided so.

    Attributes
    ----------
    operation, backend, distribution, version, precision : str
        What ran, and the distribution that it came from.
    chosen_by : str
        The level of the selection that decided, in words.
    threads : int
        Threads that the backend was allowed to use.
    cache_hit : bool
        True if the result was read from a cache.
    """

    operation: str
    backend: str
    distribution: str
    version: str
    precision: str
    chosen_by: str
    threads: int
    cache_hit: bool = False

    def to_dict(self) -> dict[str, Any]:
        """The fields as a plain dictionary, for tables and JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Provenance:
        """The inverse of :meth:`to_dict`; unknown keys are left out."""
        return cls(**{f.name: values[f.name] for f in fields(cls) if f.name in values})

    def __str__(self) -> str:
        hit = ", from the cache" if self.cache_hit else ""
        return (
            f"{self.operation} by {self.backend!r} ({self.distribution} {self.version}, "
            f"{self.precision}, {self.threads} thread{'s' * (self.threads != 1)}), "
            f"chosen by {self.chosen_by}{hit}"
        )
