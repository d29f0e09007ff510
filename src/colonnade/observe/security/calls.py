# SPDX-License-Identifier: Apache-2.0
"""What may be done with an allowed name: which arguments a call of it may have, and what BUILD may set.

The list says that a name is harmless by itself; some are so only with certain arguments, because they call or make
what they are given. Those rules are here, each with the code that it guards against.
"""

from __future__ import annotations

from collections.abc import Callable

from colonnade.observe.security import arrays
from colonnade.observe.security.allowed import CALLED, MADE, uses
from colonnade.observe.security.symbols import INTEGER, UNKNOWN, Box, Made, Name, Symbol, Unknown, said

_ENCODINGS = {"latin1", "latin-1", "iso-8859-1", "ascii", "utf-8", "utf8", "raw_unicode_escape"}
_PLAIN_BASES = {"object", "dict", "list", "tuple", "set", "frozenset", "int", "float", "str"}
_ARRAYS = {"numpy.ndarray", "numpy.matrix", "numpy.ma.core.MaskedArray", "numpy.ma.MaskedArray"}
_FACTORIES = {"OrderedDict", "list", "dict", "set", "int", "float", "str", "tuple"}


def is_known(name: Name) -> bool:
    """Whether the allow-list has it at all."""
    return bool(uses(name.module, name.name))


def problem(callee: Name, args: Symbol, how: str) -> str:
    """Why this call of a listed name is not allowed, or ""."""
    if isinstance(args, Unknown | Box) or not isinstance(args, tuple):
        return f"calls {callee} with {said(args)} for its arguments"
    wanted = CALLED if how == "call" else MADE
    allowed = uses(callee.module, callee.name)
    if wanted not in allowed and not (wanted == MADE and CALLED in allowed):
        return f"calls {callee}, which the allow-list knows only as a part of something"
    rule = _RULES.get(callee.name) if wanted == CALLED else None
    if callee.name.startswith("__pyx_unpickle_"):
        rule = _class_first
    if rule and not rule(args):
        return f"calls {callee} with arguments that it is never saved with ({', '.join(map(said, args[:4]))})"
    return ""


def made(callee: Name, args: Symbol) -> Symbol:
    """What stands on the stack after the call."""
    known = args if isinstance(args, tuple) else ()
    if callee.name in {"_reconstructor", "__newobj__", "newObj"} and known and isinstance(known[0], Name):
        return Made(known[0], known[1:])
    return Made(callee, known)


def built(target: Made, state: Symbol) -> str:
    """Why this state may not be set, or "": attributes with two underscores would change what the instance is."""
    if str(target.by) == "numpy.dtype":
        return arrays.dtype_problem(target, state)
    slots = state[1] if isinstance(state, tuple) and len(state) == 2 else None
    for box in (state, slots):
        if isinstance(box, Box):
            bad = [key for key in box.entries if key.startswith("__") and key.endswith("__")]
            if bad and not (box is state and bad == ["__dict__"]):
                return f"sets {bad[0]!r} of {said(target)}"
    return ""


def is_storage(key: Symbol) -> bool:
    """Whether a persistent id is one of torch's: ("storage", type, key, location, size)."""
    return isinstance(key, tuple) and len(key) >= 5 and key[0] == "storage" and isinstance(key[1], Name)


def loads_bytes(callee: Name) -> bool:
    """Whether it unpickles the bytes that it is given, which then have to be judged."""
    return (callee.module, callee.name) == ("torch.storage", "_load_from_bytes")


# --- rules on arguments ----------------------------------------------------------------------------------


def _encode(args: tuple[Symbol, ...]) -> bool:
    """_codecs.encode looks its codec up by name, and would import a module for it."""
    return len(args) == 1 or (len(args) == 2 and isinstance(args[1], str) and args[1].lower() in _ENCODINGS)


def _no_size(args: tuple[Symbol, ...]) -> bool:
    """bytes(n) and bytearray(n) take n bytes of memory."""
    return not args or not (isinstance(args[0], int) or args[0] is INTEGER or args[0] is UNKNOWN)


def _reconstructor(args: tuple[Symbol, ...]) -> bool:
    """copyreg._reconstructor(cls, base, state): makes cls, and calls base.__init__ where base is not object."""
    return (
        len(args) == 3
        and _makeable(args[0])
        and isinstance(args[1], Name)
        and args[1].module in {"builtins", "__builtin__"}
        and args[1].name in _PLAIN_BASES
    )


def _class_first(args: tuple[Symbol, ...]) -> bool:
    """Makes the class that it is given."""
    return bool(args) and _makeable(args[0])


def _array_type(args: tuple[Symbol, ...]) -> bool:
    return bool(args) and isinstance(args[0], Name) and str(args[0]) in _ARRAYS


def _factory(args: tuple[Symbol, ...]) -> bool:
    """A defaultdict calls its factory at every missing key."""
    return not args or args[0] is None or (isinstance(args[0], Name) and args[0].name in _FACTORIES)


def _generator(args: tuple[Symbol, ...]) -> bool:
    """numpy.random's constructors call the one that they are given."""
    return all(isinstance(arg, str) or _of_numpy_random(arg) for arg in args)


def _of_numpy_random(arg: Symbol) -> bool:
    name = arg.by if isinstance(arg, Made) else arg
    return isinstance(name, Name) and name.module.startswith("numpy.random.")


def _bytes_only(args: tuple[Symbol, ...]) -> bool:
    """torch.storage._load_from_bytes unpickles; its bytes must be known, to be judged."""
    return len(args) == 1 and isinstance(args[0], bytes)


def _pandas_class(args: tuple[Symbol, ...]) -> bool:
    return bool(args) and isinstance(args[0], Name) and args[0].module.split(".")[0] == "pandas" and _makeable(args[0])


def _makeable(value: Symbol) -> bool:
    return isinstance(value, Name) and bool(uses(value.module, value.name) & {MADE, CALLED})


def _text(args: tuple[Symbol, ...]) -> bool:
    """dtype("f8"), not dtype of an object with an attribute of that name."""
    return bool(args) and (isinstance(args[0], str) or (isinstance(args[0], Name) and args[0].module != "builtins"))


_RULES: dict[str, Callable[[tuple[Symbol, ...]], bool]] = {
    "encode": _encode,
    "bytearray": _no_size,
    "bytes": _no_size,
    "_reconstructor": _reconstructor,
    "__newobj__": _class_first,
    "newObj": _class_first,
    "_reconstruct": _array_type,
    "_mareconstruct": _array_type,
    "defaultdict": _factory,
    "__bit_generator_ctor": _generator,
    "__generator_ctor": _generator,
    "__randomstate_ctor": _generator,
    "_load_from_bytes": _bytes_only,
    "_new_Index": _pandas_class,
    "dtype": _text,
}
