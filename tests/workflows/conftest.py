import sys
from pathlib import Path

import pytest


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
