"""One LAMMPS step with the pair style, and nequip's own ASE calculator to hold it against."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms, units
from filelock import FileLock

from aiida_nanoclusters.lammps_plugin import build as plugin_build
from aiida_nanoclusters.lammps_plugin.build import plugin_environment
from tests.allegro_model import cache_folder, make_compiled, make_package

TWO_ELEMENTS = ["Au", "Cu"]
# one pair is cut shorter than the rest, and in one direction only
TWO_ELEMENT_MODEL = {
    "r_max": 4.5,
    "l_max": 1,
    "num_layers": 1,
    "num_scalar_features": 8,
    "num_tensor_features": 4,
    "per_edge_type_cutoff": {"Au": {"Au": 4.5, "Cu": 4.0}, "Cu": 4.2},
}


@dataclass(frozen=True)
class Result:
    """What one LAMMPS step gave, in eV and Å; stress as ASE has it."""

    energy: float
    forces: np.ndarray
    energies: np.ndarray
    stress: np.ndarray
    atom_virials: np.ndarray | None
    log: str


def standard(atoms: Atoms) -> Atoms:
    """Copy with the cell in the lower triangular form that LAMMPS takes."""
    atoms = atoms.copy()
    if atoms.cell.rank < 3:
        atoms.center(vacuum=8.0)
        atoms.pbc = False
    atoms.set_cell(atoms.cell.standard_form()[0], scale_atoms=True)
    return atoms


def data_file(atoms: Atoms, elements: Sequence[str]) -> str:
    """LAMMPS data file of `standard` atoms, atom style atomic."""
    (ax, _, _), (bx, by, _), (cx, cy, cz) = atoms.cell
    lines = ["", f"{len(atoms)} atoms", f"{len(elements)} atom types"]
    lines += [f"0 {ax:.15g} xlo xhi", f"0 {by:.15g} ylo yhi", f"0 {cz:.15g} zlo zhi"]
    if abs(bx) + abs(cx) + abs(cy) > 1e-12:
        lines.append(f"{bx:.15g} {cx:.15g} {cy:.15g} xy xz yz")
    lines += ["", "Atoms # atomic", ""]
    for i, (symbol, position) in enumerate(zip(atoms.symbols, atoms.positions, strict=True)):
        x, y, z = position
        lines.append(f"{i + 1} {elements.index(symbol) + 1} {x:.15g} {y:.15g} {z:.15g}")
    return "\n".join(lines) + "\n"


def run_lmp(
    script: str, folder: Path, plugin: Path, ranks: int = 1
) -> subprocess.CompletedProcess[str]:
    """Run a LAMMPS script in `folder`; stdout and stderr as text."""
    (folder / "in.lmp").write_text(script)
    bin_folder = Path(sys.prefix) / "bin"
    command = [str(bin_folder / "lmp"), "-in", "in.lmp", "-log", "log.lammps"]
    if ranks > 1:
        command = [str(bin_folder / "mpirun"), "-np", str(ranks), *command]
    environment = {**os.environ, **plugin_environment(plugin), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


SETUP = """units {units}
atom_style atomic
newton {newton}
boundary {boundary}
read_data data.lmp
mass * 63.5
pair_style allegro {options}
pair_coeff * * {model} {elements}
"""
STEP = """compute pe all pe/atom
{virial}
dump all all custom 1 dump.out id fx fy fz c_pe {columns}
dump_modify all sort id format float %.12g
thermo_modify norm no
run 0
print "pe $(pe:%.12g)"
print "pressure $(pxx:%.12g) $(pyy:%.12g) $(pzz:%.12g) $(pyz:%.12g) $(pxz:%.12g) $(pxy:%.12g)"
"""


def setup_script(
    model: Path | str,
    elements: Sequence[str],
    pbc: Sequence[bool] = (False,) * 3,
    options: str = "",
    unit_style: str = "metal",
    newton: str = "on",
) -> str:
    """Lines up to pair_coeff, for a structure in data.lmp."""
    return SETUP.format(
        units=unit_style,
        newton=newton,
        boundary=" ".join("p" if periodic else "f" for periodic in pbc),
        options=options,
        model=model,
        elements=" ".join(elements),
    )


@pytest.fixture
def evaluate(tmp_path: Path, allegro_plugin: Path) -> Callable[..., Result]:
    """Energy, forces, stress of `standard` atoms by the pair style."""

    def run(
        atoms: Atoms,
        model: Path,
        elements: Sequence[str] = ("Cu",),
        options: str = "",
        ranks: int = 1,
        atom_virials: bool = False,
        extra: str = "",
    ) -> Result:
        (tmp_path / "data.lmp").write_text(data_file(atoms, list(elements)))
        script = setup_script(model, elements, atoms.pbc, options) + extra
        script += STEP.format(
            virial="compute w all stress/atom NULL virial" if atom_virials else "",
            columns="c_w[*]" if atom_virials else "",
        )
        done = run_lmp(script, tmp_path, allegro_plugin, ranks)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        printed = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines() if line}
        table = np.loadtxt((tmp_path / "dump.out").read_text().splitlines()[9:], ndmin=2)
        bar = 1e5 * units.Pascal
        return Result(
            energy=float(printed["pe"][0]),
            forces=table[:, 1:4],
            energies=table[:, 4],
            stress=-np.array(printed["pressure"], float) * bar,
            # stress/atom gives -virial times bar, ordered xx yy zz xy xz yz
            atom_virials=-table[:, [5, 6, 7, 10, 9, 8]] * bar if atom_virials else None,
            log=done.stdout,
        )

    return run


@pytest.fixture(scope="session")
def checked_plugin(pytestconfig: pytest.Config) -> Path:
    """The plugin with every access to its arrays checked: one past the end aborts LAMMPS."""
    folder = Path(pytestconfig.cache.mkdir("allegro"))
    with pytest.MonkeyPatch.context() as patch, FileLock(folder / "checked.lock"):
        patch.setattr(plugin_build, "FLAGS", (*plugin_build.FLAGS, "-D_GLIBCXX_ASSERTIONS"))
        return plugin_build.build(folder / "checked").parent


@pytest.fixture(scope="session")
def two_element_package(pytestconfig: pytest.Config) -> Path:
    """Single precision model of gold and copper, with a cutoff for each pair of elements."""
    folder = cache_folder(pytestconfig, "aucu")
    return make_package(folder, TWO_ELEMENTS, dtype="float32", model=TWO_ELEMENT_MODEL)


@pytest.fixture(scope="session")
def two_element_model(two_element_package: Path) -> Path:
    """The same, compiled for the pair style."""
    return make_compiled(two_element_package)


@pytest.fixture(scope="session")
def ase_calculator() -> Callable[[Path], object]:
    """nequip's own calculator of a packaged model, uncompiled: the independent evaluation."""
    from nequip.integrations.ase import NequIPCalculator

    made: dict[Path, object] = {}

    def calculator(package: Path) -> object:
        if package not in made:
            made[package] = NequIPCalculator._from_saved_model(str(package), device="cpu")
        return made[package]

    return calculator
