"""Inputs that a stranger recorded do not become commands; many more of them with ``-m faults``."""

import subprocess
import sys

import pytest
from aiida.tools.archive import create_archive

from tests.fuzz.recorded import fuzz_recorded, payloads
from tests.workflows.reproduction.test_reproduce import relax


@pytest.mark.timeout(6000)
@pytest.mark.parametrize(
    ("count", "seed"), [(6, 1), pytest.param(150, 2, marks=pytest.mark.faults)]
)
def test_a_relaxation(lmp_code, eam_potential, tmp_path, count, seed) -> None:
    node = relax(lmp_code, eam_potential, settings={"vacuum": 12.0})
    archive = tmp_path / "relaxation.aiida"
    create_archive([node], filename=archive)
    found = fuzz_recorded(count, seed, archive, node.uuid, tmp_path)
    print("\n".join(found.lines()))
    assert not found.faults, found.faults
    assert any(outcome.startswith("1 jobs") for _, outcome in found.outcomes)


def test_what_is_sent_would_leave_its_mark(tmp_path) -> None:
    """Otherwise nothing would be found in any code."""
    mark, script = tmp_path / "mark", tmp_path / "evil.in"
    texts = payloads(mark, script)
    subprocess.run(["sh", "-c", f"true {texts[1]}"], check=True)
    assert mark.exists()
    mark.unlink()
    script.write_text(f"shell touch {mark}\n")
    (tmp_path / "in").write_text(texts[9])
    lmp = f"{sys.prefix}/bin/lmp"
    subprocess.run([lmp, "-in", "in", "-log", "none", "-screen", "none"], cwd=tmp_path, check=False)
    assert mark.exists()
