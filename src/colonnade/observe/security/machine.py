# SPDX-License-Identifier: Apache-2.0
"""Walk the opcodes of one pickle, of any protocol, without executing any: who is imported, who is called with what.

The machine keeps the stack, the marks and the memo as the real one would, over symbols instead of values, so that the
names which STACK_GLOBAL takes from the stack are known however they came there (memo, DUP, POP, escapes). What cannot
be known is malicious, not passed over. Where the real machine would fail, this one stops too: nothing behind that
point would ever run. It is never more lenient than CPython's `pickle.py` and `_pickle.c`, and where those two differ
it follows the one that runs more.

Opcode semantics: CPython's Lib/pickletools.py and PEP 307, 3154, 574. No allow-list here (`allowed`), no file formats.
"""

from __future__ import annotations

from collections.abc import Callable

from colonnade.observe.security import arrays, calls
from colonnade.observe.security.blobs import TooMuch
from colonnade.observe.security.opcodes import OPCODES, STOP
from colonnade.observe.security.stream import Cut, Stream
from colonnade.observe.security.symbols import TEXT, UNKNOWN, Box, Made, Name, Persistent, Symbol, is_plain, said
from colonnade.observe.security.values import Broken, Values
from colonnade.observe.security.verdicts import Findings, Limits


