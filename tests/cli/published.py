"""A small study of real provenance, and commands run on it, for tests of publish and import."""

import json
import subprocess

import ase.io
from ase.calculators.emt import EMT
from ase.cluster import Icosahedron
from click.testing import CliRunner

from aiida_nanoclusters.cli.imports.command import import_command, trust_command
from aiida_nanoclusters.cli.publish.command import publish

#: Prints UUID -> what makes a node what it is, of a whole profile.
CONTENT = """
import hashlib, json
from aiida.manage.configuration import load_profile
load_profile()
from aiida.orm import Data, Node, QueryBuilder
found = {}
for node in QueryBuilder().append(Node).all(flat=True):
    files = {}
    for root, _, names in node.base.repository.walk():
        for name in names:
            content = node.base.repository.get_object_content(str(root / name), "rb")
            files[str(root / name)] = hashlib.sha256(content).hexdigest()
    links = node.base.links.get_incoming().all()
    found[node.uuid] = [
        node.node_type, node.base.attributes.all, files, node.label,
        sorted([link.node.uuid, link.link_label] for link in links),
        node.base.caching.compute_hash() if isinstance(node, Data) else None,
    ]
print("CONTENT", json.dumps(found, sort_keys=True))
"""


def run(command, *arguments) -> tuple[int, str]:
    done = CliRunner().invoke(command, [str(a) for a in arguments])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, " ".join(done.output.split())


def run_publish(*arguments) -> tuple[int, str]:
    return run(publish, "--author", "Ada Lovelace", *arguments)


def run_import(*arguments) -> tuple[int, str]:
    return run(import_command, *arguments)


def run_trust(*arguments) -> tuple[int, str]:
    return run(trust_command, *arguments)


def content_here() -> dict:
    """What the loaded profile holds, as :data:`CONTENT` tells it."""
    lines = []
    source = CONTENT.replace("load_profile()", "", 1).replace("\nload_profile()", "")
    source = source.replace("from aiida.manage.configuration import load_profile", "")
    exec(source, {"print": lambda *a: lines.append(a[1])})
    return json.loads(lines[0])


def content_of(home) -> dict:
    """What the profile of another AiiDA folder holds."""
    (home.path / "content.py").write_text(CONTENT)
    done: subprocess.CompletedProcess = home.run("aiida", "run", str(home.path / "content.py"))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.split("CONTENT", 1)[1])


def make_study(folder):
    """Labels of EMT, imported, then compared by size; the frames, and the comparison's process."""
    from aiida.orm import Dict, SinglefileData, Str

    from aiida_nanoclusters.calculations.frames import import_frames
    from aiida_nanoclusters.calculations.stability.size_scan import compare_sizes

    images = []
    for n in range(12, 20):
        atoms = Icosahedron("Cu", 3)[:n]
        atoms.set_tags(0)
        atoms.rattle(0.05, seed=n)
        atoms.info["config_type"] = "cluster"
        atoms.calc = EMT()
        atoms.get_forces()
        images.append(atoms)
    ase.io.write(folder / "labels.extxyz", images, format="extxyz")
    frames = import_frames(SinglefileData(folder / "labels.extxyz"), Str("EMT"), Dict({"Cu": 3.52}))
    compared = compare_sizes(Str("Cu"), frames)
    return frames, compared["magic"].creator
