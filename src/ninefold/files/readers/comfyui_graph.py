"""ComfyUI's graphs: as the API takes them and as its editor saves them, in one form.

Format: https://docs.comfy.org/specs/workflow_json (nodes, links, subgraph definitions), and
`execution.py` of ComfyUI for the API's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ninefold.files.readers.comfyui_widgets import CONTROL_WIDGETS, WIDGETS
from ninefold.files.readers.values import as_list, as_text, as_whole, read_object

#: More nodes than that are not looked at.
MAX_NODES = 5_000
#: Deepest nesting of subgraphs, and nodes and links of all of them, written out.
_MAX_DEPTH, _MAX_PARTS = 8, 40_000
_MUTED, _BYPASSED = 2, 4


@dataclass(frozen=True)
class Link:
    """An output of another node, by its place."""

    node: str
    slot: int


@dataclass(frozen=True)
class Node:
    """A node: values and links by the names of its inputs."""

    id: str
    type: str
    inputs: Mapping[str, Any]
    title: str = ""
    #: Types of its outputs, where the file says them.
    outputs: Sequence[str] = ()

    def link(self, *names: str) -> Link | None:
        """The link at the first of these inputs that has one."""
        found = (self.inputs.get(name) for name in names)
        return next((item for item in found if isinstance(item, Link)), None)

    def links(self) -> Iterator[tuple[str, Link]]:
        """All inputs that are linked."""
        return ((name, item) for name, item in self.inputs.items() if isinstance(item, Link))


@dataclass
class Graph:
    """Nodes by their ids; links lead to nodes that are there."""

    nodes: dict[str, Node] = field(default_factory=dict)
    #: What could not be read of it, in sentences.
    problems: list[str] = field(default_factory=list)

    def node(self, link: Link | None) -> Node | None:
        """The node that a link leads to."""
        return None if link is None else self.nodes.get(link.node)

    def consumed(self) -> set[str]:
        """Ids of nodes whose outputs another takes."""
        return {link.node for node in self.nodes.values() for _, link in node.links()}


def read_api_graph(value: Mapping[str, Any]) -> Graph | None:
    """The graph that ran, `prompt` in files; None where it is none."""
    nodes = {str(key): read_object(item) for key, item in value.items()}
    nodes = {key: item for key, item in nodes.items() if isinstance(item.get("class_type"), str)}
    if not nodes:
        return None
    graph = Graph()
    if len(nodes) > MAX_NODES:
        graph.problems.append(f"a graph of {len(nodes):,} nodes, of which {MAX_NODES:,} were read")
    for key, item in list(nodes.items())[:MAX_NODES]:
        inputs = {str(name): _api_input(given, nodes) for name, given in _items(item.get("inputs"))}
        title = as_text(read_object(item.get("_meta")).get("title"))
        graph.nodes[key] = Node(key, item["class_type"], inputs, title)
    return graph


def _api_input(given: Any, nodes: Mapping[str, Any]) -> Any:
    if isinstance(given, list) and len(given) == 2 and isinstance(given[1], int):
        node = as_text(given[0])
        if node in nodes:
            return Link(node, given[1])
    if isinstance(given, Mapping) and set(given) == {"__value__"}:  # a list that is no link
        return given["__value__"]
    return given


def read_workflow(value: Mapping[str, Any]) -> Graph | None:
    """The graph of the editor, `workflow` in files; None where it is none.

    Subgraphs are written out, and nodes that are muted, bypassed or only pass on are left out.
    """
    if not isinstance(value.get("nodes"), list):
        return None
    definitions = {
        as_text(item.get("id")): item
        for item in map(
            read_object, as_list(read_object(value.get("definitions")).get("subgraphs"))
        )
    }
    flat = _Flattened(definitions)
    flat.add(value, "", {}, 0)
    if not flat.graph.nodes:
        return None
    flat.resolve()
    return flat.graph


class _Flattened:
    """A workflow on its way to a graph: raw nodes first, then links past what only passes on."""

    def __init__(self, definitions: Mapping[str, Mapping[str, Any]]) -> None:
        self.graph = Graph()
        self._definitions = definitions
        self._parts = 0
        #: What an output stands for: itself, another output or a value.
        self._stands_for: dict[Link, Any] = {}
        #: Values of nodes that hold one under a name (`SetNode`).
        self._named: dict[str, Any] = {}

    def add(
        self, level: Mapping[str, Any], prefix: str, outer: Mapping[int, Any], depth: int
    ) -> dict[int, Any]:
        """Add the nodes of one level; `outer` are the values of a subgraph's inputs. Returns those
        of its outputs."""
        nodes = as_list(level.get("nodes"))
        self._parts += len(nodes) + len(as_list(level.get("links")))
        if self._parts > _MAX_PARTS:
            self.graph.problems.append(f"subgraphs of more than {_MAX_PARTS:,} nodes and links")
            return {}
        links = _links(level)
        for item in map(read_object, nodes):
            if len(self.graph.nodes) >= MAX_NODES:
                self.graph.problems.append(f"a workflow of more than {MAX_NODES:,} nodes")
                break
            self._node(item, links, prefix, outer, depth)
        outputs: dict[int, Any] = {}
        for origin, slot, target, target_slot in _raw_links(level):
            if target == "-20":
                outputs[target_slot] = _source(origin, slot, prefix, outer)
        return outputs

    def _node(
        self,
        item: Mapping[str, Any],
        links: Mapping[int, tuple[str, int]],
        prefix: str,
        outer: Mapping[int, Any],
        depth: int,
    ) -> None:
        key, kind, mode = (
            prefix + as_text(item.get("id")),
            as_text(item.get("type")),
            item.get("mode"),
        )
        entries = [read_object(entry) for entry in as_list(item.get("inputs"))]
        linked: dict[str, Any] = {}
        for entry in entries:
            source = links.get(as_whole(entry.get("link")) or -1)
            if source is not None:
                linked[as_text(entry.get("name"))] = _source(*source, prefix, outer)
        outputs = [read_object(entry) for entry in as_list(item.get("outputs"))]
        if mode == _MUTED:
            return
        if mode == _BYPASSED:
            for slot, output in enumerate(outputs):
                same = (
                    linked[as_text(entry.get("name"))]
                    for entry in entries
                    if entry.get("type") == output.get("type")
                    and as_text(entry.get("name")) in linked
                )
                self._stands_for[Link(key, slot)] = next(same, None)
            return
        values = _widgets(kind, item.get("widgets_values"), entries)
        if kind in self._definitions and depth < _MAX_DEPTH:
            self._subgraph(key, kind, entries, {**values, **linked}, depth)
        elif kind == "Reroute":
            self._stands_for[Link(key, 0)] = next(iter(linked.values()), None)
        elif kind == "PrimitiveNode":
            self._stands_for[Link(key, 0)] = next(iter(values.values()), None)
        elif kind == "SetNode":
            self._named[next(map(as_text, values.values()), "")] = next(iter(linked.values()), None)
            self._stands_for[Link(key, 0)] = next(iter(linked.values()), None)
        elif kind == "GetNode":
            self._stands_for[Link(key, 0)] = _Named(next(map(as_text, values.values()), ""))
        elif kind not in ("Note", "MarkdownNote"):
            title = as_text(item.get("title"))
            types = [as_text(output.get("type")) for output in outputs]
            self.graph.nodes[key] = Node(key, kind, {**values, **linked}, title, types)

    def _subgraph(
        self,
        key: str,
        kind: str,
        entries: Sequence[Mapping[str, Any]],
        given: Mapping[str, Any],
        depth: int,
    ) -> None:
        definition = self._definitions[kind]
        names = [as_text(read_object(i).get("name")) for i in as_list(definition.get("inputs"))]
        names = names or [as_text(entry.get("name")) for entry in entries]
        outer = {slot: given[name] for slot, name in enumerate(names) if name in given}
        for slot, value in self.add(definition, f"{key}:", outer, depth + 1).items():
            self._stands_for[Link(key, slot)] = value

    def resolve(self) -> None:
        """Lead every link past what only passes on; one that ends nowhere is left out."""
        for key, node in self.graph.nodes.items():
            inputs = {name: self._resolved(value) for name, value in node.inputs.items()}
            kept = {name: value for name, value in inputs.items() if value is not None}
            self.graph.nodes[key] = Node(key, node.type, kept, node.title, node.outputs)

    def _resolved(self, value: Any) -> Any:
        seen = set[Any]()
        while isinstance(value, Link | _Named):
            if value in seen:  # they lead to each other
                return None
            seen.add(value)
            if isinstance(value, _Named):
                value = self._named.get(value.name)
            elif value in self._stands_for:
                value = self._stands_for[value]
            else:
                return value if value.node in self.graph.nodes else None
        return value


@dataclass(frozen=True)
class _Named:
    name: str


def _source(origin: str, slot: int, prefix: str, outer: Mapping[int, Any]) -> Any:
    """What a link brings; -10 is where a subgraph's inputs come in."""
    return outer.get(slot) if origin == "-10" else Link(prefix + origin, slot)


