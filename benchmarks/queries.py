"""Questions to a large profile: the database's filters against loading every node, side by side.

python benchmarks/queries.py --nodes 100000
python benchmarks/queries.py --nodes 100000 --profile NAME   # an empty profile, e.g. of PostgreSQL

Without --profile a temporary one of SQLite is made and removed.
"""

import argparse
import contextlib
import os
import random
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from typing import Any

MEMBERS = ("seed_1", "seed_2", "seed_3", "seed_4")
LEVELS = ("PBE", "PBE-D3", "EAM/Mishin2001")
ELEMENTS = ("Cu", "Ag", "Au")
#: Nodes of one study as `study` writes them.
STUDY = 200


class Filler:
    """Rows for nodes and links, stored in bulk: whole studies, one like another."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.nodes: list[dict[str, Any]] = []
        self.links: list[tuple[int, int, str, str]] = []

    def node(
        self, node_type: str, attributes: dict[str, Any], process_type: str | None = None
    ) -> int:
        """Add a node; returns its row."""
        self.nodes.append(
            {
                "uuid": str(uuid.UUID(int=self.random.getrandbits(128), version=4)),
                "node_type": node_type,
                "process_type": process_type,
                "attributes": attributes,
            }
        )
        return len(self.nodes) - 1

    def link(self, source: int, target: int, kind: str, label: str) -> None:
        """Join two nodes."""
        self.links.append((source, target, kind, label))

    def frames(self, element: str, level: str, sizes: list[int], count: int) -> int:
        """Add a set of frames, without labels where the level is empty."""
        labelled = level != ""
        lowest = (
            {f"{element}{n}": -3.5 * n + self.random.random() for n in sizes} if labelled else {}
        )
        return self.node(
            "data.nanoclusters.frames.FramesData.",
            {
                "n_frames": count,
                "n_atoms": count * max(sizes),
                "n_labelled": count if labelled else 0,
                "sizes": sorted(sizes),
                "elements": [element],
                "config_types": ["cluster"],
                "level_of_theory": level,
                "atom_energies": {element: 0.0} if labelled else {},
                "lowest_energies": lowest,
            },
        )

    def potential(self, element: str, level: str, kind: str, training: int) -> int:
        """Add a potential trained on those frames."""
        return self.node(
            "data.nanoclusters.potential.PotentialData.",
            {
                "kind": kind,
                "elements": [element],
                "cutoff": 5.5,
                "level_of_theory": level,
                "atom_energies": {element: 0.0},
                "parameters": {},
                "training_set": self.nodes[training]["uuid"],
                "machine": {},
            },
        )

    def process(self, base: str, name: str, label: str) -> int:
        """Add a process that has finished."""
        group = "workflows" if base == "workflow.workchain.WorkChainNode." else "calculations"
        entry = f"aiida.{group}:nanoclusters.{name}" if name else None
        return self.node(
            f"process.{base}",
            {"process_label": label, "process_state": "finished", "exit_status": 0, "sealed": True},
            entry,
        )

    def study(self) -> None:
        """One study: frames, a labelling, a committee, many jobs of LAMMPS, an answer."""
        chain, job = "workflow.workchain.WorkChainNode.", "calculation.calcjob.CalcJobNode."
        element, level = self.random.choice(ELEMENTS), self.random.choice(LEVELS)
        first = len(self.nodes)
        bare = self.frames(element, "", sorted(self.random.sample(range(3, 150), 12)), 400)
        label = self.process(chain, "label", "LabelWorkChain")
        labelled = self.frames(element, level, self.nodes[bare]["attributes"]["sizes"], 400)
        self.link(bare, label, "input_work", "frames")
        self.link(label, labelled, "return", "frames")
        evaluate = self.process(job, "evaluate", "EvaluateCalculation")
        self.link(bare, evaluate, "input_calc", "frames")
        self.link(label, evaluate, "call_calc", "CALL")
        self.link(evaluate, labelled, "create", "labelled__reference")
        train = self.process(chain, "train", "TrainWorkChain")
        self.link(labelled, train, "input_work", "training")
        members = {}
        errors: dict[str, Any] = {}
        for name in MEMBERS:
            run = self.process(job, "train", "TrainCalculation")
            self.link(labelled, run, "input_calc", "training")
            self.link(train, run, "call_calc", name)
            members[name] = self.potential(element, level, "allegro", labelled)
            self.link(run, members[name], "create", "potential")
            self.link(train, members[name], "return", f"potentials__{name}")
            rows = {"energy_rmse": self.random.uniform(1, 50), "forces_rmse": 40.0}
            errors[name] = {"overall": rows}
        returned = self.node("data.core.dict.Dict.", {"sets": {"test": {"members": errors}}})
        self.link(train, returned, "return", "errors")
        search = self.process(chain, "crossover", "CrossoverWorkChain")
        symbol = self.node("data.core.str.Str.", {"value": element})
        self.link(symbol, search, "input_work", "element")
        for name, member in members.items():
            self.link(member, search, "input_work", f"potentials__{name}")
        member = members[MEMBERS[0]]
        joined = self.process("calculation.calcfunction.CalcFunctionNode.", "", "answer_crossover")
        while len(self.nodes) < first + STUDY - 2:
            run = self.process(job, "lammps", "LammpsCalculation")
            ends = self.frames(element, level, sorted(self.random.sample(range(13, 3000), 4)), 4)
            self.link(member, run, "input_calc", "potential")
            self.link(search, run, "call_calc", "CALL")
            self.link(run, ends, "create", "structures")
            self.link(ends, joined, "input_calc", f"ended_{ends}")
        size = self.random.uniform(300, 3000)
        answer = self.node(
            "data.core.dict.Dict.",
            {
                "verdict": "crossing", "size": size, "low": 0.8 * size, "high": 1.2 * size,
                "confidence": 0.9, "diameter_nm": 2.0, "sentence": "",
            },
        )  # fmt: skip
        self.link(joined, answer, "create", "answer")
        self.link(search, answer, "return", "answer")

    def store(self) -> list[int]:
        """Insert everything; returns the pks in the order of the rows."""
        from aiida.manage import get_manager
        from aiida.orm import User
        from aiida.orm.entities import EntityTypes

        backend, now = get_manager().get_profile_storage(), datetime.now(timezone.utc)
        user = User.collection.get_default().pk
        rows = [
            {
                **row, "label": "", "description": "", "ctime": now, "mtime": now, "extras": {},
                "repository_metadata": {}, "dbcomputer_id": None, "user_id": user,
            }
            for row in self.nodes
        ]  # fmt: skip
        pks: list[int] = []
        with backend.transaction():
            for start in range(0, len(rows), 5000):
                pks += backend.bulk_insert(
                    EntityTypes.NODE, rows[start : start + 5000], allow_defaults=True
                )
            links = [
                {"input_id": pks[a], "output_id": pks[b], "type": kind, "label": label}
                for a, b, kind, label in self.links
            ]
            for start in range(0, len(links), 5000):
                backend.bulk_insert(EntityTypes.LINK, links[start : start + 5000])
        return pks


def every_node(kind: type) -> Iterator[Any]:
    """The naive way: load all nodes of a class and look at each."""
    from aiida.orm import QueryBuilder

    return (node for (node,) in QueryBuilder().append(kind).iterall())


def naive_datasets(element: str, level: str | None, low: int, high: int) -> list[str]:
    from aiida_nanoclusters.data.frames import FramesData

    return [
        node.uuid
        for node in every_node(FramesData)
        if element in node.elements
        and level in (None, node.level_of_theory)
        and any(low <= n <= high for n in node.sizes)
    ]


def naive_potentials() -> list[str]:
    from aiida_nanoclusters.data.potential import PotentialData

    found = []
    for node in every_node(PotentialData):
        for link in node.base.links.get_incoming(link_label_filter="potentials__%").all():
            errors = link.node.outputs.errors["sets"]["test"]["members"]
            key = link.link_label.split("__")[1]
            if errors[key]["overall"]["energy_rmse"] <= 2.0:
                found.append(node.uuid)
    return found


def naive_structures(formula: str, level: str) -> list[str]:
    from aiida_nanoclusters.data.frames import FramesData

    energies = {
        node.uuid: node.base.attributes.get("lowest_energies")[formula]
        for node in every_node(FramesData)
        if node.level_of_theory == level and formula in node.base.attributes.get("lowest_energies")
    }
    return [min(energies, key=lambda key: energies[key])]


def naive_crossovers(element: str) -> list[str]:
    from aiida.orm import WorkChainNode

    return [
        node.outputs.answer.uuid
        for node in every_node(WorkChainNode)
        if node.process_label == "CrossoverWorkChain" and node.inputs.element.value == element
    ]


def naive_dependents(start: Any) -> set[str]:
    """Walk from node to node by their links."""
    from aiida.common.links import LinkType

    found: dict[str, Any] = {}
    waiting = [start]
    while waiting:
        for link in waiting.pop().base.links.get_outgoing(
            link_type=(LinkType.INPUT_CALC, LinkType.CREATE)
        ):
            if link.node.uuid not in found:
                found[link.node.uuid] = link.node
                waiting.append(link.node)
    return set(found)


def clock(function: Callable[[], Any], repeats: int = 1) -> tuple[float, Any]:
    best, result = float("inf"), None
    for _ in range(repeats):
        start = time.perf_counter()
        result = function()
        best = min(best, time.perf_counter() - start)
    return best, result


def lowest(formula: str, level: str) -> list[str]:
    """The database's part of `find_structures`: these nodes have no files to read."""
    from aiida.orm import load_node

    from aiida_nanoclusters.queries import structures

    rows = sorted(structures._rows(formula, level, None))
    return [load_node(row[2]).uuid for row in rows[:1]]


