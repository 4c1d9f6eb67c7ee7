"""A report in a real browser, offline: it draws everything, and its structures."""

import base64
import json
import re
import shutil
import subprocess

import numpy as np
import pytest

from aiida_nanoclusters.cli.report.viewer import histogram, pack
from tests.cli.report.test_report import html, study  # noqa: F401  (fixtures)


def test_viewer_gets_positions_to_a_hundredth(study):  # noqa: F811
    ico = study.scan.structures[0]
    packed = json.loads(pack([ico]))["structures"][0]
    back = np.frombuffer(base64.b64decode(packed["positions"]), "<i2").reshape(-1, 3) / 100
    assert np.abs(back - ico.positions).max() <= 0.005 + 1e-12
    assert list(base64.b64decode(packed["coordination"])) == list(ico.coordination)
    assert histogram(ico) == "12: 1, 6: 12"


@pytest.fixture(scope="module")
def chromium():
    found = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
    )
    if not found:
        pytest.skip("no Chromium: install it to see that the report opens in a browser")
    return found


def browse(chromium, folder, *options):
    return subprocess.run(
        [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
         "--disable-background-networking", "--disable-dev-shm-usage", "--enable-logging=stderr",
         "--enable-unsafe-swiftshader", f"--user-data-dir={folder / 'profile'}",
         "--virtual-time-budget=20000", "--window-size=1200,1000", *options,
         (folder / "study.html").as_uri()],
        capture_output=True, text=True, timeout=180, check=True,
    )  # fmt: skip


def test_a_browser_draws_every_picture_without_complaint(chromium, html, tmp_path):  # noqa: F811
    (tmp_path / "study.html").write_text(html, encoding="utf-8")
    result = browse(chromium, tmp_path, "--dump-dom")
    console = [line for line in result.stderr.splitlines() if "CONSOLE" in line]
    assert not [line for line in console if re.search(r"error|refused|violat|failed", line, re.I)]
    drawn = re.findall(r'<svg class="main-svg"', result.stdout)
    assert len(drawn) >= 9
    assert result.stdout.count('class="plot js-plotly-plot"') == 9
    assert re.search(r'id="viewer"[^>]*js-plotly-plot', result.stdout)
    assert "12 neighbours: 1" in result.stdout and "6 neighbours: 12" in result.stdout


def test_structures_can_be_leafed_through(chromium, html, tmp_path):  # noqa: F811
    click = '<script>document.getElementById("next").click()</script>'
    (tmp_path / "study.html").write_text(html + click, encoding="utf-8")
    page = browse(chromium, tmp_path, "--dump-dom").stdout
    (text,) = re.findall(r'id="structure-text"[^>]*>([^<]*)<', page)
    assert text.startswith("Cu55: point group Ih; icosahedron (as built); 13 of 55 atoms")
