"""A make-believe accelerator: arrays that no host can read, and the package that owns them.

``moon.asarray(numbers)`` gives a :class:`moon.Array <Array>`, which behaves as an array of CuPy
does: its functions and operators are NumPy's and stay on the device, one number of it can be read,
and only ``get()`` copies it to the host, which is counted. NumPy's own functions refuse it, and it
refuses NumPy's arrays, so that code which passes here has mixed nothing::

    @pytest.fixture
    def moon(monkeypatch):
        return land(monkeypatch)

    def test_it_stays_there(moon):
        moon.own("search.bls", cpu.bls)
        found = arm.search.bls(moon.asarray(time), moon.asarray(flux), period=[1.0, 2.0])
        assert isinstance(found.depth, moon.Array) and moon.fetched == []
"""

from __future__ import annotations

import functools
import inspect
import itertools
import operator
import sys
import types

import numpy as np

from armillary.plugins import Implementation
from armillary.plugins.records import Registered
from armillary.plugins.registry import get_registry

#: Name of the package, and so of the kind of its arrays.
KIND = "moon"
#: Of ``__dlpack_device__``: CUDA.
CUDA = 2
#: Of targets, so that each has a name of its own.
_numbers = itertools.count()
#: What NumPy's arrays have and CuPy's have not.
NOT_ON_A_DEVICE = frozenset({"setflags", "byteswap", "newbyteorder", "device", "to_device", "base"})


def land(monkeypatch):
    """Make the package ``moon`` importable for the length of a test, and give it."""
    moon = Moon(KIND)
    monkeypatch.setitem(sys.modules, KIND, moon)
    moon.register = functools.partial(_register, monkeypatch)
    return moon


class Moon(types.ModuleType):
    """The package: NumPy's functions, for arrays that are here.

    Attributes
    ----------
    Array : type
        Of the arrays of this device.
    fetched : list of tuple
        The shapes of the arrays that were copied to the host.
    """

    def __init__(self, name):
        super().__init__(name)
        self.fetched = []
        self.Array = type("Array", (Array,), {"__module__": name, "_moon": self})

    def asarray(self, values, dtype=None, order=None):
        """An array here, of numbers on the host or of an array that is here."""
        return self._here(np.array(_inside(values, self.Array), dtype=dtype, order=order))

    array = asarray

    def elsewhere(self, values):
        """An array on another device of this kind than the current one."""
        array = self.asarray(values)
        array.number = 1
        return array

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        value = getattr(np, name)
        if isinstance(value, type) or not callable(value):
            return value
        return functools.partial(self.run, value)

    def run(self, function, *arguments, **options):
        """Call a function of NumPy on what arrays of this device hold; its arrays are here, too."""
        arguments = [self._only_mine(a) for a in arguments]
        options = {name: self._only_mine(a) for name, a in options.items()}
        return self._here(function(*arguments, **options))

    def own(self, operation, function, name=KIND, *, raw=False, **fields):
        """Register a backend that owns arrays of this device.

        It is ``function``, which computes with NumPy, on what the arrays hold: no copy. Where it
        is given one of this device its results are there. A ``raw`` one is given the arrays
        themselves. Other ``fields`` go into the record; ``batch`` and ``can_run`` are functions.
        """
        for field, given in {"target": function, **fields}.items():
            if callable(given):
                # A name of its own: what a reference means is looked up once in a process.
                where = f"{field}_{next(_numbers)}"
                as_it_is = raw or field == "can_run"
                setattr(self, where, given if as_it_is else self._target(given))
                fields[field] = f"{KIND}:{where}"
        self.register(
            Implementation(operation=operation, name=name, api=1, arrays=("numpy", KIND), **fields)
        )

    def _target(self, function):
        @functools.wraps(function)
        def target(*arguments, **options):
            given = (arguments, options)
            result = function(*_inside(arguments, self.Array), **_inside(options, self.Array))
            return self._here(result) if _holds(given, self.Array) else result

        target.__signature__ = inspect.signature(function)
        return target

    def _only_mine(self, value):
        if isinstance(value, np.ndarray) and value.ndim:
            raise TypeError(f"Unsupported type {type(value)}: it is on the host")
        if isinstance(value, (list, tuple)):
            return type(value)(map(self._only_mine, value))
        return _inside(value, self.Array)

    def _here(self, value):
        if isinstance(value, (np.ndarray, np.generic)):
            made = self.Array.__new__(self.Array)
            made._values = np.asarray(value)
            return made
        if isinstance(value, (list, tuple)):
            return type(value)(map(self._here, value))
        if isinstance(value, dict):
            return {name: self._here(entry) for name, entry in value.items()}
        return value


