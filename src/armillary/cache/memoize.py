"""A decorator for the user's own functions."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable
from types import CodeType
from typing import Any, ParamSpec, TypeVar

from .axis import kept_or_computed, require_encoding
from .choice import store_of_call
from .keys import key_of, key_of_call
from .store import Store

Parameters = ParamSpec("Parameters")
Value = TypeVar("Value")


def memoize(
    store: Store | str | None = None, *, version: int | str = 1
) -> Callable[[Callable[Parameters, Value]], Callable[Parameters, Value]]:
    """Keep what a function returns, and give it again when it is called with the same arguments.

    The key is the function's name and code, what it encloses, ``version``, and the exact bytes of
    all arguments; how they were passed, by place or name, makes no difference. What else it looks
    at, and the code of functions that it calls, is not in it: raise ``version`` when that changes.

    Parameters
    ----------
    store : Store, str, optional
        Where to keep it: a store or the name of one. None means the one of ``use_cache`` or
        ``ARMILLARY_CACHE`` at the time of the call, and without one the function is just called.
    version : int or str
        Of what the function computes.

    Returns
    -------
    callable
        The decorator. Arrays that the function returns come back read-only from a store. Calls
        with the same arguments at the same time compute once.

    Raises
    ------
    TypeError
        If an argument, or what the function returns, cannot be kept: it can be an array, number,
        string, bytes or None, a tuple, list or dict of them, a pyarrow Table, or a result of
        armillary. Also if the decorator is used without parentheses, or on a generator or
        coroutine.

    Examples
    --------
    >>> import numpy as np
    >>> import armillary as arm
    >>> @arm.cache.memoize(store=arm.cache.open("memory"), version=1)
    ... def power(flux, order=2):
    ...     print("computing")
    ...     return np.sum(flux**order)
    >>> flux = np.array([1.0, 2.0, 3.0])
    >>> float(power(flux)), float(power(flux, order=2))
    computing
    (14.0, 14.0)
    """
    if inspect.isfunction(store):
        raise TypeError("memoize is used with parentheses: @memoize()")
    if isinstance(version, bool) or not isinstance(version, int | str):
        raise TypeError(f"version must be a whole number or a string, not {version!r}")

    def decorate(function: Callable[Parameters, Value]) -> Callable[Parameters, Value]:
        name = _name(function)
        signature = inspect.signature(function)
        code = function.__code__
        itself = key_of(["memoize", name, version, _code(code)])
        any_name = inspect.Parameter.VAR_KEYWORD
        others = next((n for n, p in signature.parameters.items() if p.kind is any_name), "")
        labels = [f"argument {parameter!r} of {name}" for parameter in signature.parameters]
        labels += [
            f"variable {variable!r}, which {name} encloses," for variable in code.co_freevars
        ]

        @functools.wraps(function)
        def memoized(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Value:
            chosen = store_of_call(store, "store")
            if chosen is None:
                return function(*args, **kwargs)
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            if others in bound.arguments:
                bound.arguments[others] = dict(sorted(bound.arguments[others].items()))
            # A function that calls itself encloses itself.
            cells = [cell.cell_contents for cell in function.__closure__ or ()]
            enclosed = [None if value is memoized else value for value in cells]
            key = key_of_call(itself, [*bound.arguments.values(), *enclosed], labels)

            def compute() -> Value:
                value = function(*args, **kwargs)
                require_encoding(value, f"what {name} returned")
                return value

            return kept_or_computed(chosen, key, compute, name)[0]

        return memoized

    return decorate


def _name(function: Any) -> str:
    if not inspect.isfunction(function):
        raise TypeError(f"memoize is for functions written in Python, not {function!r:.60}")
    kinds = inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction
    if any(is_kind(function) for is_kind in kinds):
        raise TypeError(
            f"{function.__qualname__} is a generator or coroutine: what it gives is not there "
            f"when it returns, and cannot be kept"
        )
    name = f"{function.__module__}.{function.__qualname__}"
    # Every script is the module __main__. What is no file, as the cell of a notebook or what is
    # typed, has another name each time.
    script = function.__code__.co_filename
    is_script = name.startswith("__main__.") and os.path.isfile(script)
    return f"{name} of {os.path.abspath(script)}" if is_script else name


def _code(code: CodeType) -> list[Any]:
    """What a function does, without where it stands: two of one name are told apart."""
    constants = [
        _code(constant)
        if isinstance(constant, CodeType)
        # The order of a set depends on the process.
        else repr(sorted(map(repr, constant)) if isinstance(constant, frozenset) else constant)
        for constant in code.co_consts
    ]
    names = [*code.co_names, "", *code.co_varnames, "", *code.co_freevars]
    return [code.co_code, code.co_exceptiontable, names, constants]
