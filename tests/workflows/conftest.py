import sys
from pathlib import Path

import numpy as np
import pytest

from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.data.potential import PotentialData
from aiida_nanoclusters.science.structures.motifs import mackay_icosahedron

#: Along the coordination of one nickel atom in copper, in half a picosecond.
BIAS = {
    "collective_variables": [
        {
            "name": "neighbours",
            "width": 0.2,
            "terms": [{"kind": "coordination", "groups": [["Ni"], ["Cu"]], "r0": 3.0}],
        }
    ],
    "temperature": 300,
    "height": 0.05,
    "bias_factor": 10,
    "pace": 0.05,
    "duration": 0.4,
    "equilibration": 0.1,
    "timestep": 0.002,
    "sample_every": 0.1,
}


@pytest.fixture
def stand_in(code_on, tmp_path, allegro_package):
    """Factory of codes that play nequip; keywords are the stand-in's environment."""

    def make(**environment):
        script = tmp_path / "python"
        text = Path(__file__).with_name("nequip_stand_in.py").read_text()
        script.write_text(f"#!{sys.executable}\n{text}")
        script.chmod(0o755)
        environment = {"PACKAGE": allegro_package, **environment}
        prepend = "\n".join(f"export {k}='{v}'" for k, v in environment.items())
        return code_on("stand-in", str(script), prepend)

    return make


@pytest.fixture
def emptied_profile(aiida_profile_clean):
    """The test profile, empty before and after: imports leave computers that others trip over."""
    yield aiida_profile_clean
    aiida_profile_clean.reset_storage()


@pytest.fixture
def cuni_potential(aiida_profile, eam_file):
    """Copper and nickel, shipped with LAMMPS."""
    path = eam_file.with_name("CuNi.eam.alloy")
    return PotentialData.from_file(path, "eam/alloy", level_of_theory="EAM/CuNi").store()


@pytest.fixture
def doped(aiida_profile):
    """A copper icosahedron with nickel in its shell, and one with nickel at its centre."""
    shell, centre = (mackay_icosahedron("Cu", 1, 2.5) for _ in range(2))
    centre_atom = int(
        np.argmin(np.linalg.norm(centre.positions - centre.positions.mean(0), axis=1))
    )
    centre.symbols[centre_atom] = "Ni"
    shell.symbols[(centre_atom + 1) % 13] = "Ni"
    return FramesData([shell, centre]).store()
