"""The decorator for the user's own functions."""

from __future__ import annotations

import importlib.util
import inspect
import itertools
import os
import subprocess
import sys
import textwrap
import threading
import warnings

import numpy as np
import pytest

import armillary as arm
from armillary.cache import CacheWarning, MemoryStore, memoize
from armillary.testing.cache_values import difference, result


@pytest.fixture
def store(memory):
    """A store in memory."""
    return memory()


def defined(source, name="f", module="a_module", **variables):
    """A function from its source, as if an edited file had been loaded again."""
    namespace = {"__name__": module, "np": np, **variables}
    exec(compile(textwrap.dedent(source), f"{module}.py", "exec"), namespace)
    return namespace[name]


class Counted:
    """A function that counts how often it is really called, defined from its source."""

    def __init__(self, store, **how):
        self.store, self.how, self.n = store, how, 0

    def __call__(self, source, **more):
        function = defined(source, count=self._count, **more)
        return memoize(store=self.store, **self.how)(function)

    def _count(self):
        self.n += 1


@pytest.fixture
def counted(store):
    """Makes memoized functions whose source calls ``count()``; ``n`` tells how often."""
    return Counted(store)


POWER = """
def f(flux, order=2, *rest, scale=1.0, **more):
    "It may count, which is not in the key."
    count()
    return scale * np.sum(flux**order)
"""
FLUX = np.array([1.0, 2.0, 3.0])


# ------------------------------------------------------------------ the same arguments


def test_the_same_arguments_are_computed_once(counted):
    power = counted(POWER)
    assert [float(power(FLUX)) for _ in range(3)] == [14.0] * 3
    assert counted.n == 1


def test_how_arguments_are_passed_makes_no_difference(counted):
    power = counted(POWER)
    power(FLUX)
    for again in (
        lambda: power(FLUX, 2),
        lambda: power(FLUX, order=2),
        lambda: power(order=2, flux=FLUX),
        lambda: power(flux=FLUX, scale=1.0),
        lambda: power(FLUX, 2, scale=1.0),
        lambda: power(*[FLUX, 2]),
    ):
        assert float(again()) == 14.0
    assert counted.n == 1


def test_equal_arrays_of_any_layout_are_the_same(counted):
    power = counted(POWER)
    power(FLUX)
    for again in (FLUX.copy(), np.repeat(FLUX, 2)[::2], FLUX[::-1].copy()[::-1]):
        power(again)
    assert counted.n == 1


def test_the_order_of_named_arguments_makes_no_difference(counted):
    power = counted(POWER)
    power(FLUX, order=2, scale=1.0)
    power(scale=1.0, order=2, flux=FLUX)
    assert counted.n == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda power: power(FLUX + 1e-12),
        lambda power: power(FLUX[::-1]),
        lambda power: power(FLUX.astype(">f8")),
        lambda power: power(FLUX.reshape(3, 1)),
        lambda power: power(FLUX, 3),
        lambda power: power(FLUX, 2.0),
        lambda power: power(FLUX, True),
        lambda power: power(FLUX, scale=-1.0),
        lambda power: power(FLUX, 2, "rest"),
        lambda power: power(FLUX, more="x"),
        lambda power: power(FLUX, rest="x"),
    ],
)
def test_other_arguments_are_computed(counted, change):
    power = counted(POWER)
    power(FLUX)
    change(power)
    assert counted.n == 2
    change(power)
    power(FLUX)
    assert counted.n == 2


def test_arguments_by_place_and_by_name_are_not_taken_for_each_other(counted):
    f = counted(
        """
        def f(*places, **names):
            count()
            return [list(places), names]
        """
    )
    places = [(), (1,), ((1,),), (1, 2), ({"a": 1},), ("a", 1)]
    names = [{}, {"a": 1}, {"a": 2}, {"places": 1}, {"names": {"a": 1}}]
    calls = list(itertools.product(places, names))
    for _ in range(2):
        for places, names in calls:
            assert f(*places, **names) == [list(places), names]
    assert counted.n == len(calls)


def test_minus_zero_and_the_bits_of_nan_count(counted):
    f = counted("def f(x):\n    count()\n    return str(x)")
    assert [f(0.0), f(-0.0), f(0), f(False)] == ["0.0", "-0.0", "0", "False"]
    assert counted.n == 4


# ------------------------------------------------------------------ the function


