"""The gate for text of nodes: what executes, includes or leads elsewhere is refused."""

import math
from pathlib import Path

import pytest
import yaml

from aiida_nanoclusters.formats.cp2k.input import prepare, run_input
from aiida_nanoclusters.formats.input_text import (
    InputTextError,
    chemical_symbols,
    cp2k_input,
    cp2k_restart,
    finite,
    hydra_yaml,
    identifier,
    lammps_file,
    lammps_options,
    lammps_script,
    number_rows,
    one_line,
    plain_name,
    scheduler_word,
    vasp_incar,
)
from aiida_nanoclusters.formats.lammps.evaluate import forces_file, render_evaluation
from aiida_nanoclusters.formats.lammps.input import mass_lines
from aiida_nanoclusters.formats.lammps.potential_lines import Interaction
from aiida_nanoclusters.formats.nequip.config import config_yaml
from aiida_nanoclusters.formats.vasp.input import make_incar
from aiida_nanoclusters.science.labels.settings import Cp2kSettings, VaspSettings
from aiida_nanoclusters.workflows.parts.protocol import load_protocol, protocol_names

#: Texts that end a line, or that a terminal or an editor shows as something else.
_BREAKS = ["a\nb", "a\rb", "a\x0bb", "a\x85b", "a\u2028b", "a\x00b", "a\x1b[2J", "a\u202eb"]
#: What no name may be.
_NO_NAMES = [
    *("", ".", "..", "../x", "/etc/passwd", "a/b", "a b", "-in", ".bashrc", "a;b", "$(id)", "`id`"),
    *("a\n", "ä", "x" * 201, None, 1, ["x"], *_BREAKS),
]


@pytest.mark.parametrize("text", _BREAKS)
def test_one_line(text):
    with pytest.raises(InputTextError, match="line end or a control character"):
        one_line(text, "the label")
    assert one_line("Kupfer, größer (Å)", "the label")


def test_one_line_is_a_text_of_bounded_length():
    for value in (None, 5, b"x", "x" * 1001):
        with pytest.raises(InputTextError, match="the label"):
            one_line(value, "the label")


@pytest.mark.parametrize("text", _NO_NAMES)
def test_plain_name(text):
    with pytest.raises(InputTextError, match="letters, digits"):
        plain_name(text)


def test_plain_names_pass():
    for name in ("log.lammps", "_scheduler-stdout.txt", "Ru_pv", "H.5", "model_0", "3"):
        assert plain_name(name) == name


def test_identifier():
    assert identifier("enable_CuEquivarianceContracter", "a modifier")
    for text in ("--output", "a-b", "1a", "a.b", "a b", "", None):
        with pytest.raises(InputTextError, match="a modifier"):
            identifier(text, "a modifier")


def test_elements():
    assert chemical_symbols(["Cu", "Au"]) == ["Cu", "Au"]
    for symbols in (["Cu\nshell touch x"], ["X"], ["cu"], [29], [None], [["Cu"]], 5, "Cu\n"):
        with pytest.raises(InputTextError, match="chemical symbol"):
            chemical_symbols(symbols)


def test_numbers():
    assert finite(3, "cutoff") == 3.0
    for value in (True, "3", None, math.inf, math.nan, [3]):
        with pytest.raises(InputTextError, match="cutoff"):
            finite(value, "cutoff")
    block = "\n 1.0 -2e-3  .5\n\n-1 0 3.\n"
    assert number_rows(block, 3, "the block") == block
    for text in ("1 2", "1 2 x", "1 2 3\nVELOCITIES\ntouch x", "1 2 3;", "1 2 $(id)", None):
        with pytest.raises(InputTextError, match="the block"):
            number_rows(text, 3, "the block")


# ---- LAMMPS


@pytest.mark.parametrize(
    "line",
    [
        *("shell touch x", "  shell touch x", "include other.lammps", "python f input 1"),
        *("plugin load x.so", "jump other.lammps", 'if "1 > 0" then "shell touch x"'),
        *('if "1 > 0" then "print a" &\n  "shell touch x"', "variable a python f"),
        *("variable a getenv HOME", "variable a file secret", "log elsewhere", "quit"),
        *('print "a" &\nshell touch x', "mass 1 63.5\rshell touch x", "unknown 1"),
    ],
)
def test_lammps_commands_that_are_none_of_ours(line):
    with pytest.raises(InputTextError, match="the input of LAMMPS would hold"):
        lammps_script(["units metal", line])


