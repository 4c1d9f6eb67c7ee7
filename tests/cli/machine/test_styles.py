"""What `doctor` reads of the styles that a LAMMPS has, for the list of our plugin's."""

import subprocess
import sys
from pathlib import Path

from aiida_nanoclusters.cli.machine.code_checks import STYLES, style_checks, style_item
from aiida_nanoclusters.lammps_plugin.build import plugin_environment

SCRIPT = "info styles pair\ninfo styles fix\n"


def test_a_lammps_with_and_without_the_plugin(allegro_plugin):
    lmp = [str(Path(sys.prefix) / "bin" / "lmp"), "-log", "none"]
    for environment, verdicts in (
        (plugin_environment(allegro_plugin), {"ok"}),
        ({}, {verdict for *_, verdict in STYLES}),
    ):
        done = subprocess.run(
            lmp, input=SCRIPT, env=environment, capture_output=True, text=True, check=True
        )
        found = list(style_checks(done.stdout))
        assert [c.item for c in found] == [style_item(kind, name) for kind, name, *_ in STYLES]
        assert {check.verdict for check in found} == verdicts
        assert all(check.fix for check in found if check.verdict != "ok")


def test_a_style_counts_under_its_own_heading_and_an_error_is_said():
    """`allegro` as a fix is no pair style; a LAMMPS that stops is named by its error."""
    found = style_checks("Fix styles:\n\nallegro  calculator\n")
    assert {check.text for check in found} == {"unknown to LAMMPS"}
    (first, *_) = style_checks("ERROR: no such command\n", status=1)
    assert first.text == "ERROR: no such command" and "setup" in first.fix