BODIES = [
    "return x + 1",
    "return x + 2",
    "return x - 1",
    "return x + 1.0",
    "return x + True",
    "return abs(x) + 1",
    "return pow(x, 1) + 1",
    "return x.real + 1",
    "return x.imag + 1",
    "y = x; return y + 1",
    "return (lambda z: z + 1)(x)",
    "return (lambda z: z + 2)(x)",
    "return [z + 1 for z in [x]][0]",
    "return x + 1 if x in {1, 2, 3} else 0",
    "return x + 1 if x in {1, 2, 4} else 0",
    "return x + 1 if x in (1, 2, 3) else 0",
    "return x + int('1')",
    "return x + int('2')",
    "return x + int(b'1')",
    "return x + 1e-300 * 0.0",
    "return x + 1e-300 * -0.0",
    "return x ** -0.0",
    "return x ** 0.0",
    "global w; w = 1; return x + w",
]


def test_an_edited_function_is_computed_again(counted):
    functions = [counted(f"def f(x):\n    count(); {body}") for body in BODIES]
    expected = [defined(f"def f(x):\n    {body}")(3) for body in BODIES]
    for _ in range(2):
        found = [function(3) for function in functions]
        assert difference(expected, found) == ""
    assert counted.n == len(BODIES)


def test_what_an_error_handler_covers_counts(counted):
    """Which lines are covered stands beside the code, not in it."""
    one = """
        def f(x):
            count()
            y = int(x)
            try: return int(y)
            except ValueError: return 0
        """
    other = """
        def f(x):
            count()
            try: y = int(x); return int(y)
            except ValueError: return 0
        """
    assert counted(one)("1") == counted(other)("1") == 1
    assert counted.n == 2
    assert counted(other)("no number") == 0
    with pytest.raises(ValueError, match="no number"):
        counted(one)("no number")


def test_where_a_function_stands_and_what_is_said_of_it_makes_no_difference(counted):
    counted("def f(x):\n    count()\n    return x + 1")(3)
    counted("\n\n\n# moved\ndef f(x):\n\n    count()  # said\n    return x + 1")(3)
    counted("def f(x: int) -> int:\n    count()\n    return x + 1")(3)
    assert counted.n == 1


def test_functions_of_other_names_and_modules_are_others(counted):
    source = "def f(x):\n    count()\n    return x"
    counted(source)(1)
    counted(source, module="another")(1)
    counted(source.replace("def f", "def g"), name="g")(1)
    counted("class A:\n    def f(x):\n        count()\n        return x\nf = A.f")(1)
    assert counted.n == 4


def test_two_functions_of_one_name_are_told_apart(store):
    def made(n):
        if n == 1:

            @memoize(store=store)
            def f(x):
                return ("one", x)
        else:

            @memoize(store=store)
            def f(x):
                return ("two", x)

        return f

    assert (made(1)(0), made(2)(0), made(1)(0)) == (("one", 0), ("two", 0), ("one", 0))
    first = memoize(store=store)(lambda x: x + 1)
    second = memoize(store=store)(lambda x: x + 2)
    assert [first(1), second(1), first(1), second(1)] == [2, 3, 2, 3]


