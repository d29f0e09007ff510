# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: D103
"""Check a report of Colonnade without trusting who wrote it: standard library only, no network, nothing installed.

    python3 -I verify_report.py REPORT.json --key KEY [--log EVIDENCE] [--json]

`verify.py` of an exported log (`colonnade verify --export EVIDENCE`) must lie beside this file, or in EVIDENCE: the
arithmetic of signatures and trees is there. KEY is the log's verifier key, from elsewhere than the report.

0: every number follows from entries that the log's key signed. 1: not, with the statement. 2: it cannot be checked.

Of each measured statement is checked that its entries stand in the signed tree, that they are entries of its rule, that
its value follows from them, or that what was opened is what they commit to and has that value. The seal shows that not
a letter of the report was changed since its owner wrote it. With --log, entries are counted again in the whole log, so
that none was left out. Not checked, because nothing here can: what is declared, and whether what was said to the log
was true.

This file is a copy of `colonnade/govern/reports/standalone.py`. How a value follows from entries it knows by itself.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import hmac
import importlib.util
import json
import os
import sys
from collections.abc import Mapping
from typing import Any

REPORT = "/report"
"""After the log's name, in the seal of a report."""


def load_tree(folders: list[str]) -> Any:
    """verify.py: within the package, or from a folder."""
    try:
        from colonnade.govern.ledger import standalone

        return standalone
    except ImportError:
        pass
    for folder in folders:
        path = os.path.join(folder, "verify.py")
        if os.path.isfile(path):
            spec = importlib.util.spec_from_file_location("colonnade_verify", path)
            if spec is not None and spec.loader is not None:
                module = importlib.util.module_from_spec(spec)
                spec.loader.exec_module(module)
                return module
    raise SystemExit("verify_report.py: verify.py of an exported log must lie beside this file")


class Wrong(Exception):
    """A statement does not hold."""


