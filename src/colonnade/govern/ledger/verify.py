# SPDX-License-Identifier: Apache-2.0
"""Check the whole log as it is stored, without a daemon and without any secret: only reading, only the public key.

    every leaf      its hash is that of its bytes; deep: canonical form, closed envelope, and the rows and edges that
    repeat it order           indices without a gap, in the order of appending
    tree            its root equals every stored checkpoint, and every checkpoint is signed by the log's key
    state file      the engine's own integrity check; its seal is compared by `ledger.seal`

What this cannot see: entries taken off the end before any checkpoint left the machine, or a log rewritten by who holds
the key.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from colonnade.core.errors import StateError, Tampered
from colonnade.core.leaf import parse_leaf
from colonnade.core.merkle import Frontier
from colonnade.core.note import Checkpoint, NoteKey, Verify, open_note
from colonnade.govern.ledger.report import Finding, Report
from colonnade.govern.ledger.seal import check_seal
from colonnade.ports.outside.state import Row, State

BATCH = 5_000


def verify(state: State, key: NoteKey, check: Verify, *, deep: bool = True, pages: bool = True) -> Report:
    """Check everything and say exactly what is wrong and where.

    Args:
        state: opened for reading; a daemon may go on writing meanwhile.
        key: the log's public key; its name is the origin.
        check: Ed25519 (public key, message, signature) -> bool.
        deep: compare canonical form, rows, edges and every signature as well; without, several times faster.
        pages: let the engine check its pages and indices; needless where a seal holds over the whole file.
    """
    report = Report(key.name, deep)
    try:
        if pages:
            _pages(state, report)
        checkpoints = _checkpoints(state, key, check, report)
        edges = _leaves(state, checkpoints, report)
        if deep:
            _orphans(state, edges, report)
    except (Tampered, StateError) as error:
        report.add(Finding("pages", f"the state file cannot be read through: {error.message}"))
    return report


def verify_file(path: Path, opened: Callable[[], State], key: NoteKey, check: Verify, *, deep: bool = True) -> Report:
    """Check a state file: its seal first, as it lies there, then all that `verify` checks.

    Args:
        path: the state file.
        opened: opens it for reading; closed again here.
        key, check, deep: as for `verify`.
    """
    seal = check_seal(path, key, check)
    try:
        state = opened()
    except (Tampered, StateError) as error:
        report = Report(key.name, deep)
        report.add(Finding("pages", f"the state file does not open: {error.message}"))
    else:
        try:
            report = verify(state, key, check, deep=deep, pages=deep or seal.status != "sealed")
        finally:
            state.close()
    report.seal = seal.status
    if seal.finding is not None:
        report.add_first(seal.finding)
    return report


def _pages(state: State, report: Report) -> None:
    said = [str(next(iter(dict(row).values()))) for row in state.rows("integrity")]
    if said != ["ok"]:
        report.add(Finding("pages", f"the state file is damaged: {'; '.join(said[:3])}"))


def _checkpoints(state: State, key: NoteKey, check: Verify, report: Report) -> dict[int, Row]:
    """Size -> stored checkpoint, smallest first; each one's note is signed and says what the row says.

    Not deep, only the last note is opened: it covers all entries; the earlier ones are still compared with the tree.
    """
    rows = state.rows("checkpoints_all")
    found: dict[int, Row] = {row["size"]: row for row in rows}
    report.checkpoints = len(rows)
    for row in rows if report.deep else rows[-1:]:
        size, root = row["size"], _blob(row["root"])
        try:
            said = Checkpoint.parse(open_note(str(row["note"]), [key], check))
        except Tampered as error:
            report.add(Finding("signature", f"the checkpoint of size {size}: {error.message}"))
            continue
        except ValueError as error:
            report.add(Finding("checkpoint", f"the checkpoint of size {size} does not read: {error}"))
            continue
        if said != Checkpoint(key.name, size, root):
            says = f"{said.origin} {said.size} {said.root.hex()}"
            message = f"the signed note of the checkpoint of size {size} says something else than its row"
            report.add(Finding("checkpoint", message, expected=says, found=f"{key.name} {size} {root.hex()}"))
        report.signed, report.root = size, root.hex()
    return found


def _leaves(state: State, checkpoints: Mapping[int, Row], report: Report) -> int:
    """Walk over all leaves; how many edges there must be."""
    tree, edges, checked, broken = Frontier(), 0, 0, False
    for row in _stored(state, deep=report.deep):
        report.entries += 1
        _leaf(row, report)
        if report.deep:
            edges += _rows(row, report)
        if row["idx"] is None:
            continue
        if row["idx"] != tree.size:
            message = f"entry {row['id']} has index {row['idx']} where {tree.size} is due"
            report.add(Finding("order", message, row["idx"], row["id"]))
        elif report.sequenced != report.entries - 1:
            report.add(Finding("order", f"entry {row['id']} overtook one before it", row["idx"], row["id"]))
        report.sequenced += 1
        tree.append(_blob(row["hash"]))
        stored = checkpoints.get(tree.size)
        if stored is not None:
            root = tree.root()
            if root != stored["root"] and not broken:
                broken = True
                message = (
                    f"the tree differs from the checkpoint of size {tree.size}: changed in [{checked}, {tree.size})"
                )
                report.add(Finding("tree", message, expected=_blob(stored["root"]).hex(), found=root.hex()))
            checked = tree.size
    beyond = [size for size in checkpoints if size > tree.size]
    if beyond:
        message = f"{max(beyond)} entries were signed, {tree.size} are there: the end of the log is missing"
        report.add(Finding("tree", message, tree.size))
    return edges


def _leaf(row: Row, report: Report) -> None:
    found = sha256(b"\x00" + _blob(row["bytes"])).digest()
    if found != row["hash"]:
        message = f"the bytes of entry {row['id']} are not those that were hashed"
        report.add(Finding("leaf_hash", message, row["idx"], row["id"], _blob(row["hash"]).hex(), found.hex()))


def _rows(row: Row, report: Report) -> int:
    """Compare the leaf with what repeats it; how many edges it has."""
    try:
        leaf = parse_leaf(_blob(row["bytes"]))
    except ValueError as error:
        message = f"the bytes of entry {row['id']} are no leaf of format v1: {error}"
        report.add(Finding("leaf_form", message, row["idx"], row["id"]))
        return len(json.loads(row["edges"]))
    repeated = (row["id"], row["project"], row["subject"], row["kind"])
    if repeated != (leaf.id, leaf.project, leaf.subject, leaf.kind):
        message = f"the row of entry {row['id']} says something else than its bytes"
        said = " ".join((leaf.id, leaf.project, leaf.subject, leaf.kind))
        report.add(Finding("leaf_rows", message, row["idx"], row["id"], said, " ".join(map(str, repeated))))
    edges = json.loads(row["edges"])
    wanted = [[place, leaf.subject, role, ref] for place, (role, ref) in enumerate(leaf.refs)]
    if edges != wanted:
        message = f"the edges of entry {row['id']} are not its refs"
        report.add(Finding("edges", message, row["idx"], row["id"], _short(wanted), _short(edges)))
    return len(edges)


def _orphans(state: State, edges: int, report: Report) -> None:
    """Edges of no leaf. The count is cheap and nearly always right; a daemon that writes meanwhile makes it differ."""
    if state.rows("edges_count")[0]["count"] == edges:
        return
    for row in state.rows("edges_orphaned", limit=100):
        message = f"an edge of no entry: {row['subject']} {row['role']} {row['ref']} (place {row['seq']})"
        report.add(Finding("edges", message))


def _stored(state: State, *, deep: bool) -> Iterator[Row]:
    name, seq = "entries_after_deep" if deep else "entries_after", 0
    while rows := state.rows(name, seq=seq, limit=BATCH):
        yield from rows
        seq = rows[-1]["seq"]


def _blob(value: object) -> bytes:
    """The stored bytes; of a value that a flipped bit has turned into another type, bytes that cannot be right."""
    return value if isinstance(value, bytes) else repr(value).encode()


def _short(edges: list[list[Any]]) -> str:
    return ", ".join(f"{edge[2]} {edge[3]}" for edge in edges) or "(none)"
