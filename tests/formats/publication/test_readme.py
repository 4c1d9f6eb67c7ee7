from datetime import date

import pytest

from aiida_nanoclusters.formats.publication.checksums import check_checksums, write_checksums
from aiida_nanoclusters.formats.publication.readme import (
    File,
    Publication,
    Withheld,
    license_url,
    render_readme,
    write_readmes,
)

PUBLICATION = Publication(
    title="Copper",
    authors=("A", "B"),
    license="CC-BY-4.0",
    published=date(2026, 1, 2),
    roots={"u-1": "StudyWorkChain"},
    files=(File("tables/a.csv", "columns: x | y", "u-2"),),
    withheld=(Withheld("u-3", "POTCAR", "VASP's licence"),),
    versions=(("ase", "3.29"),),
)


def test_licences() -> None:
    assert license_url("cc-by-4.0") == "https://spdx.org/licenses/CC-BY-4.0"
    assert license_url("https://example.org/terms") == "https://example.org/terms"
    for wrong in ("free", "MIT OR Apache-2.0", "LicenseRef-mine", "", "https://a b"):
        with pytest.raises(ValueError, match=r"CC-BY-4\.0"):
            license_url(wrong)


def test_readme_says_what_was_left_out_and_keeps_its_tables() -> None:
    text = render_readme(PUBLICATION)
    assert "| `u-3` | `POTCAR` | VASP's licence |" in text
    assert "columns: x \\| y" in text
    assert "A, B, 2026-01-02" in text


def test_equal_publications_are_equal_files(tmp_path) -> None:
    for name in ("a", "b"):
        (tmp_path / name / "tables").mkdir(parents=True)
        (tmp_path / name / "tables" / "a.csv").write_text("x\n1\n")
        write_readmes(PUBLICATION, tmp_path / name)
        write_checksums(tmp_path / name)
    sums = [(tmp_path / name / "SHA256SUMS").read_bytes() for name in ("a", "b")]
    assert sums[0] == sums[1]
    names = ["README.md", "ro-crate-metadata.json", "tables/a.csv"]
    assert check_checksums(tmp_path / "a", 10**6) == names