def questions(labels: str) -> list[tuple[str, Callable[[], Any], Callable[[], Any]]]:
    """Name, question and naive loop; asked is for what the label set `labels` is made of."""
    from aiida.orm import load_node

    from aiida_nanoclusters import queries

    start = load_node(labels)
    (element,), level, size = start.elements, start.level_of_theory, start.sizes[0]
    formula = f"{element}{size}"
    return [
        (
            f"data sets of {element} with {size} atoms at {level}",
            lambda: queries.find_datasets(elements=[element], sizes=size, level=level),
            lambda: naive_datasets(element, level, size, size),
        ),
        (
            f"data sets of {element} with 140 to 150 atoms",
            lambda: queries.find_datasets(elements=[element], sizes=(140, 150)),
            lambda: naive_datasets(element, None, 140, 150),
        ),
        (
            "potentials with an error below 2 meV/atom",
            lambda: queries.find_potentials(max_energy_rmse=2.0),
            naive_potentials,
        ),
        (
            f"lowest {formula} at {level}",
            lambda: lowest(formula, level),
            lambda: naive_structures(formula, level),
        ),
        (
            f"crossovers of {element}",
            lambda: queries.find_crossovers(element=element),
            lambda: naive_crossovers(element),
        ),
        (
            "all that rests on one label set",
            lambda: [
                found
                for found in queries.find_dependents(start, everything=True)
                if not found.kind.endswith("WorkChain")
            ],
            lambda: naive_dependents(start),
        ),
    ]