def test_scripts_are_told_apart(tmp_path, folder):
    """All are the module __main__, and may have a function of the same name."""
    for number in (1, 2):
        (tmp_path / f"script{number}.py").write_text(
            textwrap.dedent(
                f"""
                import armillary as arm
                store = arm.cache.open("disk", path={str(folder)!r})
                def helper(x):
                    return x + {number}
                @arm.cache.memoize(store=store)
                def f(x):
                    return helper(x)
                print(f(10))
                """
            )
        )
    found = [
        subprocess.run(
            [sys.executable, str(tmp_path / f"script{number}.py")],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for number in (1, 2, 1)
    ]
    assert found == ["11", "12", "11"]


def test_the_version_counts(counted):
    for version in (1, 2, "1", "two", 1, "two"):
        counted.how = {"version": version}
        assert counted("def f(x):\n    count()\n    return x")(3) == 3
    assert counted.n == 4


def test_what_it_encloses_counts(store):
    calls = []

    def made(offset, weights):
        def f(x):
            return float(np.sum(x * weights)) + offset

        @memoize(store=store)
        def g(x):
            return float(np.sum(x * weights)) + offset

        assert g(FLUX) == f(FLUX)
        calls.append(store.stats().stored)

    made(1, np.ones(3))
    made(1, np.ones(3))
    made(2, np.ones(3))
    made(1, np.array([1.0, 1.0, 2.0]))
    made(1.0, np.ones(3))
    assert calls == [1, 1, 2, 3, 4]


def test_what_it_encloses_counts_as_it_is_at_the_call(store):
    offset = 1

    @memoize(store=store)
    def f(x):
        return x + offset

    assert f(1) == 2
    offset = 10
    assert f(1) == 11
    offset = 1
    assert f(1) == 2
    assert store.stats().stored == 2


def test_what_it_encloses_must_have_an_encoding(store):
    helper = object()

    @memoize(store=store)
    def f(x):
        return helper and x

    with pytest.raises(TypeError, match=r"helper.*object"):
        f(1)


def test_other_defaults_are_other_arguments(counted):
    for default in ("1", "2", "[1]", "(1,)", "np.arange(3)"):
        counted(f"def f(x={default}):\n    count()\n    return x")()
    assert counted.n == 5
    counted("def f(x=7):\n    count()\n    return x")(2)
    assert counted.n == 5, "the default is not in a call that does not use it"


def test_globals_are_not_in_the_key_as_the_docstring_says(counted):
    source = "def f(x):\n    count()\n    return x + helper()"
    assert counted(source, helper=lambda: 1)(1) == 2
    assert counted(source, helper=lambda: 5)(1) == 2
    assert counted.n == 1


def test_a_function_is_the_same_in_every_process(folder, tmp_path):
    (tmp_path / "a_module_of_mine.py").write_text(
        textwrap.dedent(
            f"""
            import armillary as arm
            store = arm.cache.open("disk", path={str(folder)!r})
            @arm.cache.memoize(store=store)
            def f(x, names={{"a": 1, "b": (2, "x")}}):
                print("computing")
                return x if x in {{"alpha", "beta", "gamma", "delta", 5, None}} else names
            """
        )
    )
    program = "import sys; sys.path.insert(0, sys.argv[1]); import a_module_of_mine as mine;"
    program += "print(mine.f('alpha'))"
    said = [
        subprocess.run(
            [sys.executable, "-c", program, str(tmp_path)],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout.split()
        for seed in ("1", "2", "3")
    ]
    assert said == [["computing", "alpha"], ["alpha"], ["alpha"]]


# ------------------------------------------------------------------ what comes back


@pytest.mark.parametrize(
    "value", [None, 0, "", (), {"a": [1, (2.5, None)]}, np.arange(5), result()], ids=repr
)
def test_anything_that_has_an_encoding_comes_back(value, store):
    values, calls = {"x": value}, []

    def f():
        return FIND[0]()

    FIND[0] = lambda: calls.append(1) or values["x"]
    g = memoize(store=store)(f)
    assert all(difference(value, g()) == "" for _ in range(3))
    assert len(calls) == 1


#: What the function of the test above calls; a global is not in its key.
FIND = [None]


def test_none_is_a_result_like_any_other(counted):
    f = counted("def f(x):\n    count()")
    assert [f(1), f(1), f(1)] == [None] * 3
    assert counted.n == 1


def test_arrays_from_the_store_are_read_only_and_those_of_the_first_call_are_not(counted):
    f = counted("def f():\n    count()\n    return {'a': np.zeros(3), 'b': [1]}")
    first = f()
    first["a"] += 1.0
    first["b"].append(2)
    again = f()
    assert difference({"a": np.zeros(3), "b": [1]}, again) == ""
    assert first["a"].flags.writeable and not again["a"].flags.writeable
    again["b"].append(3)
    assert f()["b"] == [1] and counted.n == 1


def test_what_a_function_does_to_its_arguments_makes_no_difference_to_the_key(counted):
    f = counted("def f(x):\n    count()\n    x += 1.0\n    return float(x.sum())")
    given = np.zeros(3)
    assert f(given) == 3.0
    assert f(np.zeros(3)) == 3.0
    assert counted.n == 1


# ------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda f: f(object()), "'a'"),
        (lambda f: f(1, b={2, 3}), "'b'"),
        (lambda f: f(1, 2, print), "'rest'"),
        (lambda f: f(1, c=[1, object()]), "'c'"),
        (lambda f: f(1, other=object()), "'others'"),
    ],
)
def test_an_argument_without_encoding_is_a_type_error_that_names_it(counted, call, name):
    f = counted("def f(a, b=1, *rest, c=2, **others):\n    count()\n    return 1")
    with pytest.raises(TypeError, match=rf"{name} of a_module\.f") as raised:
        call(f)
    assert "cannot be cached" in str(raised.value)
    assert counted.n == 0


