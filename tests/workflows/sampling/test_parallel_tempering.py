"""Parallel tempering through AiiDA: interruptions, both drivers, several sizes, minima."""

import sys
from pathlib import Path

import numpy as np
import pytest
from aiida.engine import run_get_node
from aiida.orm import CalcJobNode, Dict, Int, List, Str
from ase.units import kB

from aiida_nanoclusters.calculations.sampling.tempering_results import swap_table
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.data.potential import PotentialData
from aiida_nanoclusters.science import keys
from aiida_nanoclusters.science.sampling.tempered_frames import compositions, origins
from aiida_nanoclusters.science.sampling.tempering_settings import ParallelTemperingSettings
from aiida_nanoclusters.science.structures.motifs import mackay_icosahedron
from aiida_nanoclusters.workflows.base.tempering import TemperingBaseWorkChain
from aiida_nanoclusters.workflows.parts.protocol import load_protocol, protocol_names
from aiida_nanoclusters.workflows.sampling.parallel_tempering import (
    ParallelTemperingWorkChain,
    partition_resources,
)
from tests.cluster_potentials import EPSILON, LJ_MINIMA, SIGMA

LADDER = [t * EPSILON / kB for t in (0.2, 0.24, 0.29, 0.35)]
SHORT = {
    "temperatures": LADDER,
    "duration": 16.0,
    "equilibration": 1.6,
    "swap_every": 0.4,
    "sample_every": 2.0,
    "timestep": 0.02,
    "confinement": 1.5,
}


@pytest.fixture
def lennard_jones(aiida_profile) -> PotentialData:
    return PotentialData.lennard_jones("Ar", epsilon=EPSILON, sigma=SIGMA, cutoff=20.0).store()


@pytest.fixture
def cluster(aiida_profile) -> FramesData:
    return FramesData([mackay_icosahedron("Ar", 1, distance=1.1 * SIGMA)]).store()


def base(code, potential, frames, options=None, **changes):
    builder = TemperingBaseWorkChain.get_builder()
    metadata = {"options": {"resources": {"num_machines": 1, "num_mpiprocs_per_machine": 1}}}
    metadata["options"] |= options or {}
    builder.tempering = {
        "code": code,
        "metadata": metadata,
        "frames": frames,
        "potential": potential,
        "settings": Dict({**SHORT, **changes}),
        "seed": Int(5),
    }
    return builder


def test_out_of_time_continues_with_identical_results(nequip_code, lennard_jones, cluster) -> None:
    _, whole = run_get_node(base(nequip_code, lennard_jones, cluster))
    assert whole.is_finished_ok, whole.exit_message
    report = whole.outputs.report
    assert report["jobs"] == 1 and report["attempts_done"] == 44
    builder = base(nequip_code, lennard_jones, cluster, timeout=0.02, duration=1.2)
    _, parts = run_get_node(builder)
    assert parts.is_finished_ok, parts.exit_message
    assert parts.outputs.report["jobs"] > 1 and parts.outputs.report["attempts_done"] == 7
    one, other = swap_table(whole.outputs.swaps), swap_table(parts.outputs.swaps)
    assert np.array_equal(one.replica_energies[:7], other.replica_energies)
    assert np.array_equal(one.replica_temperatures[:7], other.replica_temperatures)
    frames, few = whole.outputs.trajectory.frames, parts.outputs.trajectory.frames
    kept = origins(frames)["step"] <= 140
    assert np.array_equal(frames.select(kept).positions, few.positions)


def test_killed_job_continues(code_on, lennard_jones, cluster, tmp_path) -> None:
    """The first job is killed while it runs, by SIGKILL; its checkpoint is continued."""
    script = tmp_path / "python"
    script.write_text(
        f"""#!/bin/bash
if [ -e {tmp_path}/once ]; then exec {sys.executable} "$@"; fi
touch {tmp_path}/once
sed -i 's/"checkpoint_every": 30.0/"checkpoint_every": 0.0/' tempering.json
{sys.executable} "$@" &
for k in $(seq 3000); do [ $(stat -c %s swaps.bin) -gt 1000 ] && break; sleep 0.01; done
kill -9 $!
wait
"""
    )
    script.chmod(0o755)
    code = code_on("killed", str(script))
    _, node = run_get_node(base(code, lennard_jones, cluster, duration=80.0))
    assert node.is_finished_ok, node.exit_message
    jobs = sorted((n for n in node.called if isinstance(n, CalcJobNode)), key=lambda n: n.pk)
    assert [job.exit_status for job in jobs] == [311, 0]
    assert "checkpoint" in jobs[1].inputs and node.outputs.report["jobs"] == 2
    table = swap_table(node.outputs.swaps)
    assert table.steps.tolist() == [20 * k for k in range(1, 205)]
    steps = origins(node.outputs.trajectory.frames)["step"]
    assert len(steps) == 4 * 40 and len(set(steps.tolist())) == 40  # each once