def uuids(found: Any) -> set[str]:
    return {item if isinstance(item, str) else item.uuid for item in found}


@contextlib.contextmanager
def profile(name: str | None) -> Iterator[None]:
    """The profile to fill; a temporary one of SQLite where none is named."""
    from aiida import load_profile

    if name is not None:
        load_profile(name)
        yield
        return
    from aiida.manage.configuration import create_profile, get_config

    with tempfile.TemporaryDirectory() as folder:
        config = get_config(create=True)
        storage = {"filepath": folder}
        create_profile(
            config, name="benchmark", storage_backend="core.sqlite_dos", storage_config=storage,
            email="benchmark@localhost", broker_backend=None, broker_config=None,
        )  # fmt: skip
        load_profile("benchmark", allow_switch=True)
        yield


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nodes", type=int, default=100_000)
    parser.add_argument("--profile", help="an empty profile to fill")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as configuration:
        if options.profile is None:
            os.environ["AIIDA_PATH"] = configuration
        with profile(options.profile):
            run(options.nodes)


def run(count: int) -> None:
    from aiida.manage import get_manager
    from aiida.orm import Node, QueryBuilder

    if QueryBuilder().append(Node).count():
        raise SystemExit("the profile holds nodes already: give an empty one")
    filler = Filler(seed=1)
    while len(filler.nodes) < count:
        filler.study()
    seconds, _ = clock(filler.store)
    storage = type(get_manager().get_profile_storage()).__name__
    size = f"{len(filler.nodes)} nodes, {len(filler.links)} links"
    print(f"{storage}: {size}, stored in {seconds:.0f} s")
    print(f"{'question':46}{'found':>7}{'query (s)':>11}{'loop (s)':>10}{'ratio':>8}", flush=True)
    for name, ask, loop in questions(filler.nodes[2]["uuid"]):
        fast, answer = clock(ask, repeats=3)
        slow, expected = clock(loop)
        if uuids(answer) != uuids(expected):
            raise SystemExit(f"{name}: the two answers differ")
        numbers = f"{len(uuids(answer)):7d}{fast:11.3f}{slow:10.2f}{slow / fast:8.0f}"
        print(f"{name:46}{numbers}", flush=True)


if __name__ == "__main__":
    main()