def test_potential_lines_take_symbols_numbers_and_names_only():
    hostile = "Cu\nshell touch x"
    with pytest.raises(ValueError, match="chemical symbol"):
        Interaction("eam/alloy", (hostile,), 5.0).lammps_lines([hostile])
    with pytest.raises(ValueError, match="chemical symbol"):
        mass_lines([hostile])
    eam = Interaction("eam/alloy", ("Cu",), 5.0)
    with pytest.raises(ValueError, match="letters, digits"):
        eam.lammps_lines(["Cu"], "/etc/passwd")
    for parameters in ({"epsilon": "1\nshell x", "sigma": 1.0}, {}, {"epsilon": 1, "sigma": None}):
        with pytest.raises(ValueError, match="of the potential"):
            Interaction("lj/cut", ("Cu",), 5.0, parameters).lammps_lines(["Cu"])
    assert eam.lammps_lines(["Cu"], Path("/tmp/a b/x.eam"))[1] == (
        'pair_coeff * * "/tmp/a b/x.eam" Cu'
    )
    for path in ('/tmp/a"b/x', "/tmp/${x}/x", "/tmp/a\nb"):
        with pytest.raises(InputTextError):
            lammps_file(Path(path))


def test_keys_of_a_committee_are_names():
    eam = Interaction("eam/alloy", ("Cu",), 5.0)
    for key in ("../x", "/tmp/x", 'a"\nshell touch x'):
        with pytest.raises(ValueError, match="the key of a potential"):
            forces_file(key)
        with pytest.raises(ValueError, match="the key of a potential"):
            render_evaluation({key: (eam, "x.eam.alloy")}, ["Cu"])
    assert "forces.log.dump" in render_evaluation({"log": (eam, "log.eam.alloy")}, ["Cu"])


def test_command_line_of_lammps():
    """Those of docs/howto/machine/gpu.md pass, and nothing that runs or writes another file."""
    for options in (
        [],
        ["-sf", "opt"],
        ["-k", "on", "g", 1, "-sf", "kk", "-pk", "kokkos", "newton", "on", "neigh", "full"],
        ["-pk", "gpu", 2, "split", -1.0, "-sf", "gpu"],
        ["-pk", "kokkos", "neigh/thread", "on", "comm/pair/forward", "device", "gpu/aware", "on"],
        ["-sf", "hybrid", "omp", "gpu", "-pk", "omp", 4],
    ):
        assert lammps_options(options) == [str(option) for option in options]
    for options in (
        ["-in", "potential.eam.alloy"],
        ["-sf", "kk", "-in", "potential.eam.alloy"],
        ["-i", "potential.eam.alloy"],
        ["-log", "/home/me/.bashrc"],
        ["-sf", "kk", "-l", "x"],
        *(["-screen", "x"], ["-var", "x", "1"], ["-v", "x", "1"], ["-mdi", "x"], ["-p", "2x1"]),
        ["-r2data", "resume.restart", "x"],
        ["potential.eam.alloy"],
        *(["-sf", "kk; touch x"], ["-sf", "$(touch x)"], ["-sf", "a\nb"], ["-sf", ""]),
        *(["-sf", "/etc/passwd"], ["-sf", "../x"], ["-pk", "gpu", 1, "ocl_args", "-I/x"]),
    ):
        with pytest.raises(InputTextError, match="a script that calls LAMMPS"):
            lammps_options(options)


# ---- CP2K


@pytest.mark.parametrize(
    "section",
    [
        {"SCF": {"SCF_GUESS": "ATOMIC\n@INCLUDE '/etc/passwd'"}},
        {"BASIS_SET_FILE_NAME": "@INCLUDE"},
        {"BASIS_SET_FILE_NAME": "/etc/passwd"},
        {"BASIS_SET_FILE_NAME": ["BASIS_MOLOPT", "../../secret"]},
        {"PRINT": {"E_DENSITY_CUBE": {"FILENAME": "/home/me/.bashrc"}}},
        {"PRINT": {"E_DENSITY_CUBE": {"FILENAME": "=../x"}}},
        {"RESTART_FILE_NAME": "~/x"},
        {"SCF": {"EPS_SCF": "${HOME}"}},
        {"SCF": {"EPS_SCF": "$HOME"}},
        {"XC": {"XC_FUNCTIONAL": {"_": "PBE\n&END XC_FUNCTIONAL"}}},
        {"XC": [{"_": "PBE &END"}]},
        {"@INCLUDE": "x"},
        {"METHOD\nX": "x"},
        {"method": "x"},
        {"SCF": {"": "x"}},
        {1: "x"},
        {"METHOD": "a \\"},
        {"METHOD": "a ! b"},
        {"METHOD": b"x"},
        {"ANY": "/dev/tcp/host"},
    ],
)
def test_cp2k_sections_that_are_more_than_keywords(section):
    with pytest.raises(InputTextError, match="CP2K"):
        cp2k_input({"FORCE_EVAL": {"DFT": section}})


