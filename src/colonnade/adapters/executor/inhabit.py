# SPDX-License-Identifier: Apache-2.0
"""Be a Python program in a process that was forked: what `python script.py` or `python -P -m module` would find.

Imported by warm interpreters: only small modules of the standard library, and nothing of this package.
"""

from __future__ import annotations

import _io
import ctypes
import gc
import os
import sys

MARK = "COLONNADE_RUN"
SHAPING = ("PYTHON", "LD_", "LC_", "LANG", "MALLOC_", "GLIBC_", "OMP_", "OPENBLAS_", "MKL_")
"""How variables begin that shape an interpreter, or what it loads, when it starts."""
ROOM = 2
"""argv[1] of a warm interpreter is room for the command line that it will show; so much comes before its modules."""


def inhabit(argv: list[str], environment: dict[str, str]) -> None:
    """Run the program, and end with it. An exception of its own goes on from here, to be shown as always."""
    _enter(argv, environment)
    try:
        if argv[1] == "-P":
            _module(argv)
        else:
            _script(argv)
        code: object = 0
    except SystemExit as left:
        code = left.code
    _leave(code)


def _enter(argv: list[str], environment: dict[str, str]) -> None:
    show(argv, environment.get(MARK, ""))
    coerced = os.environ.get("LC_CTYPE")
    os.environ.clear()
    os.environ.update(environment)
    if coerced is not None:
        os.environ.setdefault("LC_CTYPE", coerced)
    if "TZ" in environment:
        import time

        time.tzset()
    _anew()


def _module(argv: list[str]) -> None:
    import runpy

    sys.argv = ["-m", *argv[4:]]
    runpy._run_module_as_main(argv[3])  # type: ignore[attr-defined]  # what `python -m` calls


def _script(argv: list[str]) -> None:
    path = argv[1]
    sys.argv = argv[1:]
    sys.path.insert(0, os.path.dirname(os.path.realpath(path)))
    main = type(sys)("__main__")
    main.__dict__.update(__file__=path, __builtins__=__builtins__, __cached__=None)
    sys.modules["__main__"] = main
    try:
        with open(path, "rb") as file:
            text = file.read()
    except OSError as error:
        print(f"{sys.executable}: can't open file {path!r}: [Errno {error.errno}] {error.strerror}", file=sys.stderr)
        sys.exit(2)
    exec(compile(text, path, "exec", dont_inherit=True), main.__dict__)  # noqa: S102  it is what was asked for


def _leave(code: object) -> None:
    """End as Python does, but for the pulling down of every module, which costs more than all the rest: threads are
    waited for, functions of `atexit` run, open files flushed, then those of C. What stands in a module at the end is
    not deleted first; Python does not promise that either.
    """
    import atexit

    if code is not None and not isinstance(code, int):
        print(code, file=sys.stderr)
        code = 1
    try:
        if "threading" in sys.modules:
            sys.modules["threading"]._shutdown()
        atexit._run_exitfuncs()
    finally:
        for one in gc.get_objects():
            if isinstance(one, _io._IOBase) and not one.closed and one.writable():
                one.flush()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    ctypes.PyDLL(None).exit((code or 0) & 0xFF)


def _anew() -> None:
    """What differs from one fresh interpreter to the next must differ here as well."""
    if "numpy.random" in sys.modules:
        sys.modules["numpy.random"].seed()


def show(argv: list[str], mark: str = "") -> None:
    """Let /proc show these arguments and this mark, in the room that was left for them when we were started."""
    try:
        with open("/proc/self/stat", "rb") as file:
            words = file.read().rpartition(b")")[2].split()
        arguments, arguments_end, environment = (int(word) for word in words[45:48])
        whole = b"\0".join(os.fsencode(word) for word in argv)[: arguments_end - arguments - 1]
        ctypes.memmove(arguments, whole.ljust(arguments_end - arguments, b"\0"), arguments_end - arguments)
        if mark:
            _mark(environment, os.fsencode(mark))
    except (OSError, ValueError):
        return


def _mark(environment: int, mark: bytes) -> None:
    """Whoever looks for what a lost supervisor left finds it by its mark, as in a program that was executed."""
    with open("/proc/self/environ", "rb") as file:
        there = file.read()
    at = there.find(f"{MARK}=".encode()) + len(MARK) + 1
    room = there.find(b"\0", at) - at
    if at > len(MARK) and len(mark) <= room:
        ctypes.memmove(environment + at, mark.ljust(room, b"\0"), room)
