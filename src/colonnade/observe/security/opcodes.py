# SPDX-License-Identifier: Apache-2.0
"""Every opcode of protocols 0 to 5, and the method of the machine that walks it. A table, nothing else."""

from __future__ import annotations

STOP, PROTO = 0x2E, 0x80

OPCODES = {
    ord("("): "mark", ord("0"): "pop", ord("1"): "pop_mark", ord("2"): "dup", ord("F"): "float_line",
    ord("I"): "int_line", ord("J"): "binint", ord("K"): "binint1", ord("L"): "long_line", ord("M"): "binint2",
    ord("N"): "none", ord("P"): "persid", ord("Q"): "binpersid", ord("R"): "reduce", ord("S"): "string_line",
    ord("T"): "binstring", ord("U"): "short_binstring", ord("V"): "unicode_line", ord("X"): "binunicode",
    ord("a"): "append", ord("b"): "build", ord("c"): "global_", ord("d"): "dict_", ord("}"): "empty_dict",
    ord("e"): "appends", ord("g"): "get_line", ord("h"): "binget", ord("i"): "inst", ord("j"): "long_binget",
    ord("l"): "list_", ord("]"): "empty_list", ord("o"): "obj", ord("p"): "put_line", ord("q"): "binput",
    ord("r"): "long_binput", ord("s"): "setitem", ord("t"): "tuple_", ord(")"): "empty_tuple", ord("u"): "setitems",
    ord("G"): "binfloat", ord("B"): "binbytes", ord("C"): "short_binbytes",
    PROTO: "proto", 0x81: "newobj", 0x82: "ext1", 0x83: "ext2", 0x84: "ext4", 0x85: "tuple1", 0x86: "tuple2",
    0x87: "tuple3", 0x88: "true", 0x89: "false", 0x8A: "long1", 0x8B: "long4", 0x8C: "short_binunicode",
    0x8D: "binunicode8", 0x8E: "binbytes8", 0x8F: "empty_set", 0x90: "appends", 0x91: "frozenset_",
    0x92: "newobj_ex", 0x93: "stack_global", 0x94: "memoize", 0x95: "frame", 0x96: "binbytes8", 0x97: "buffer",
    0x98: "buffer",
}  # fmt: skip
"""Every opcode but STOP, and the method that walks it."""