def _register(monkeypatch, record):
    """Into the registry in force, for the length of a test."""
    there = get_registry().implementations[record.operation]
    monkeypatch.setitem(there, record.name, Registered(record, "armillary-moon", "1.0"))


def _inside(value, kind):
    """The numbers that arrays of a kind hold, wherever they are in a value."""
    if isinstance(value, kind):
        return value._values
    if isinstance(value, (list, tuple)):
        return type(value)(_inside(entry, kind) for entry in value)
    if isinstance(value, dict):
        return {name: _inside(entry, kind) for name, entry in value.items()}
    return value


def _holds(value, kind):
    """Whether there is an array of a kind anywhere in a value."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return any(_holds(entry, kind) for entry in value)
    return isinstance(value, kind)


class Array:
    """An array on the device."""

    # NumPy's functions and operators leave it alone.
    __array_ufunc__ = None
    # To go through its numbers one by one is a copy that nobody sees.
    __iter__ = None
    __hash__ = None
    #: The device that it is on; the current one is 0.
    number = 0

    def __init__(self, *_, **__):
        raise TypeError("arrays are made with moon.asarray")

    @property
    def __cuda_array_interface__(self):
        values = self._values
        return {
            "shape": values.shape,
            "typestr": values.dtype.str,
            "data": (values.ctypes.data, False),
            "version": 3,
        }

    def __dlpack_device__(self):
        return CUDA, self.number

    def __array__(self, *_, **__):
        raise TypeError("Implicit conversion to a NumPy array is not allowed: use get()")

    def get(self):
        """A copy on the host."""
        self._moon.fetched.append(self.shape)
        return self._values.copy()

    def tolist(self):
        """The numbers, on the host."""
        return self.get().tolist()

    def item(self):
        """The only number of an array, which may be read."""
        return self._values.item()

    def __getattr__(self, name):
        if name.startswith("_") or name in NOT_ON_A_DEVICE:
            raise AttributeError(f"an array of {KIND} has no {name!r}")
        value = getattr(self._values, name)
        if callable(value):
            return functools.partial(self._moon.run, value)
        return self._moon._here(value)

    def __len__(self):
        return len(self._values)

    def __getitem__(self, key):
        return self._moon.run(operator.getitem, self, key)

    def __setitem__(self, key, value):
        self._moon.run(operator.setitem, self, key, value)

    def __reduce__(self):
        return _landed_again, (self._values,)

    def __repr__(self):
        return f"{KIND}.array of shape {self.shape}"


def _landed_again(values):
    return sys.modules[KIND].asarray(values)


def _read(function):
    return lambda self: function(self._values)


def _unary(function):
    return lambda self: self._moon.run(function, self)


def _binary(function, swapped=False):
    if swapped:
        return lambda self, other: self._moon.run(function, other, self)
    return lambda self, other: self._moon.run(function, self, other)


for _function in (bool, int, float, operator.index):
    setattr(Array, f"__{_function.__name__}__", _read(_function))
for _name in ("neg", "pos", "abs", "invert"):
    setattr(Array, f"__{_name}__", _unary(getattr(operator, _name)))
for _name in ("lt", "le", "eq", "ne", "gt", "ge"):
    setattr(Array, f"__{_name}__", _binary(getattr(operator, _name)))
for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "and_", "or_", "xor"):
    _function, _name = getattr(operator, _name), _name.rstrip("_")
    setattr(Array, f"__{_name}__", _binary(_function))
    setattr(Array, f"__r{_name}__", _binary(_function, swapped=True))
