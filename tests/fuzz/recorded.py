"""Recorded inputs, changed at random, through the whole of `reproduce` by real programs."""

import json
import random
import sqlite3
from pathlib import Path

from aiida.orm import CalcJobNode, QueryBuilder
from aiida.tools.archive import import_archive

from aiida_nanoclusters.cli.reproduce.command import reproduce
from tests.cli.attacks import changed, renamed
from tests.fuzz.archives import run_command
from tests.fuzz.guard import Findings

#: What may hold an input of a process: its data, or its own record of options.
_TYPES = ("data.core.dict.", "data.core.list.", "data.core.str.", "process.", "data.nanoclusters.p")


def payloads(mark: Path, script: Path) -> list[str]:
    """Texts that make a file if a shell, LAMMPS, CP2K or Python takes them for its own language."""
    touch = f"touch {mark}"
    return [
        *(touch, f"; {touch} #", f"$({touch})", f"`{touch}`", f"'; {touch}; '", f'"; {touch}; "'),
        *(f"x\n{touch}\n", f"x\nshell {touch}\n", f"shell {touch}", f"include {script}"),
        *(f"x\ninclude {script}\n", f"-in {script}", str(script), f"../../{mark.name}"),
        *(f"@INCLUDE {script}", f"x &\nshell {touch}", f"${{x}} $(shell {touch})", "x\r\nshell ls"),
        f"__import__('os').system('{touch}')",
    ]


def fuzz_recorded(count: int, seed: int, archive: Path, process: str, folder: Path) -> Findings:
    """Run a recorded process again `count` times, each with other inputs in its archive.

    Parameters
    ----------
    count, seed
        Number of archives, and the seed of what is changed in them.
    archive, process
        What is changed, and the UUID of the process in it that is run again.
    folder
        Where the files are made that must not be.
    """
    mark, script = folder / "mark", folder / "evil.in"
    script.write_text(f"shell touch {mark}\n", encoding="utf-8")
    found, rng = Findings(every=10), random.Random(seed)
    for _ in range(count):
        done: list[tuple[int, str]] = []
        known: dict[str, str] = {}

        def change(connection: sqlite3.Connection, done: list[tuple[int, str]] = done) -> None:
            query = "SELECT id, attributes, node_type FROM db_dbnode ORDER BY id"
            rows = [row for row in connection.execute(query) if row[2].startswith(_TYPES)]
            # Of what a process says of itself more can be changed before it is refused.
            rows += 4 * [row for row in rows if row[2].startswith("process.")]
            for pk, held in dict(rng.choice(rows)[:2] for _ in range(rng.randint(1, 2))).items():
                text = rng.choice(payloads(mark, script))
                new = json.dumps(_with_text(json.loads(held), text, rng))
                connection.execute("UPDATE db_dbnode SET attributes = ? WHERE id = ?", [new, pk])
                done.append((pk, new[:2000]))

        new = changed(archive, folder / "changed.aiida", change, renamed(known))

        def run(new: Path = new, known: dict[str, str] = known) -> str:
            import_archive(new, create_group=False)  # without the checks of our own command
            before = QueryBuilder().append(CalcJobNode).count()
            code = run_command(reproduce, known[process], "--here")
            assert not mark.exists(), "a text of the archive was executed"
            jobs = QueryBuilder().append(CalcJobNode).count() - before
            return f"{jobs} jobs, exit code {code}"

        found.record("reproduce", done, run, ())
        mark.unlink(missing_ok=True)
    return found


def _with_text(content: object, text: str, rng: random.Random) -> object:
    """The content with a text as one of its values, as a new one, or as a name, at any depth."""
    if isinstance(content, dict) and content:
        key = rng.choice(sorted(content))
        kind = rng.random()
        if kind < 0.1:
            return {**content, text: content[key]}
        if kind < 0.2:
            names = ("cmdline", "prepend_text", "script", "commands", "pair_style", "x")
            return {**content, rng.choice(names): rng.choice([text, [text], ["-in", text]])}
        return {**content, key: _with_text(content[key], text, rng)}
    if isinstance(content, list) and content and rng.random() < 0.8:
        at = rng.randrange(len(content))
        return [*content[:at], _with_text(content[at], text, rng), *content[at + 1 :]]
    return rng.choice([text, text, [text], {text: text}])
