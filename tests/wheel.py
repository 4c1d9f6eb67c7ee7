"""The built wheel in environments of its own, with the packages that it declares and no others.

Nothing is downloaded: an environment links those packages of the tests' own environment that the
wheel requires, directly or through others. What is imported but not declared is missing there.
"""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ("aiida_nanoclusters", "profiles", "pyproject.toml", "README.md", "LICENSE")
SITE = Path(sysconfig.get_path("purelib"))


def build_wheel(folder: Path) -> Path:
    """Build the wheel from a copy of the sources, so that the checkout stays clean."""
    source = folder / "source"
    source.mkdir()
    for name in SOURCES:
        if (ROOT / name).is_dir():
            no_cache = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, source / name, ignore=no_cache)
        else:
            shutil.copy(ROOT / name, source / name)
    run(sys.executable, "-m", "build", "--wheel", "--outdir", folder / "dist", source)
    (wheel,) = (folder / "dist").glob("*.whl")
    return wheel


def run(*command: str | Path, **settings) -> subprocess.CompletedProcess[str]:
    """Run a command that must succeed."""
    done = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, check=False, **settings
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-6000:]}\n{done.stderr[-6000:]}"
    return done


def requirements(name: str, extras: frozenset[str]) -> list[Requirement]:
    """What an installed distribution requires with these extras."""
    found = []
    for line in metadata.requires(name) or []:
        wanted = Requirement(line)
        if wanted.marker is None or any(
            wanted.marker.evaluate({"extra": extra}) for extra in ("", *extras)
        ):
            found.append(wanted)
    return found


def closure(wanted: list[Requirement]) -> set[str]:
    """Names of all distributions that these requirements bring, through others too."""
    seen: set[tuple[str, frozenset[str]]] = set()
    todo = list(wanted)
    while todo:
        one = todo.pop()
        key = (re.sub(r"[-_.]+", "-", one.name).lower(), frozenset(one.extras))
        if key not in seen:
            seen.add(key)
            todo += requirements(*key)
    return {name for name, _ in seen}


def wheel_requirements(wheel: Path, extra: str) -> list[Requirement]:
    """What the metadata of the wheel requires with an extra (`""`: none)."""
    (found,) = metadata.distributions(name="aiida-nanoclusters", path=[str(wheel)])
    lines = [Requirement(line) for line in found.requires or []]
    return [r for r in lines if r.marker is None or r.marker.evaluate({"extra": extra})]


def link(name: str, prefix: Path, site: Path) -> None:
    """Link the files of an installed distribution; scripts get the Python of the environment."""
    for file in metadata.distribution(name).files or []:
        place = Path(os.path.normpath(SITE / file))
        if place.is_relative_to(SITE):
            top = place.relative_to(SITE).parts[0]
            place, target = SITE / top, site / top
        else:
            target = prefix / place.relative_to(sys.prefix)
        if target.exists() or target.is_symlink() or place.name == "__pycache__":
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        head = f"#!{sys.prefix}/".encode()
        if target.parent == prefix / "bin" and place.read_bytes().startswith(head):
            text = place.read_text().replace(sys.prefix, str(prefix), 1)
            target.write_text(text)
            target.chmod(0o755)
        else:
            target.symlink_to(place)


def make_environment(prefix: Path, wheel: Path, extra: str = "") -> Path:
    """Install the wheel with an extra; the environment's Python."""
    run(sys.executable, "-m", "venv", "--without-pip", prefix)
    python = prefix / "bin" / "python"
    purelib = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = Path(run(python, "-c", purelib).stdout.strip())
    for name in sorted(closure(wheel_requirements(wheel, extra))):
        link(name, prefix, site)
    run(sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", wheel)
    return python
