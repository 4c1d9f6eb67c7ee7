"""Programs behind the engines."""

import sys
from pathlib import Path

import pytest

STAND_IN = Path(__file__).parents[2] / "stand_in_vasp.py"
#: Header of a POTCAR with made-up numbers and no potential.
POTCAR = """\
  PAW_PBE {symbol} made-up
   {valence:.10f}
 parameters from PSCTR are:
   VRHFIN ={symbol}: made up
   LEXCH  = PE
   TITEL  = PAW_PBE {symbol} made-up
   LULTRA =        F
   LCOR   =     T
   LPAW   =     T
   POMASS =   10.000; ZVAL   =   {valence:.3f}    mass and valenz
   ENMAX  =  300.000; ENMIN  =  200.000 eV
 END of PSCTR-controll parameters
 End of Dataset
"""


@pytest.fixture
def family(aiida_profile, tmp_path):
    """A family of POTCARs that hold nothing but a header."""
    from aiida.plugins import DataFactory

    for symbol, valence in (("Cu", 11), ("Au", 11), ("H", 1)):
        folder = tmp_path / "potcars" / symbol
        folder.mkdir(parents=True)
        (folder / "POTCAR").write_text(POTCAR.format(symbol=symbol, valence=valence))
    potcar = DataFactory("vasp.potcar")
    potcar.upload_potcar_family(
        str(tmp_path / "potcars"), "PBE.54", "made up for tests", stop_if_existing=False
    )


@pytest.fixture
def vasp(code_on, tmp_path):
    """Factory of codes that play VASP; keywords are the stand-in's environment."""

    def make(**environment):
        script = tmp_path / "stand_in_vasp"
        script.write_text(f"#!{sys.executable}\n{STAND_IN.read_text()}")
        script.chmod(0o755)
        prepend = "\n".join(f"export {k}='{v}'" for k, v in environment.items())
        return code_on("vasp", str(script), prepend)

    return make


@pytest.fixture
def killed_once(code_on, tmp_path):
    """Factory: a code, killed as soon as `condition` holds, the first time that it does."""

    def make(code, condition):
        flag, script = tmp_path / "killed", tmp_path / "killed_once"
        program = f'{code.filepath_executable} "$@"'
        script.write_text(
            f"#!/bin/bash\nif [ -e {flag} ]; then exec {program}; fi\n"
            f"{program} &\npid=$!\n"
            f"while kill -0 $pid 2>/dev/null; do\nif {condition}; then touch {flag}; "
            "kill -9 $pid; exit 1; fi\nsleep 0.02\ndone\nwait $pid\n"
        )
        script.chmod(0o755)
        return code_on("killed", str(script), "export OMP_NUM_THREADS=1")

    return make
