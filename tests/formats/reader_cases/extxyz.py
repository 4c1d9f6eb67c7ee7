"""Extended XYZ in the layouts that programs write, and with what goes wrong in such files."""

from __future__ import annotations

import bz2
import gzip

import numpy as np
from ase.build import bulk
from ase.calculators.emt import EMT

from tests.formats.reader_cases.case import Case, Expected

FREE, SOLID = (False, False, False), (True, True, True)
_BOX = "15 0 0 0 15 0 0 0 15"


def frame(
    energy: str,
    columns: str = "forces:R:3",
    *,
    separation: float = 2.3,
    more: str = 'pbc="F F F"',
    force: float = 0.5,
    extra: str = "",
) -> str:
    """A dimer of copper; `energy` is the key with its value."""
    head = f"Properties=species:S:1:pos:R:3:{columns} {energy} {more}"
    rows = [
        f"Cu {x:.8f} 1.00000000 1.00000000{extra} {f:.8f} 0.00000000 0.00000000"
        for x, f in ((1.0, force), (1.0 + separation, -force))
    ]
    return "\n".join(["2", head, *rows, ""])


def atom(energy: str, more: str = 'pbc="F F F"') -> str:
    """One atom without forces, which vanish."""
    return f"1\nProperties=species:S:1:pos:R:3 {energy} {more}\nCu 1.0 1.0 1.0\n"


def motion(count: int = 4, name: str = "energy") -> str:
    """Steps of one trajectory with energies -1.0, -1.1, ..."""
    steps = range(count)
    return "".join(frame(f"{name}={-1.0 - 0.1 * k:.8f}", separation=2.3 + 0.02 * k) for k in steps)


def _crystal() -> tuple[float, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.05, seed=1)
    atoms.set_cell(atoms.cell * 0.98, scale_atoms=True)
    atoms.calc = EMT()
    stress = atoms.get_stress(voigt=False)
    energy, forces = atoms.get_potential_energy(), atoms.get_forces()
    return energy, forces, stress, atoms.positions, atoms.cell.array


def crystal(energy_key: str, force_column: str, tensor_key: str, *, virial: bool) -> str:
    """A compressed crystal, with its stress or virial (minus stress times volume)."""
    energy, forces, stress, positions, cell = _crystal()
    tensor = -stress * abs(np.linalg.det(cell)) if virial else stress
    spelt = " ".join(f"{x:.8f}" for x in tensor.ravel())
    lattice = " ".join(f"{x:.8f}" for x in cell.ravel())
    head = (
        f'Lattice="{lattice}" Properties=species:S:1:pos:R:3:{force_column}:R:3 '
        f'{energy_key}={energy:.8f} {tensor_key}="{spelt}" pbc="T T T"'
    )
    rows = [
        "Cu " + " ".join(f"{x:.8f}" for x in (*p, *f))
        for p, f in zip(positions, forces, strict=True)
    ]
    return "\n".join([str(len(positions)), head, *rows, ""])


CRYSTAL_ENERGY = round(float(_crystal()[0]), 8)
CRYSTAL_STRESS = _crystal()[2]
_STEPS = [Expected(-1.0 - 0.1 * k, pbc=FREE) for k in range(4)]
_SOLID = [Expected(CRYSTAL_ENERGY, pbc=SOLID)]


def _case(name: str, content: str | bytes, labels: list[Expected], **more: object) -> Case:
    data = content.encode() if isinstance(content, str) else content
    return Case(name, {"frames.xyz": data}, labels, **more)  # type: ignore[arg-type]


def _damaged(old: str, new: str | bytes) -> bytes:
    """The trajectory with a change in its second frame."""
    content = motion().encode()
    at = content.index(b"\n2\n", 1) + 1
    end = content.index(b"\n2\n", at) + 1
    middle = content[at:end]
    assert old.encode() in middle
    changed = middle.replace(old.encode(), new.encode() if isinstance(new, str) else new, 1)
    return content[:at] + changed + content[end:]