def _links(level: Mapping[str, Any]) -> dict[int, tuple[str, int]]:
    """The node and the slot that each link starts at, by its number."""
    found: dict[int, tuple[str, int]] = {}
    for item in as_list(level.get("links")):
        if isinstance(item, list) and len(item) >= 5:
            number, origin, slot = item[0], item[1], item[2]
        else:
            entry = read_object(item)
            number, origin, slot = (entry.get(n) for n in ("id", "origin_id", "origin_slot"))
        if (key := as_whole(number)) is not None:
            found[key] = as_text(origin), as_whole(slot) or 0
    return found


def _raw_links(level: Mapping[str, Any]) -> Iterator[tuple[str, int, str, int]]:
    """Where each link of a subgraph starts and ends."""
    for entry in map(read_object, as_list(level.get("links"))):
        yield (
            as_text(entry.get("origin_id")),
            as_whole(entry.get("origin_slot")) or 0,
            as_text(entry.get("target_id")),
            as_whole(entry.get("target_slot")) or 0,
        )


def _widgets(kind: str, values: Any, entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A node's own values by their names.

    Editors of late list the names beside the inputs; before, only the node's type tells them.
    """
    if isinstance(values, Mapping):
        return {str(key): item for key, item in values.items()}
    given = as_list(values)
    listed = [
        as_text(read_object(entry.get("widget")).get("name"))
        for entry in entries
        if entry.get("widget")
    ]
    names = WIDGETS.get(kind) or tuple(listed)
    found: dict[str, Any] = {}
    rest = iter(names)
    last = ""
    for number, value in enumerate(given):
        if "seed" in last and value in CONTROL_WIDGETS:
            last = ""
            continue
        last = next(rest, f"widget {number + 1}")
        found[last] = value
    return found


def _items(value: Any) -> Iterator[tuple[str, Any]]:
    yield from read_object(value).items()