def test_run_without_progress_ends_with_what_is_there(code_on, lennard_jones, cluster) -> None:
    code = code_on("nothing", "/bin/true")
    _, node = run_get_node(base(code, lennard_jones, cluster))
    assert node.exit_status == 420 and "swaps" not in node.outputs


def test_unstable_replica_is_told(nequip_code, lennard_jones, cluster) -> None:
    builder = base(
        nequip_code, lennard_jones, cluster, relax_start=None, confinement_radius=8.0, timestep=0.02
    )
    squeezed = cluster.frames[0]
    squeezed.positions *= 0.02
    builder.tempering.frames = FramesData([squeezed])
    _, node = run_get_node(builder)
    assert node.exit_status == 430
    assert "did not move" in node.exit_message and "K" in node.exit_message


def test_temper_of_lammps(code_on, lennard_jones, cluster, tmp_path) -> None:
    """The same table and frames with each replica in a rank of its own; killed and continued."""
    script, folder = tmp_path / "temper", Path(sys.prefix) / "bin"
    script.write_text(
        f"""#!/bin/bash
export PATH={folder}:$PATH OMP_NUM_THREADS=1
if [ -e {tmp_path}/once ]; then exec mpirun -np 4 lmp "$@"; fi
touch {tmp_path}/once
mpirun -np 4 lmp "$@" &
for k in $(seq 3000); do [ -e state.3.1200 ] && break; sleep 0.01; done
pkill -9 -P $! ; kill -9 $!
wait
sleep 0.5
"""
    )
    script.chmod(0o755)
    code = code_on("temper", str(script))
    builder = base(code, lennard_jones, cluster, driver="partition", duration=80.0)
    _, node = run_get_node(builder)
    assert node.is_finished_ok, node.exit_message
    jobs = sorted((n for n in node.called if isinstance(n, CalcJobNode)), key=lambda n: n.pk)
    assert [job.exit_status for job in jobs] == [311, 0]
    assert node.outputs.report["driver"] == "partition"
    table = swap_table(node.outputs.swaps)
    assert table.steps.tolist() == [20 * k for k in range(1, 205)]
    assert np.array_equal(
        np.sort(table.replica_temperatures, axis=1), np.tile(np.arange(4), (204, 1))
    )
    steps = origins(node.outputs.trajectory.frames)["step"]
    assert len(steps) == 4 * 40 and len(set(steps.tolist())) == 40


@pytest.mark.parametrize(
    ("options", "processes", "expected"),
    [
        ({"num_machines": 1}, 12, (1, 12)),
        ({"num_machines": 4, "num_mpiprocs_per_machine": 1}, 12, (4, 3)),
        ({"num_machines": 4}, 10, (2, 5)),
        ({"num_machines": 4, "tot_num_mpiprocs": 4}, 7, (1, 7)),
    ],
)
def test_each_replica_has_its_ranks(options, processes, expected) -> None:
    found = partition_resources({"resources": options}, processes)
    assert found == {
        "num_machines": expected[0],
        "num_mpiprocs_per_machine": expected[1],
    }


def test_temper_without_mpi_is_refused(lmp_code, lennard_jones, cluster) -> None:
    with pytest.raises(ValueError, match="mpi: true"):
        ParallelTemperingWorkChain.get_builder_from_protocol(
            lmp_code,
            lennard_jones,
            protocol="trial",
            overrides={"settings": {"driver": "partition"}},
            frames=cluster,
        )