def test_a_result_without_encoding_is_a_type_error_that_names_the_function(counted):
    f = counted("def f():\n    count()\n    return [1, object()]")
    for _ in range(2):
        with pytest.raises(TypeError, match=r"what a_module\.f returned\[1\] is of type"):
            f()
    assert counted.n == 2


def test_wrong_arguments_are_the_error_of_the_function(counted):
    f = counted("def f(a, *, b):\n    count()\n    return 1")
    for call in (lambda: f(), lambda: f(1), lambda: f(1, 2, b=3), lambda: f(1, b=1, c=2)):
        with pytest.raises(TypeError, match=r"argument|parameter"):
            call()
    assert counted.n == 0


async def coroutine():
    return 1


def generator():
    yield 1


async def asynchronous_generator():
    yield 1


@pytest.mark.parametrize("function", [coroutine, generator, asynchronous_generator])
def test_generators_and_coroutines_are_refused(function, store):
    with pytest.raises(TypeError, match="generator or coroutine"):
        memoize(store=store)(function)


@pytest.mark.parametrize("function", [print, np.sum, int, "f", None, 3, type("A", (), {})()])
def test_what_is_no_function_of_python_is_refused(function, store):
    with pytest.raises(TypeError, match="functions written in Python"):
        memoize(store=store)(function)


def test_parentheses_that_were_forgotten_are_an_error():
    with pytest.raises(TypeError, match="parentheses"):

        @memoize
        def f(x):
            return x


@pytest.mark.parametrize("version", [1.5, None, True, (1,)])
def test_a_version_that_is_none_is_refused(version):
    with pytest.raises(TypeError, match="version"):
        memoize(version=version)


# ------------------------------------------------------------------ methods


class Survey:
    """Something with methods."""

    def __init__(self, name):
        self.name = name


def test_a_method_of_something_without_encoding_is_an_error_that_says_so(store):
    class Own(Survey):
        @memoize(store=store)
        def area(self):
            return 1.0

    with pytest.raises(TypeError, match=r"'self'.*area"):
        Own("x").area()


def test_static_and_class_methods(store):
    calls = []

    class Own(Survey):
        @staticmethod
        @memoize(store=store)
        def area(radius):
            CALLED.append(radius)
            return 3.0 * radius

    CALLED.clear()
    assert [Own.area(2.0), Own("x").area(2.0)] == [6.0, 6.0]
    assert CALLED == [2.0] and calls == []


#: What static methods were called with.
CALLED: list[float] = []


# ------------------------------------------------------------------ errors and recursion


def test_a_function_that_raises_is_called_again(counted):
    f = counted("def f(x):\n    count()\n    return 1 / x")
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            f(0)
    assert counted.n == 2 and f(1) == 1.0 and f(1) == 1.0 and counted.n == 3


@pytest.mark.parametrize("kind", ["memory", "disk"])
def test_a_function_may_call_itself(kind, request):
    namespace = {"__name__": "a_module"}
    source = """
        calls = []
        def f(n):
            calls.append(n)
            return n if n < 2 else f(n - 1) + f(n - 2)
        """
    exec(textwrap.dedent(source), namespace)
    namespace["f"] = memoize(store=request.getfixturevalue(kind)())(namespace["f"])
    assert namespace["f"](60) == 1548008755920
    assert len(namespace["calls"]) == 61


# ------------------------------------------------------------------ many at once


@pytest.mark.parametrize("kind", ["memory", "disk"])
def test_threads_with_the_same_arguments_compute_once_and_share_nothing(kind, request):
    counted = Counted(request.getfixturevalue(kind)())
    f = counted(
        "def f(x):\n    count()\n    wait()\n    return [np.zeros(5000), {'x': x}]",
        wait=lambda: threading.Event().wait(0.3),
    )
    start, results = threading.Barrier(6), []

    def work():
        start.wait(20)
        results.append(f(7))

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert counted.n == 1 and len(results) == 6
    assert sum(found[0].flags.writeable for found in results) <= 1
    for i, found in enumerate(results):
        assert difference([np.zeros(5000), {"x": 7}], found) == ""
        found[1]["more"] = i
    assert len({id(found[1]) for found in results}) == 6


