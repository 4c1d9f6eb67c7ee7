"""A bias takes LJ38 out of its funnel, where plain dynamics stays."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "funnels.py"


@pytest.mark.faults
def test_more_crossings_with_a_bias_than_without(allegro_plugin):
    """The criterion is that of the benchmark: Q4 of the minima, with a gap between the sides."""
    arguments = ["--steps", "200000", "--seeds", "1", "--no-chart", "--work", str(allegro_plugin)]
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *arguments],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    rows = {line[:10].strip(): line[10:].split() for line in done.stdout.splitlines()}
    plain, biased = (int(rows[name][1]) for name in ("plain", "Q4 and Q6"))
    assert biased > plain
