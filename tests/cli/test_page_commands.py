"""Every line of shell on the README and the pages runs, in the order of its page.

A block that is not run is preceded by a comment that says why: ``<!-- not run: REASON -->``. Our
commands run in this process. A launch ends where it would be submitted: what it would submit is
checked as AiiDA checks it, codes and computers included.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import NoReturn
from zlib import crc32

import pytest
from aiida import orm
from aiida.tools import delete_nodes
from click.testing import CliRunner

from aiida_nanoclusters.cli.launch import preflight
from aiida_nanoclusters.cli.main import cli
from aiida_nanoclusters.data import potential
from aiida_nanoclusters.data.trust import trust
from tests.cli.attacks import PUBLISHED
from tests.cli.pages.files import CP2K, write_files, write_for
from tests.cli.pages.nodes import PageNodes
from tests.cli.pages.places import PLACES
from tests.doc_blocks import PAGES, ROOT, blocks, indented, languages
from tests.laptop import CLI, Home

OURS = "aiida-nanoclusters"
WITH_SHELL = [page for page in PAGES if any(True for _ in blocks(page, "sh"))]
RUN = [page for page in WITH_SHELL if any(not block.comment for block in blocks(page, "sh"))]
#: Options after which a file or a folder is named that the command writes.
WRITES = ("--out", "--xyz", "--csv", "--figures", "--graph")


def test_blocks_that_are_not_run_say_why() -> None:
    assert len(WITH_SHELL) > 35
    for page in PAGES:
        for block in blocks(page, "sh"):
            assert block.gives_a_reason or not block.comment, f"{block.where}: {block.comment}"
        assert not languages(page) & {"bash", "shell", "console"}, f"{page}: write ```sh"
        assert not indented(page), f"{page}: write ``` around {indented(page)[0]}"


def test_most_lines_are_run() -> None:
    found = [block for page in WITH_SHELL for block in blocks(page, "sh")]
    not_run = [line for block in found if block.comment for line in block.commands]
    assert len(not_run) < sum(len(block.commands) for block in found) / 3


class World:
    """Codes, the published study, nodes and files, and the commands that are run on them."""

    def __init__(self, eam_file: Path, folder: Path, plugin: Path, packages: Path) -> None:
        self.launched: list[str] = []
        self.nodes = PageNodes(eam_file, folder)
        self.plugin, self.cp2k = plugin, folder / "cp2k.psmp"
        self.cp2k.write_text(CP2K)
        self.cp2k.chmod(0o755)
        self.codes_on("localhost", "lammps", "nequip", "cp2k")
        self._import_study()
        labelled = self.nodes.shared.frames(1, count=30, level="VASP/PBE/450 eV").frames
        package = self.nodes.node("training").outputs.potentials.seed_1
        self.files = write_files(folder / "files", eam_file, labelled, package, packages)
        self.nodes.shared.frames(9, count=1, shells=2, level="PBE").store()  # which `find` finds

    def codes_on(self, label: str, *programs: str) -> list[orm.Node]:
        """Codes of this machine under the label of a computer."""
        computer = orm.Computer(
            label=label,
            hostname="localhost",
            transport_type="core.local",
            scheduler_type="core.direct",
            workdir=str(self.cp2k.parent),
        ).store()
        computer.configure(safe_interval=0.0, use_login_shell=False)
        executables = {
            "lammps": Path(sys.prefix) / "bin" / "lmp",
            "nequip": Path(sys.executable),
            "cp2k": self.cp2k,
        }
        plugins = {"lammps": "lammps", "nequip": "train", "cp2k": "cp2k"}
        made = []
        for program in programs:
            code = orm.InstalledCode(
                label=program,
                computer=computer,
                filepath_executable=str(executables[program]),
                default_calc_job_plugin=f"nanoclusters.{plugins[program]}",
                prepend_text=f"export OMP_NUM_THREADS=1 LAMMPS_PLUGIN_PATH={self.plugin}",
                with_mpi=False,
            ).store()
            trust(code)
            made.append(code)
        return made

    def _import_study(self) -> None:
        """As the page says; its packages are trusted, and its computer is one of others."""
        done = CliRunner().invoke(cli, ["import", "--trust", str(PUBLISHED)])
        assert done.exit_code == 0, done.output
        imported = orm.load_computer("localhost (Imported #0)")
        imported.label = "hpc"
        imported.store()

    def submit(self, builder) -> NoReturn:
        """End a launch here: it has looked at its ports, computers and codes already."""
        self.launched.append(builder.process_class.__name__)
        raise SystemExit(0)

    def words(self, page: Path, line: str) -> list[str]:
        """Words of a command, nodes in the place of words in capitals, files in that of stars."""
        given = shlex.split(line, comments=True)[1:]
        command = given[1] if given[0] in ("run", "find") else given[0]
        found: list[str] = []
        for before, word in zip([command, *given], given, strict=False):
            before = command if before == given[0] else before
            last = f"{before} {word}"
            names = (f"{page.stem} {last}", f"{command} {last}", f"{page.stem} {word}", last, word)
            name = next((PLACES[key] for key in names if key in PLACES), None)
            assert name or not word.startswith("UUID"), f"no node for `{last}`: see PLACES"
            found += [self.nodes[name]] if name else self._starred(word)
        return found

    def _starred(self, word: str) -> list[str]:
        return sorted(map(str, Path().glob(word))) if "*" in word else [word]

    def run(self, page: Path, line: str) -> str | None:
        """Run a line; what is wrong with it, or None."""
        if not line.startswith(f"{OURS} ") or set(line.partition("#")[0]) & set(";&|$"):
            return run_by_shell(line)
        words = self.words(page, line)
        written = [Path(b) for a, b in pairwise(words) if a in WRITES]
        for path in written:
            path.unlink(missing_ok=True)
        before = len(self.launched)
        done = CliRunner().invoke(cli, words, input="y\n")
        if "is not installed: pip install" in done.output:
            pytest.skip(done.output.splitlines()[-1])
        if done.exit_code != 0:
            said = "" if isinstance(done.exception, SystemExit) else repr(done.exception)
            return f"exit code {done.exit_code} {said}\n{done.output}"
        if missing := [path for path in written if not path.exists()]:
            return f"{missing} was not written\n{done.output}"
        if words[0] == "run" and "--show-protocol" not in words and len(self.launched) == before:
            return f"nothing was launched\n{done.output}"
        return None


def run_by_shell(line: str) -> str | None:
    """Run a line by bash, with the programs of this environment; what is wrong, or None."""
    path = os.pathsep.join([str(Path(sys.prefix) / "bin"), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-ec", line],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PATH": path},
    )
    return f"{done.stdout}{done.stderr}" if done.returncode else None


def once(patch, module, name: str, key_of) -> None:
    """Let a slow function of a module answer from memory what it was asked before."""
    known, asked = {}, getattr(module, name)

    def remember(*args, **kwargs):
        key = repr(key_of(*args, **kwargs))
        if key not in known:
            found = asked(*args, **kwargs)
            known[key] = list(found) if isinstance(found, Iterator) else found
        return known[key]

    patch.setattr(module, name, remember)


@pytest.fixture(scope="module")
def world(aiida_profile, tmp_path_factory, eam_file, allegro_plugin, packages_of_others):
    aiida_profile.reset_storage()
    with pytest.MonkeyPatch.context() as patch:
        once(patch, preflight, "check_code", lambda item, code, *_: code.uuid)
        once(patch, potential, "isolated_atom_energies", lambda given, symbols, _: (given, symbols))
        once(
            patch, potential, "load_package", lambda path, named: (crc32(path.read_bytes()), named)
        )
        found = World(
            eam_file, tmp_path_factory.mktemp("pages"), allegro_plugin, packages_of_others
        )
        patch.setattr("aiida.engine.submit", found.submit)
        patch.setattr("webbrowser.open", lambda *_: True)
        yield found
    aiida_profile.reset_storage()


@pytest.fixture
def machines(page, world):
    """Codes on the clusters that a page names, which `reproduce` finds on no other page."""
    lines = [
        line for block in blocks(page, "sh") if not block.comment for _, line in block.commands
    ]
    labels = {name for line in lines for name in re.findall(r" \w+@([\w-]*cluster)", line)}
    made = [code for label in labels for code in world.codes_on(label, "lammps", "nequip")]
    yield
    delete_nodes([code.pk for code in made], dry_run=False)
    for label in labels:
        orm.Computer.collection.delete(orm.load_computer(label).pk)


@cache
def run_on_laptop(laptop: Home, *words: str) -> str | None:
    """Run what sets a machine up, or looks at it; the laptop itself was made by `setup`."""
    if words == ("setup",):
        return None
    done = laptop.run(CLI, *words)
    return f"{done.stdout}{done.stderr}" if done.returncode else None


@pytest.mark.parametrize("page", RUN, ids=lambda page: page.stem)
def test_commands_of_a_page_run(page, world, machines, tmp_path, monkeypatch, request) -> None:
    folder = tmp_path / "work"
    shutil.copytree(world.files, folder, symlinks=True)
    write_for(page, folder)
    monkeypatch.chdir(folder)
    for block in blocks(page, "sh"):
        for number, line in block.commands if not block.comment else ():
            words = shlex.split(line, comments=True)
            if words[:1] == [OURS] and words[1] in ("setup", "doctor"):
                problem = run_on_laptop(request.getfixturevalue("laptop"), *words[1:])
            else:
                problem = world.run(page, line)
            assert problem is None, f"{page.relative_to(ROOT)}:{number}: {line}\n{problem}"