def test_processes_with_the_same_arguments_compute_once(folder, tmp_path):
    program = f"""
        import sys, time
        import armillary as arm
        store = arm.cache.open("disk", path={str(folder)!r})
        @arm.cache.memoize(store=store)
        def f(x):
            with open({str(tmp_path / "calls")!r}, "a") as file:
                file.write("computing\\n")
            time.sleep(0.5)
            return x + 1
        print("ready", flush=True)
        sys.stdin.readline()
        print(f(1))
        """
    (tmp_path / "script.py").write_text(textwrap.dedent(program))
    processes = [
        subprocess.Popen(
            [sys.executable, str(tmp_path / "script.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    assert [process.communicate(timeout=30)[0] for process in processes] == ["2\n"] * 4
    assert (tmp_path / "calls").read_text() == "computing\n"


# ------------------------------------------------------------------ which store


def test_without_a_store_the_function_is_just_called():
    f = memoize()(lambda x: [x])
    given = object()
    assert f(given)[0] is given


def test_without_one_of_its_own_it_uses_that_of_the_block_or_environment(memory, monkeypatch):
    counted = Counted(None)
    f = counted("def f(x):\n    count()\n    return x")
    store = memory()
    with arm.use_cache(store):
        f(1), f(1)
    assert counted.n == 1 and len(store) == 1
    monkeypatch.setenv("ARMILLARY_CACHE", "memory")
    f(1), f(1)
    assert counted.n == 2
    with arm.use_cache(None):
        f(1)
    assert counted.n == 3


def test_its_own_store_is_used_whatever_the_block_says(store, memory):
    counted, other = Counted(store), memory()
    f = counted("def f(x):\n    count()\n    return x")
    with arm.use_cache(other):
        f(1)
    with arm.use_cache(None):
        f(1)
    assert counted.n == 1 and len(other) == 0


def test_a_store_may_be_a_name():
    counted = Counted("memory")
    f = counted("def f(x):\n    count()\n    return x")
    assert [f(1), f(1)] == [1, 1] and counted.n == 1


def test_a_store_that_fails_costs_nothing_but_a_warning():
    store = MemoryStore()
    counted = Counted(store)
    f = counted("def f(x):\n    count()\n    return x")
    store.close()
    with pytest.warns(CacheWarning, match="closed"):
        assert f(1) == 1
    assert counted.n == 1


def test_lists_of_entries_name_the_function(disk):
    store = disk()
    Counted(store)("def f(x):\n    count()\n    return x")(1)
    (info,) = store.entries()
    assert "a_module.f" in info.label and info.cost > 0


# ------------------------------------------------------------------ for people


def test_it_looks_like_the_function(store):
    def f(flux, order: int = 2) -> float:
        """The power of a light curve."""
        return float(flux**order)

    g = memoize(store=store)(f)
    assert (g.__name__, g.__doc__, g.__wrapped__) == ("f", f.__doc__, f)
    assert inspect.signature(g) == inspect.signature(f)


@pytest.mark.filterwarnings("error")
def test_a_result_that_does_not_fit_is_given_all_the_same():
    with MemoryStore(max_bytes=1000) as small:
        counted = Counted(small)
        f = counted("def f():\n    count()\n    return np.zeros(1000)")
        assert f().size == f().size == 1000
        assert counted.n == 2 and small.stats().refused == 2


def test_a_function_of_a_loaded_file_is_found_again_after_an_edit_elsewhere(tmp_path, store):
    """The same function in a file to which lines were added above."""
    calls = []

    def load(text):
        path = tmp_path / "mine.py"
        path.write_text(text)
        spec = importlib.util.spec_from_file_location("mine", path)
        module = importlib.util.module_from_spec(spec)
        module.calls = calls
        spec.loader.exec_module(module)
        return memoize(store=store)(module.f)

    body = "def f(x):\n    calls.append(x)\n    return x\n"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load(body)(1)
        load("import os\n\n\nA = 5\n\n\n" + body)(1)
    assert calls == [1]


def test_names_of_keywords_are_sorted(store):
    calls = []

    @memoize(store=store)
    def f(**options):
        return sorted(options)

    f(b=1, a=2)
    calls.append(len(store))
    f(a=2, b=1)
    assert len(store) == calls[0] == 1


def test_a_function_that_encloses_itself_can_be_kept(store):
    @memoize(store=store)
    def factorial(n):
        return 1 if n < 2 else n * factorial(n - 1)

    assert factorial(5) == 120
    assert len(store) == 5
