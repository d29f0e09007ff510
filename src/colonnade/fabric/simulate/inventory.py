# SPDX-License-Identifier: Apache-2.0
"""Nodes to simulate: from the rows of a file, from `simulated://4x8xH100-80GB`, and more of them for a what-if.

Opens no file. Nodes come out in an order that hangs on what they are, not on their names or on the file's order: equal
nodes are the same to every policy, so a shuffled file gives the same result.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import parse_qsl

from colonnade.core.claims import ISOLATIONS
from colonnade.core.errors import UsageError
from colonnade.fabric.placement.cluster import DeviceSpec, NodeSpec
from colonnade.fabric.simulate.rows import Row

NODE_COLUMNS = ("sn or name", "cpu_milli", "memory_mib", "gpu", "model")
"""What a node file must have. It may also have `count` (so many alike), `gpu_mib` and `isolation`."""
SCHEME = "simulated://"
CPU_MILLI_EACH, MEMORY_MIB_EACH = 14_000, 262_144
"""Of the node for each device when not said: an HGX H100 with 112 cores and 2 TiB has so much for each of its eight."""
MOST_NODES = 100_000
_FORM = re.compile(r"(?:(?P<nodes>\d+)x)?(?P<gpus>\d+)x(?P<model>[A-Za-z][\w.-]*?)(?:\*(?P<times>\d+))?")
_GB = re.compile(r"-(\d+)GB\b")


def nodes_of(rows: Iterable[Row]) -> list[NodeSpec]:
    """One node for each row, or `count` of them, in canonical order.

    Raises:
        UsageError: a cell that is no such number, a name twice, devices without a model.
    """
    nodes: list[NodeSpec] = []
    names: dict[str, int] = {}
    for row in rows:
        name = row.text("sn", "name")
        if not name:
            raise row.wrong("the node has no name", hint="fill sn (or name)")
        if name in names:
            raise row.wrong(f"node {name} stands on line {names[name]} already", hint="names are unique")
        names[name] = row.line
        count = row.whole("count", least=1, default=1)
        if len(nodes) + count > MOST_NODES:
            raise row.wrong(f"more than {MOST_NODES:,} nodes", hint="simulate a part of the cluster")
        made = _node(row, name)
        nodes += [made] if count == 1 else [_named(made, f"{name}-{n}") for n in range(count)]
    return canonical(nodes)


def _node(row: Row, name: str) -> NodeSpec:
    gpus = row.whole("gpu")
    model, isolation = row.text("model"), row.text("isolation") or "none"
    if gpus and not model:
        raise row.wrong(f"node {name} has {gpus} GPUs of no model", hint="fill model, for example H100-80GB")
    if isolation not in ISOLATIONS:
        raise row.wrong(f"isolation: there is no {isolation!r}", hint=f"one of {', '.join(ISOLATIONS)}")
    device = DeviceSpec(model, row.whole("gpu_mib", default=memory_of(model)), isolation)
    return NodeSpec(name, row.whole("cpu_milli"), row.whole("memory_mib"), (device,) * gpus)


def simulated(url: str) -> list[NodeSpec]:
    """The nodes of `simulated://8xH100-80GB` (one node) or `simulated://4x8xH100-80GB` (four).

    `?cpu_milli=`, `?memory_mib=` (of a node) and `?isolation=` may follow.

    >>> [(n.name, len(n.devices), n.cpu_milli) for n in simulated("simulated://2x8xH100-80GB")]
    [('simulated-0', 8, 112000), ('simulated-1', 8, 112000)]

    Raises:
        UsageError: it has another form.
    """
    form, _, query = url.removeprefix(SCHEME).partition("?")
    options = dict(parse_qsl(query, keep_blank_values=True))
    unknown = sorted(set(options) - {"cpu_milli", "memory_mib", "isolation"})
    if unknown:
        raise UsageError(f"{url}: there is no {unknown[0]}", hint="?cpu_milli=, ?memory_mib= and ?isolation= exist")
    return _built(form, "simulated", Row(url, 1, options))


def more_nodes(form: str) -> list[NodeSpec]:
    """The nodes of `--add-nodes 4x8xH100-80GB`: four nodes with eight devices each.

    >>> [len(n.devices) for n in more_nodes("4x8xH100-80GB")], [len(n.devices) for n in more_nodes("4xH100-80GB*8")]
    ([8, 8, 8, 8], [8, 8, 8, 8])

    Raises:
        UsageError: it has another form.
    """
    return _built(form, "added", Row(f"--add-nodes {form}", 1, {}))


def _built(form: str, name: str, options: Row) -> list[NodeSpec]:
    found = _FORM.fullmatch(form)
    if found is None:
        raise UsageError(
            f"{options.source}: {form!r} is not NODESxDEVICESxMODEL",
            hint="for example 8xH100-80GB (one node), 4x8xH100-80GB or 4xH100-80GB*8 (four nodes of eight)",
        )
    first, second, times = found["nodes"], found["gpus"], found["times"]
    if first and times:
        raise UsageError(f"{options.source}: the devices of a node are said twice", hint="for example 4x8xH100-80GB")
    nodes, gpus = (int(second), int(times)) if times else (int(first or 1), int(second))
    if not 1 <= nodes <= MOST_NODES or not 1 <= gpus <= 64:
        raise UsageError(f"{options.source}: 1 to {MOST_NODES:,} nodes of 1 to 64 devices", hint="for example 4x8xH100")
    device = DeviceSpec(found["model"], memory_of(found["model"]), options.text("isolation") or "none")
    if device.isolation not in ISOLATIONS:
        raise UsageError(f"{options.source}: isolation={device.isolation}", hint=f"one of {', '.join(ISOLATIONS)}")
    cpu_milli = options.whole("cpu_milli", default=CPU_MILLI_EACH * gpus)
    memory_mib = options.whole("memory_mib", default=MEMORY_MIB_EACH * gpus)
    return [NodeSpec(f"{name}-{n}", cpu_milli, memory_mib, (device,) * gpus) for n in range(nodes)]


def memory_of(model: str) -> int:
    """MiB of a device whose model says them, as "H100-80GB" does; else 0 (not counted).

    >>> memory_of("H100-80GB"), memory_of("T4")
    (81920, 0)
    """
    found = _GB.search(model)
    return int(found[1]) * 1024 if found else 0


def canonical(nodes: Iterable[NodeSpec]) -> list[NodeSpec]:
    """The nodes ordered by what they are. Only equal nodes keep the order in which they came.

    >>> a, b = NodeSpec("z", 8, 1), NodeSpec("a", 4, 1)
    >>> [n.name for n in canonical([a, b])], [n.name for n in canonical([b, a])]
    (['a', 'z'], ['a', 'z'])
    """
    return sorted(nodes, key=_content)


def _content(node: NodeSpec) -> tuple[object, ...]:
    devices = tuple((d.model, d.memory_mib, d.isolation) for d in node.devices)
    return (node.cpu_milli, node.memory_mib, devices)


def _named(node: NodeSpec, name: str) -> NodeSpec:
    return NodeSpec(name, node.cpu_milli, node.memory_mib, node.devices)