def test_work_chain_of_two_sizes(nequip_code, lmp_code, lennard_jones) -> None:
    """A ladder chosen for each size, sampled frames sorted, and their minima."""
    starts = FramesData(
        [mackay_icosahedron("Ar", 1, distance=1.1 * SIGMA)[:12], mackay_icosahedron("Ar", 1)]
    )
    settings = {
        **SHORT,
        "temperatures": None,
        "ladder": {
            "lowest": LADDER[0],
            "highest": LADDER[-1],
            "acceptance": 0.3,
            "runs": 3,
            "duration": 16.0,
        },
        "relax_stages": [{"kind": "relax", "force_tolerance": 1e-4}],
    }
    builder = ParallelTemperingWorkChain.get_builder_from_protocol(
        nequip_code,
        lennard_jones,
        lmp_code,
        protocol="trial",
        overrides={"settings": settings},
        frames=starts,
    )
    _, node = run_get_node(builder)
    assert node.is_finished_ok, node.exit_message
    out = node.outputs
    assert set(out.swaps) == set(out.thermodynamics) == {"Ar12", "Ar13"}
    for name in ("Ar12", "Ar13"):
        ladder = out.report[name]["temperatures"]
        assert ladder[0] == pytest.approx(LADDER[0], abs=0.01)
        assert ladder[-1] == pytest.approx(LADDER[-1], abs=0.01)
        found = out.thermodynamics[name]
        assert found.get_array(keys.TEMPERATURES)[0] == ladder[0]
        assert np.all(np.diff(found.get_array(keys.POTENTIAL_ENERGIES)) > 0)
        assert np.all(found.get_array(keys.HEAT_CAPACITIES) > 2.5)
    frames, minima = out.trajectory.frames, out.minima.frames
    assert frames.sizes.tolist() == sorted(frames.sizes.tolist())
    for size in (12, 13):
        temperatures = origins(frames.select(frames.sizes == size))["temperature"]
        assert np.all(np.diff(temperatures) >= 0)
        lowest = minima.energies[minima.sizes == size].min() / EPSILON
        assert lowest == pytest.approx(LJ_MINIMA[size], abs=0.5)  # of the potential that is cut
    index = out.minimum_of.get_array(keys.MINIMUM_OF)
    assert len(index) == len(frames) and index.max() == len(minima) - 1
    counts = [atoms.info["count"] for atoms in minima]
    assert counts == np.bincount(index[index >= 0], minlength=len(minima)).tolist()
    assert np.array_equal(minima.sizes[index[index >= 0]], frames.sizes[index >= 0])


def test_compositions_keep_their_frames(cluster) -> None:
    images = [cluster.frames[0], cluster.frames[0][:5], cluster.frames[0]]
    assert compositions(FramesData(images).frames) == {"Ar13": [0, 2], "Ar5": [1]}


@pytest.mark.parametrize("protocol", sorted(protocol_names("parallel_tempering")))
def test_protocols_are_valid(protocol) -> None:
    values = load_protocol("parallel_tempering", protocol, element="Au")["settings"]
    assert ParallelTemperingSettings.problem(values) is None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"temperatures": [300.0]}, "two temperatures"),
        ({"temperatures": [300.0, 200.0]}, "ascending"),
        ({"temperatures": None}, "either `temperatures`"),
        ({"sample_every": 0.0, "relax_stages": [{"kind": "relax"}]}, "sample_every"),
        ({"swap_every": 1e-4}, "shorter than `timestep`"),
        ({"driver": "partition", "confinement": None}, "needs a `confinement`"),
        ({"damping": 0.001}, "several time steps"),
    ],
)
def test_settings_name_their_fix(changes, said) -> None:
    problem = ParallelTemperingSettings.problem({**SHORT, **changes})
    assert problem is not None and said in problem


def test_clusters_are_given_or_built(nequip_code, lennard_jones, cluster) -> None:
    builder = ParallelTemperingWorkChain.get_builder_from_protocol(
        nequip_code, lennard_jones, element="Ar", sizes=[13], protocol="trial"
    )
    assert builder.relax["potential"]["lammps"]["potential"] is lennard_jones
    builder.frames = cluster
    with pytest.raises(ValueError, match="either `frames`"):
        run_get_node(builder)
    del builder.frames
    builder.element, builder.sizes = Str("Cu"), List([13])
    with pytest.raises(ValueError, match="does not know Cu"):
        run_get_node(builder)