def sealed_bytes(document: Mapping[str, Any]) -> bytes:
    """All of a report but its seal, in one spelling."""
    kept = {name: value for name, value in document.items() if name != "seal"}
    return json.dumps(kept, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def included(tree: Any, one: Mapping[str, Any], size: int, root: bytes) -> dict[str, Any]:
    """The entry of an evidence, once its audit path leads to the root (RFC 9162, 2.1.3.2)."""
    data = one["leaf"].encode()
    here = tree.leaf_hash(data)
    if here.hex() != one["leaf_hash"]:
        raise Wrong(f"the bytes of entry {one['entry']} are not those that were hashed")
    if one["size"] != size or one["root"] != root.hex():
        raise Wrong(f"the proof of entry {one['entry']} is for another tree than the checkpoint's")
    at, last = one["index"], size - 1
    if not isinstance(at, int) or not 0 <= at <= last:
        raise Wrong(f"entry {one['entry']} lies outside of the tree")
    for said in one["proof"]:
        sibling = bytes.fromhex(said)
        if last == 0 or len(sibling) != 32:
            raise Wrong(f"the proof of entry {one['entry']} is none for its place")
        if at & 1 or at == last:
            here = tree.node_hash(sibling, here)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            here = tree.node_hash(here, sibling)
        at, last = at >> 1, last >> 1
    if last or here != root:
        raise Wrong(f"the proof of entry {one['entry']} does not lead to the signed root")
    leaf: dict[str, Any] = json.loads(data)
    if leaf["id"] != one["entry"]:
        raise Wrong(f"entry {one['entry']} calls itself {leaf['id']}")
    return leaf


def counts(leaf: Mapping[str, Any], where: Mapping[str, Any], sets: Mapping[str, Any]) -> bool:
    """Whether an entry is one that the rule counts."""

    def fits(value: Any, wanted: Any) -> bool:
        if isinstance(wanted, str) and wanted[:1] == "@":
            wanted = sets[wanted[1:]]
        return value in wanted if isinstance(wanted, (list, set, frozenset)) else value == wanted

    if any(not fits(leaf[name], where[name]) for name in ("kind", "subject", "id") if name in where):
        return False
    if any(not fits(leaf.get("is", {}).get(name), wanted) for name, wanted in where.get("is", {}).items()):
        return False
    return all(
        any(name == role and fits(ref, wanted) for name, ref in leaf.get("refs", []))
        for role, wanted in where.get("refs", {}).items()
    )


def field(leaf: Mapping[str, Any], of: str) -> Any:
    name, _, key = of.partition(".")
    if name == "refs":
        return next((ref for role, ref in leaf.get("refs", []) if role == key), None)
    return leaf.get(name, {}).get(key) if key else leaf.get(name)


def follows(leaves: list[dict[str, Any]], rule: Mapping[str, Any]) -> Any:
    """The value that entries give."""
    if rule["take"] == "count":
        return len(leaves)
    found = [value for value in (field(leaf, rule["of"]) for leaf in leaves) if value is not None]
    if rule["take"] == "first":
        return found[0] if found else None
    if rule["take"] == "last":
        return found[-1] if found else None
    if rule["take"] == "tally":
        return {value: found.count(value) for value in set(found)}
    if rule["take"] == "distinct":
        return len(set(found))
    return sum(found) if rule["take"] == "sum" else found


def opened(leaf: Mapping[str, Any], said: Mapping[str, Any], openings: Mapping[str, Any]) -> Any:
    """The value at the end of a way through openings, each checked against what is before it."""
    anchor, name = said["anchor"]
    wanted: Any = None
    value: Any = None
    for place, step in enumerate(said["way"]):
        one = openings[step["opening"]]
        if place == 0 and anchor == "mac":
            mac = base64.b64decode(leaf["mac"][name][1])
            text = one["value"]
            found = hmac.new(base64.b64decode(one["key"]), text.encode(), "sha256").digest()
            if one["type"] != "mac" or one["entry"] != leaf["id"] or one["field"] != name or found != mac:
                raise Wrong(f"what was opened as {name!r} is not what entry {leaf['id']} was made of")
            value = json.loads(text) if text[:1] in ("[", "{") else text
        else:
            digest = "sha256:" + hashlib.sha256(one["manifest"].encode()).hexdigest()
            good = any([role, ref] == [name, digest] for role, ref in leaf["refs"]) if place == 0 else digest == wanted
            if one["type"] != "folder" or not good:
                raise Wrong(f"the manifest {step['opening'][:19]} is not the one that entry {leaf['id']} leads to")
            value = json.loads(one["manifest"])
        for key in step["path"]:
            value = len(value) if key == "#" else value[key]
        wanted = value
    return value


def statement(tree: Any, one: Mapping[str, Any], document: Mapping[str, Any], size: int, root: bytes) -> bool:
    """Raises Wrong. Whether all that it says was shown here: of very many entries, only the log shows the number."""
    leaves = [included(tree, each, size, root) for each in one["evidence"]]
    if one["kind"] == "missing":
        if leaves or one["value"] is not None:
            raise Wrong("it is missing, and has a value")
        return True
    if not leaves or one["kind"] not in ("measured", "declared"):
        raise Wrong("nothing shows it")
    if "opened" in one:
        if opened(leaves[0], one["opened"], document["openings"]) != one["value"]:
            raise Wrong("the value is not the one that was opened")
        return True
    rule = one["rule"]
    if rule["take"] == "size":
        if one["value"] != size:
            raise Wrong(f"the checkpoint covers {size} entries")
        return True
    if one["evidence_of"] == 0:
        if one["value"] not in (0, [], {}):
            raise Wrong("no entry shows it")
        return False
    if not all(counts(leaf, rule["where"], document["sets"]) for leaf in leaves):
        raise Wrong("an entry is none that its rule counts")
    places = [each["index"] for each in one["evidence"]]
    if places != sorted(set(places)):
        raise Wrong("an entry is listed twice, or out of order")
    if len(leaves) != one["evidence_of"]:
        return False
    if follows(leaves, rule) != one["value"]:
        raise Wrong(f"its entries give {follows(leaves, rule)!r}, not {one['value']!r}")
    return "id" in rule["where"]


def in_log(tree: Any, folder: str, document: Mapping[str, Any], key: Any) -> dict[str, Any]:
    """Statement -> its value, counted again in an exported log, which is checked first. Raises Wrong."""
    report = tree.verify(folder, key, [])
    size = document["checkpoint"]["size"]
    if not report["intact"] or report["entries"] < size:
        raise Wrong("the log in --log is not intact, or shorter than the report's checkpoint")
    sets = {name: frozenset(ids) for name, ids in document["sets"].items()}
    rules = [one for one in document["statements"] if one["kind"] == "measured" and "where" in one.get("rule", {})]
    kinds: dict[str, list[Any]] = {}
    for one in rules:
        kinds.setdefault(one["rule"]["where"]["kind"], []).append(one)
    found: dict[str, list[dict[str, Any]]] = {one["id"]: [] for one in rules}
    hashes: list[bytes] = []
    for index in range(-(-report["entries"] // tree.WIDTH)):
        width = min(tree.WIDTH, report["entries"] - index * tree.WIDTH)
        known = tree.hashes_of(folder, 0, index, width)
        for place, data in enumerate(tree.entries_of(folder, index, width)):
            at = index * tree.WIDTH + place
            if at >= size:
                break
            tree.push(hashes, at, known[place])
            leaf = json.loads(data) if data else {}
            for one in kinds.get(leaf.get("kind", ""), ()):
                if counts(leaf, one["rule"]["where"], sets):
                    found[one["id"]].append(leaf)
    if tree.root_of(hashes).hex() != document["checkpoint"]["root"]:
        raise Wrong("the log in --log is another one than the report's")
    ends = {"first": slice(0, 1), "last": slice(-1, None)}
    every = slice(0, None)
    return {one["id"]: follows(found[one["id"]][ends.get(one["rule"]["take"], every)], one["rule"]) for one in rules}


def check(document: Mapping[str, Any], said_key: str, folder: str = "") -> dict[str, Any]:
    """The findings, as a document."""
    tree = load_tree([os.path.dirname(os.path.abspath(__file__)), folder])
    key = tree.read_key(said_key)
    wrong: list[dict[str, Any]] = []
    partly: list[str] = []
    good = {"measured": 0, "declared": 0, "missing": 0}
    try:
        size, root = tree.checkpoint(document["checkpoint"]["note"], key, "the checkpoint")
        if (size, root.hex()) != (document["checkpoint"]["size"], document["checkpoint"]["root"]):
            raise Wrong("the signed checkpoint says something else than the report")
        try:
            seal(tree, document, key)
        except (Wrong, KeyError, TypeError, ValueError, AttributeError) as error:
            wrong.append({"statement": None, "message": str(error)})
        again = in_log(tree, folder, document, key) if folder else {}
        for one in document["statements"]:
            try:
                whole = statement(tree, one, document, size, root)
                if one["id"] in again and again[one["id"]] != one["value"]:
                    raise Wrong(f"the log gives {again[one['id']]!r}, not {one['value']!r}")
                partly += [] if whole or one["id"] in again else [one["id"]]
                good[one["kind"]] += 1
            except (Wrong, KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
                why = str(error) if isinstance(error, Wrong) else f"it cannot be read: {error!r}"
                wrong.append({"statement": one.get("id"), "message": why})
    except (Wrong, tree.Wrong, KeyError, TypeError, ValueError, AttributeError) as error:
        wrong.append({"statement": None, "message": str(error) or repr(error)})
    return {
        "schema": "colonnade.report_check/1", "holds": not wrong, "origin": key[0], **good, "needs_log": partly,
        "findings": wrong,
    }  # fmt: skip


def seal(tree: Any, document: Mapping[str, Any], key: Any) -> None:
    """The signature under the whole report. Raises Wrong."""
    name, ident, public = key
    text, _, tail = document["seal"].rpartition("\n\n")
    text += "\n"
    lines = text.split("\n")
    blob = base64.b64decode(tail.strip().rpartition(" ")[2])
    digest = base64.b64encode(hashlib.sha256(sealed_bytes(document)).digest()).decode()
    if blob[:4] != ident or not tree.holds(public, text.encode(), blob[4:]):
        raise Wrong("the report is not sealed by the log's key")
    if lines[:3] != [name + REPORT, str(document["checkpoint"]["size"]), digest]:
        raise Wrong("the report was changed after it was sealed")


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("report", metavar="REPORT.json")
    parser.add_argument("--key", required=True)
    parser.add_argument("--log", default="", metavar="EVIDENCE")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    try:
        with open(asked.report, encoding="utf-8") as file:
            document = json.load(file)
    except (OSError, ValueError) as error:
        parser.error(f"{asked.report} cannot be read: {error}")
    found = check(document, asked.key, asked.log)
    print(json.dumps(found) if asked.json else words(found))
    return 0 if found["holds"] else 1


def words(found: Mapping[str, Any]) -> str:
    """For people."""
    lines = [f"log         {found['origin']}"]
    lines.append(f"statements  {found['measured']} measured and proved, {found['declared']} declared, "
                 f"{found['missing']} missing")  # fmt: skip
    if found["needs_log"]:
        lines.append(
            f"            of {len(found['needs_log'])} only the whole log shows that no entry was left out (--log)"
        )
    lines += [f"WRONG       {one['statement'] or 'the report'}: {one['message']}" for one in found["findings"]]
    return "\n".join([*lines, "it holds" if found["holds"] else "IT DOES NOT HOLD"])


if __name__ == "__main__":
    sys.exit(main())