_OTHERS = [_STEPS[0], _STEPS[2], _STEPS[3]]
CASES: list[Case] = [
    _case("layout of ASE", motion() + crystal("energy", "forces", "stress", virial=False),
          [*_STEPS, *_SOLID]),
    _case("layout of QUIP", crystal("dft_energy", "dft_force", "dft_virial", virial=True), _SOLID),
    _case("layout of MACE",
          frame("REF_energy=-2.5 REF_dipole='0 0 0.1' total_charge=1 total_spin=2",
                "REF_forces:R:3") + crystal("REF_energy", "REF_forces", "REF_virials", virial=True),
          [Expected(-2.5, charge=1.0, multiplicity=2, pbc=FREE), *_SOLID]),
    _case("REF_ beside another result of ASE",
          frame("REF_energy=-2.5 dipole='0 0 0.1' free_energy=-2.6", "REF_forces:R:3"),
          [Expected(-2.5)], unused=["dipole", "free_energy"]),
    _case("layout of GPUMD",
          frame("Energy=-2.5 virial='1 0 0 0 1 0 0 0 1'", "bec:R:9:Force:R:3",
                more=f'lattice="{_BOX}" PBC="T T T"', extra=" 0.1" * 9)
          .replace("Properties=species", "properties=species")
          + crystal("ENERGY", "force", "Virial", virial=True),
          [Expected(-2.5, pbc=FREE), *_SOLID], unused=["bec"]),
    _case("layout of dpdata",
          frame("energy=-2.5 virial='1 0 0 0 1 0 0 0 1'", "Z:I:1:force:R:3",
                more=f'Lattice="{_BOX}" pbc="T T T"', extra=" 29"), [Expected(-2.5, pbc=FREE)]),
    _case("layout of OMol25", frame("energy=-2.5 charge=-1 spin=2") + frame("energy=-2.6 charge=0 "
          "spin=3", separation=2.5), [Expected(-2.5, charge=-1.0, multiplicity=2),
                                      Expected(-2.6, multiplicity=3)]),
    _case("a spin that is no multiplicity of so many electrons", frame("energy=-2.5 spin=2"),
          [Expected(-2.5)], unused=["2 is no multiplicity 2S+1 of 58 electrons"]),
    _case("predictions are no labels", frame("gap_energy=-2.5", "gap_force:R:3"), [],
          left_out=["`gap_energy` is not known as one"], unused=["gap_energy", "gap_force"]),
    _case("predictions beside labels",
          frame("gap_energy=-9.0 energy=-2.5", "forces:R:3:mace_forces:R:3")
          .replace("0.00000000\n", "0.00000000 9 9 9\n"),
          [Expected(-2.5)], unused=["gap_energy", "mace_forces"]),
    _case("two energies that differ", frame("energy=-29.0 REF_energy=11.0",
          "REF_forces:R:3:forces:R:3", extra=" 0.1 0.2 0.3"), [],
          problems={"frames.xyz": "--energy-key REF_energy"}),
    _case("two energies that are equal", frame("energy=-2.5 REF_energy=-2.50000001"),
          [Expected(-2.5)], unused=["equal to `energy`"]),
    _case("two forces that differ", frame("energy=-2.5", "REF_forces:R:3:forces:R:3",
          extra=" 0.1 0.2 0.3"), [], problems={"frames.xyz": "--force-key REF_forces"}),
    _case("stress and virial that differ", crystal("energy", "forces", "virial", virial=True)
          .replace("virial=", "stress='1 0 0 0 1 0 0 0 1' virial="), [],
          problems={"frames.xyz": "--stress-key"}),
    _case("two charges that differ", frame("energy=-2.5 charge=1 total_charge=0"), [],
          left_out=["charge=1 and total_charge=0 differ"]),
    _case("an atom and its ion in boxes",
          atom("energy=-0.22", f'Lattice="{_BOX}"')
          + atom("energy=7.55 charge=1", f'Lattice="{_BOX}"'),
          [Expected(-0.22, pbc=FREE), Expected(7.55, charge=1.0, pbc=FREE)]),
    _case("stars in a force", _damaged("-0.50000000", "***********"), _OTHERS,
          left_out=["line 8: `***********` is no number (forces)"]),
    _case("NaN in a force", _damaged("-0.50000000", "NaN"), _OTHERS,
          left_out=["the force on atom 1 is not finite"]),
    _case("a byte that is not UTF-8", _damaged("pbc=", b'note="\xfc" pbc='), _OTHERS,
          left_out=["line 6: byte 0xfc is not UTF-8"]),
    _case("a column too many", _damaged("-0.50000000", "-0.50000000 0.1"), _OTHERS,
          left_out=["line 8: 8 columns, expected 7"]),
    _case("a column too few", _damaged("Cu 1.00000000 ", "Cu "), _OTHERS,
          left_out=["line 7: 6 columns, expected 7"]),
    _case("an atom that is none", _damaged("Cu 1.0", "Cu1 1.0"), _OTHERS,
          left_out=["line 7: `Cu1` is no element"]),
    _case("a line missing", _damaged("2\n", "3\n"), _OTHERS,
          left_out=["line 9: it has 2 of its 3 lines of atoms"]),
    _case("a truncated last frame", motion()[:-100], _STEPS[:3],
          left_out=["line 15: it ends after 3 of the 4 lines of a frame"]),
    _case("a truncated last line", motion()[:-40], _STEPS[:3],
          left_out=["line 16: the file ends within it, without a line end"]),
    _case("a truncated last number", motion()[:-4], _STEPS[:3],
          left_out=["line 16: the file ends within it, without a line end"]),
    _case("no last line end", motion()[:-1], _STEPS),
    _case("a line of atoms twice", _damaged("2\n", "3\n").replace(
          b"\nCu 3.32", b"\nCu 3.32000000 1.00000000 1.00000000 -0.50000000 0.00000000 0.00000000"
          b"\nCu 3.32"), _OTHERS, left_out=["line 9: a line of atoms a second time"]),
    _case("an energy that is no number", _damaged("energy=-1.10000000", "energy=********"),
          _OTHERS, left_out=["no energy"]),
    _case("atoms without positions", _damaged("pos:R:3", "vel:R:3"), _OTHERS,
          left_out=["names no column `pos`"]),
    _case("empty lines between frames", motion(2) + "\n\n" + motion(4).split("2\n", 3)[0]
          + frame("energy=-1.2", separation=2.34) + "\n", _STEPS[:3]),
    _case("levels of theory of their own",
          frame("energy=-2.5 level_of_theory=PBE") + frame("energy=-2.6 level_of_theory=HSE06"),
          [Expected(-2.5, level="PBE"), Expected(-2.6, level="HSE06")]),
    _case("heads of MACE", frame("energy=-2.5 head=pbe") + frame("energy=-2.6 head=wb97m"),
          [Expected(-2.5, level="head pbe"), Expected(-2.6, level="head wb97m")]),
    Case("compressed", {"a.xyz.gz": gzip.compress(motion().encode()),
                        "b.extxyz.bz2": bz2.compress(atom("energy=-0.2").encode())},
         [*_STEPS, Expected(-0.2)]),
]  # fmt: skip