class Machine(Values):
    """One pickle in a stream."""

    def __init__(
        self,
        stream: Stream,
        where: str,
        found: Findings,
        limits: Limits,
        *,
        joblib: bool = True,
        embedded: Callable[[bytes, str], None] | None = None,
    ) -> None:
        super().__init__(stream)
        self.where = where
        self.found = found
        self.limits = limits
        self.joblib = joblib
        self.embedded = embedded
        self.operations = 0
        self.calls = 0
        self.imports = 0
        self.foreign: list[Name] = []
        self.two_readings = False
        self.result: Symbol = UNKNOWN
        self._table: list[Callable[[], None] | None] = [None] * 256
        for code, method in OPCODES.items():
            self._table[code] = getattr(self, method)

    def run(self) -> None:
        """Walk to STOP. Raises Broken where the real machine would fail, Cut at a premature end."""
        table, stream = self._table, self.stream
        while True:
            code = stream.byte()
            if code == STOP:
                self.result = self._pop()
                return
            if code < 0:
                raise Cut
            step = table[code]
            if step is None:
                raise Broken(f"byte {code:#04x} is no opcode")
            step()
            self.operations += 1
            if not self.operations & 0xFFF:
                self._bounds()

    def say(self, what: str) -> None:
        """A reason to call it malicious, with where in the pickle."""
        self.found.malicious(f"{self.where} at {self.stream.offset}", what)

    def _bounds(self) -> None:
        deep = len(self.stack) + sum(map(len, self.outer)) if len(self.outer) < 1000 else self.limits.stack + 1
        if self.operations > self.limits.operations or max(deep, len(self.memo)) > self.limits.stack:
            raise TooMuch

    # --- what matters ----------------------------------------------------------------------------------------------

    def global_(self) -> None:
        self._push(self._import_lines("utf-8"))

    def stack_global(self) -> None:
        name, module = self._pop(), self._pop()
        if isinstance(module, str) and isinstance(name, str):
            self._push(self._import(Name(module, name)))
            return
        if any(is_plain(value) and not isinstance(value, str) and value is not TEXT for value in (module, name)):
            raise Broken("it imports a name that is no text")
        self.say(f"imports a name made at run time ({said(module)}, {said(name)}), which cannot be known")
        self.calls += 1
        self._push(UNKNOWN)

    def extension(self, size: int) -> None:
        code = int.from_bytes(self.stream.take(size), "little")
        self.found.unreadable(
            f"{self.where} at {self.stream.offset}", f"imports extension {code}, known to its loader only"
        )
        self._push(UNKNOWN)

    def ext1(self) -> None:
        self.extension(1)

    def ext2(self) -> None:
        self.extension(2)

    def ext4(self) -> None:
        self.extension(4)

    def inst(self) -> None:
        name = self._import_lines("ascii")
        self._call(name, tuple(self._marked()), "call")

    def obj(self) -> None:
        items = self._marked()
        if not items:
            raise Broken("an object without a class")
        self._call(items[0], tuple(items[1:]), "call")

    def reduce(self) -> None:
        args, callee = self._pop(), self._pop()
        self._call(callee, args, "call")

    def newobj(self) -> None:
        args, cls = self._pop(), self._pop()
        self._call(cls, args, "new")

    def newobj_ex(self) -> None:
        keywords, args, cls = self._pop(), self._pop(), self._pop()
        if not isinstance(keywords, Box) or keywords.items or keywords.entries:
            self.say(f"makes {said(cls)} with keywords, which the allow-list knows nothing of")
        self._call(cls, args, "new")

    def build(self) -> None:
        state = self._pop()
        target = self._top()
        if is_plain(target):
            return
        if not isinstance(target, Made):
            self.calls += 1
            self.say(f"changes the attributes of {said(target)}, which it did not make")
            return
        problem = calls.built(target, state)
        if problem:
            self.say(problem)
        if self.joblib and str(target.by) in arrays.WRAPPERS:
            if target.state is not None:
                raise Broken("a joblib array that is read twice")
            target.state = state
            self._array(target)
            self.stack[-1] = Made(Name("numpy", "ndarray"))
        target.state = state

    def persid(self) -> None:
        self._push(Persistent((self.stream.line() or b"").decode("latin-1")))
        self.found.unreadable(f"{self.where} at {self.stream.offset}", "refers to objects that only its own loader has")

    def binpersid(self) -> None:
        key = self._pop()
        self._push(Persistent(key))
        if not calls.is_storage(key):
            self.found.unreadable(
                f"{self.where} at {self.stream.offset}", "refers to objects that only its own loader has"
            )

    def _import_lines(self, encoding: str) -> Name:
        lines = [self.stream.line() for _ in range(2)]
        try:
            module, name = ("(longer than any name)" if line is None else line.decode(encoding) for line in lines)
        except UnicodeDecodeError:
            raise Broken("a name that is not text") from None
        return self._import(Name(module, name))

    def _import(self, name: Name) -> Name:
        self.found.globals.add(str(name)[:300])
        self.imports += 1
        if not calls.is_known(name):
            self.foreign.append(name)
            self.say(f"imports {str(name)[:300]}, which is outside of the allow-list")
        return name

    def _call(self, callee: Symbol, args: Symbol, how: str) -> None:
        self.calls += 1
        if is_plain(callee):
            raise Broken("it calls what cannot be called")
        if not isinstance(callee, Name):
            self.say(f"calls {said(callee)}, which no name in the file says")
            self._push(UNKNOWN)
            return
        if calls.is_known(callee):
            problem = calls.problem(callee, args, how)
            if problem:
                self.say(problem)
            if calls.loads_bytes(callee) and self.embedded is not None:
                self.embedded(args[0], f"{self.where} at {self.stream.offset}")
        self._push(calls.made(callee, args))

    def _array(self, wrapper: Made) -> None:
        """joblib: the bytes of an array follow its wrapper, in the middle of the pickle."""
        size, objects, aligned = arrays.what_follows(wrapper)
        if size is None:
            raise Broken("a joblib array whose size is not known")
        if objects:
            inner = Machine(self.stream, self.where, self.found, self.limits, embedded=self.embedded)
            try:
                inner.run()
            finally:
                self.calls += inner.calls
                self.imports += inner.imports
                self.operations += inner.operations
                self.foreign += inner.foreign
            return
        if aligned:
            padding = self._size(1)
            if padding > 0x20:
                raise Broken("a joblib array with a padding that joblib does not write")
            self.stream.skip(padding)
        elif size:
            self.two_readings = True
        self.stream.skip(size)
