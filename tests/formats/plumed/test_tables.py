"""Tables of PLUMED: its own sum of hills, continued and damaged files."""

import numpy as np
import pytest

from aiida_nanoclusters.formats.plumed.tables import read_hills, read_table

HEAD = "#! FIELDS time x sigma_x height biasf\n#! SET multivariate false\n"
KIND = "#! SET kerneltype stretched-gaussian\n"


def test_the_sum_is_that_of_plumed(shared_data):
    folder = shared_data / "plumed_regtest" / "rt44b"
    names, hills = read_hills(folder / "HILLS")
    assert names == ("phi", "psi.x") and hills.bias_factor == 7
    assert hills.periods == pytest.approx((2 * np.pi, 2 * np.pi))
    reference = read_table(folder / "fes.dat.reference")
    assert reference.names[:3] == ("phi", "psi.x", "file.free")
    # PLUMED puts the hills on a grid, interpolates and prints seven decimals.
    found = -hills.sum_at(reference.values[:, :2])
    np.testing.assert_allclose(found, reference.column("file.free"), atol=2e-5)


def test_a_continued_run(tmp_path):
    """Values after a restart replace those that the killed run had written; all hills act."""
    path = tmp_path / "HILLS"
    first = "".join(f" {t} 0.{t} 0.1 1.0 8\n" for t in range(5))
    again = "".join(f" {t} 0.5 0.1 2.0 8\n" for t in range(3, 7))
    path.write_text(HEAD + KIND + first + HEAD + KIND + again + " 7 0.5 0.")
    table = read_table(path)
    assert table.column("time").tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert table.column("height").tolist() == [1, 1, 1, 2, 2, 2, 2]
    _, hills = read_hills(path, energy_unit=0.01)
    assert len(hills.heights) == 9 and hills.heights[-1] == pytest.approx(0.02)
    assert hills.periods == (0.0,)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1 2 3\n", r"no line `#! FIELDS`|0 columns"),
        (HEAD + KIND + "1 2 3\n", "3 numbers in 5 columns"),
        (HEAD + KIND + "1 2 3 x 5\n", "line 4"),
        (HEAD + KIND + "1 2 3 nan 5\n", "not finite"),
        (HEAD + "#! SET kerneltype gaussian\n1 2 3 4 5\n", "stretched-gaussian are"),
        (HEAD.replace("false", "true") + KIND + "1 2 3 4 5\n", "multivariate"),
        (HEAD + KIND + "1 2 3 4 5\n2 2 3 4 6\n", "bias factors"),
        ("#! FIELDS time x\n1 2\n", "not those of HILLS"),
        (HEAD + KIND + HEAD.replace("x", "y") + "1 2 3 4 5\n", "other columns"),
    ],
)
def test_what_is_no_file_of_hills(tmp_path, text, reason):
    path = tmp_path / "HILLS"
    path.write_text(text)
    with pytest.raises(ValueError, match=reason):
        read_hills(path)
