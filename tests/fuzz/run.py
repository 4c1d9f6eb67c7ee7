"""Run the whole fuzzing: ``python -m tests.fuzz.run --archives 2000 --files 100000 --seed 1``.

Numbers and faults are printed, and kept in a folder that git ignores. Exit code 1 if there is a
fault.
"""

import argparse
import logging
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

from tests.fuzz.guard import Findings

#: Bytes of memory beyond what is mapped at the start.
MEMORY = 4 << 30
OUT = Path(__file__).parents[2] / "build" / "fuzz"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--archives", type=int, default=0)
    parser.add_argument("--files", type=int, default=0)
    parser.add_argument("--nodes", type=int, default=0, help="profiles with unchecked nodes")
    parser.add_argument("--studies", type=int, default=0, help="the same of the whole study")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="readers whose name holds this; default: all")
    asked = parser.parse_args()
    faults = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["AIIDA_PATH"] = name
        for what, count in _asked(asked):
            if count:
                started = time.monotonic()
                found = _run(what, count, asked, folder)
                spent = f"{what}: seed {asked.seed}, {time.monotonic() - started:.0f} s"
                faults += _report(f"{what}-{asked.seed}", [spent, *found.lines()], found)
    return int(faults > 0)


def _asked(asked: argparse.Namespace) -> list[tuple[str, int]]:
    return [(what, getattr(asked, what)) for what in ("files", "archives", "nodes", "studies")]


def _run(what: str, count: int, asked: argparse.Namespace, folder: Path) -> Findings:
    if what == "files":
        from tests.fuzz.files import fuzz_files

        _limit_memory()
        return fuzz_files(count, asked.seed, folder, asked.only, 10_000)
    from aiida.manage import get_manager
    from aiida.manage.configuration import load_profile
    from aiida.storage.sqlite_temp import SqliteTempBackend

    from tests.fuzz.archives import fuzz_archives, fuzz_nodes

    def reset() -> None:
        get_manager().unload_profile()
        load_profile(SqliteTempBackend.create_profile("fuzz"), allow_switch=True)

    reset()
    logging.getLogger("aiida").setLevel(logging.ERROR)
    _limit_memory()
    roots = [folder, Path(tempfile.gettempdir())]
    if what == "archives":
        return fuzz_archives(
            count, asked.seed, folder, reset=reset, roots=roots, check_every=20, every=50
        )
    whole = what == "studies"
    return fuzz_nodes(
        count, asked.seed, folder, reset=reset, roots=roots, whole=whole, every=1 if whole else 20
    )


def _limit_memory() -> None:
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (mapped + MEMORY, mapped + MEMORY))


def _report(name: str, lines: list[str], found: Findings) -> int:
    print("\n".join(lines), flush=True)
    OUT.mkdir(parents=True, exist_ok=True)
    examples = [f"{key}\n  {example!r}" for key, (_, _, example) in found.faults.items()]
    text = "\n".join([*lines, *examples]) + "\n"
    (OUT / f"{name}.txt").write_text(text, encoding="utf-8", errors="backslashreplace")
    return len(found.faults)


if __name__ == "__main__":
    sys.exit(main())