@pytest.mark.parametrize("protocol", protocol_names("cp2k"))
def test_every_protocol_of_cp2k_passes(protocol):
    from ase.build import bulk

    settings = Cp2kSettings.model_validate(load_protocol("cp2k", protocol))
    for level in range(len(settings.fallbacks)):
        atoms = prepare(bulk("Cu", cubic=True), settings)[0]
        content = run_input("run0000", atoms, 1, settings, level, 60)
        assert cp2k_input(content) == content
    units = {"SMEAR": {"_": True, "ELECTRONIC_TEMPERATURE": "[K] 1000", "A": "[eV/angstrom] 1.0"}}
    assert cp2k_input(units) == units
    printed = {"PRINT": {"E_DENSITY_CUBE": {"FILENAME": "=density", "STRIDE": "1 1 1"}}}
    assert cp2k_input(printed) == printed


def test_restart_files_of_cp2k():
    good = " &GLOBAL\n   PROJECT_NAME s00000-000\n &END GLOBAL\n"
    assert cp2k_restart(good) == good
    for text in (f"{good}@INCLUDE '/etc/passwd'\n", f"{good} @SET A b\n", "A ${HOME}\n", None):
        with pytest.raises(InputTextError, match="continue from the start"):
            cp2k_restart(text)


# ---- VASP


@pytest.mark.parametrize(
    "tags",
    [
        *({"SYSTEM": "a\nNSW = 9"}, {"SYSTEM": "a; NSW = 9"}, {"ALGO": "Fast ! x"}),
        *({"ALGO": "Fast # x"}, {"ALGO": "Fast \\"}, {"LOCPROJ": '"a'}, {"A": "{"}),
        *({"PLUGINS/FORCE_AND_STRESS": True}, {"plugins/structure": True}, {"A B": 1}, {"": 1}),
        *({1: 1}, {"MAGMOM": ["1", "2;NSW=9"]}, {"ALGO": {"a": 1}}, {"A": [[1]]}, {"A\n": 1}),
    ],
)
def test_incar_values_that_set_further_tags(tags):
    with pytest.raises(InputTextError, match="INCAR"):
        vasp_incar(tags)


@pytest.mark.parametrize("protocol", ["liu2025", "quick"])
def test_every_protocol_of_vasp_passes(protocol):
    from ase import Atoms

    settings = VaspSettings.model_validate(load_protocol("vasp", protocol))
    for level in range(len(settings.fallbacks)):
        tags = make_incar(Atoms("Cu"), settings, level)
        assert vasp_incar(tags) == tags
    more = {"SYSTEM": "Cu 13, (box)", "MAGMOM": [1, 2.0], "MAGMOM2": "8*1.0", "LREAL": ".FALSE."}
    more["KERNEL_TRUNCATION/LTRUNCATE"] = True
    assert vasp_incar(more) == more


# ---- nequip


@pytest.mark.parametrize(
    "config",
    [
        {"trainer": {"callbacks": [{"_target_": "os.system", "command": "touch x"}]}},
        {"model": {"_target_": "subprocess.run"}},
        {"model": {"_target_": ["allegro.model.AllegroModel"]}},
        {"model": {"_partial_": True}},
        {"model": {"avg_num_neighbors": "${oc.env:HOME}"}},
        {"model": {"${oc.env:HOME}": 1}},
        {"model": {"avg_num_neighbors": "1\n_target_: os.system"}},
        {"model": {"avg_num_neighbors": object()}},
    ],
)
def test_configurations_that_call_or_evaluate(config):
    with pytest.raises(ValueError, match=r"the configuration|a value of the configuration"):
        config_yaml(config)


def test_what_is_allowed_is_written():
    config = {"a": {"_target_": "x.Y", "b": "${x:y}", "c": [1, None, 2.5, "plain"]}, "d": {3: True}}
    assert yaml.safe_load(hydra_yaml(config, {"x.Y", "${x:y}"})) == config


def test_words_of_the_scheduler():
    for word in ("gpu", "project_1", "user@site", "long.2d", "a+b", "normal,debug"):
        assert scheduler_word(word, "the account") == word
    for word in ("a b", "a\n#SBATCH --wrap=x", "a;b", "$(id)", "", "-p", None, 5):
        with pytest.raises(InputTextError, match="the account"):
            scheduler_word(word, "the account")
