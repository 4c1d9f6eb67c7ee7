"""LAMMPS input: stages of dynamics and minimisation, run on many structures.

Every structure, stage and step has one time step number (:class:`.Plan`), which identifies dumped
frames and rows of the log.
"""

from __future__ import annotations

from collections.abc import Sequence

from ase.data import atomic_masses, atomic_numbers

from aiida_nanoclusters.formats.input_text import chemical_symbols, lammps_script
from aiida_nanoclusters.formats.lammps.dump import Box
from aiida_nanoclusters.formats.lammps.job import STEEP_STEPS, Job, Plan, Resume
from aiida_nanoclusters.science.sampling.seeds import derive_seed
from aiida_nanoclusters.science.sampling.stages import count_steps

INPUT_FILE = "input.lammps"
LOG_FILE = "log.lammps"
STRUCTURES_FILE = "structures.dump"
TRAJECTORY_FILE = "trajectory.dump"
FINAL_FILE = "final.dump"
RESUME_FILE = "resume.restart"
STOP_FILE = "run.stop"
#: Restart files of the stage in progress, written in turn.
RUN_FILES = ("run.a", "run.b")
#: Restart files of completed stages, written in turn.
STAGE_FILES = ("stage.0", "stage.1")
#: All restart files from which a job may be continued.
RESTART_FILES = (STOP_FILE, *RUN_FILES, *STAGE_FILES, RESUME_FILE)
MARK = "nanoclusters:"
THERMO = ("temp", "pe", "ke", "press", "vol", "c_fmax")

#: Beyond these the start is broken (overlapping atoms) or the motion has run away.
HUGE = 1e10
HOT = 20000.0
#: eV/Å; conjugate gradients take such forces away before FIRE begins.
STEEP = 100.0
GPA_IN_BAR = 1e4
#: Å by which the neighbour list exceeds the cutoff.
SKIN = 1.0
_COLUMNS = "id xu yu zu f_pure[1] f_pure[2] f_pure[3]"
_OUT_OF_TIME = 'if "$(timeremain:%.0f) <= 0" then "jump SELF end"'


def render_stages(job: Job) -> str:
    """Return the LAMMPS input that runs all stages on all structures.

    Clusters lie in a fixed box with reflecting walls: an evaporated atom stays in the job, where a
    shrink-wrapped box would grow without bounds and a periodic one would bring it back from the
    other side unnoticed. A structure that blows up is given up alone, the next one begins.
    """
    plan = job.plan
    lines = ["# rendered by aiida-nanoclusters", "units metal"]
    if job.timeout is not None:
        lines.append(f"timer timeout {job.timeout} every 5")
    previous: bool | None = None
    for index, box in enumerate(job.boxes):
        resume = job.resume if index == 0 else None
        walls = box.is_isolated
        if resume is not None:
            lines += [f"read_restart {RESUME_FILE}", *_interaction_lines(job)]
        elif walls != previous:
            if previous is not None:
                lines += _clear(job)
            lines += [*_box_lines(job, walls), *_interaction_lines(job)]
        previous = walls
        lines += _structure_lines(job, plan, index, resume)
    return lammps_script([*lines, "label end", f'print "{MARK} end"', ""])


def mass_lines(symbols: Sequence[str]) -> list[str]:
    """Return the masses of atom types in the order of `symbols`, in atomic mass units."""
    masses = [atomic_masses[atomic_numbers[symbol]] for symbol in chemical_symbols(symbols)]
    return [f"mass {i} {mass}" for i, mass in enumerate(masses, start=1)]


def _box_lines(job: Job, walls: bool) -> list[str]:
    shape = "block 0 1 0 1 0 1" if walls else "prism 0 1 0 1 0 1 0 0 0"
    return [
        "atom_style atomic",
        "atom_modify map array",
        f"boundary {'f f f' if walls else 'p p p'}",
        "box tilt large",
        f"region box {shape}",
        f"create_box {len(job.symbols)} box",
    ]


def _interaction_lines(job: Job) -> list[str]:
    return [
        *mass_lines(job.symbols),
        *job.interaction.lammps_lines(job.symbols),
        f"neighbor {SKIN} bin",
        "neigh_modify every 1 delay 0 check yes",
        # The thermostat adds random forces to fx, fy, fz; these are the potential's own.
        "fix pure all store/force",
        "variable fnorm atom sqrt(f_pure[1]^2+f_pure[2]^2+f_pure[3]^2)",
        "compute fmax all reduce max v_fnorm",
        f"thermo_style custom step {' '.join(THERMO)} fnorm",
        "thermo_modify lost warn norm no flush yes format float %.12g",
        f'variable broken equal "!(pe < {HUGE}) || !(fnorm < {HUGE})"',
    ]


def _clear(job: Job) -> list[str]:
    if job.timeout is None:
        return ["clear", "units metal"]
    return [  # `clear` forgets the clock
        "variable left string $(timeremain:%.0f)",
        _OUT_OF_TIME,
        "clear",
        "units metal",
        "timer timeout ${left} every 5",
    ]


def _structure_lines(job: Job, plan: Plan, k: int, resume: Resume | None) -> list[str]:
    n, box = job.sizes[k], job.boxes[k]
    lines = ["", f'print "{MARK} structure {k} begins"']
    if job.timeout is not None:
        lines.append(_OUT_OF_TIME)
    if resume is not None:
        lines.append(
            f'if "$(step:%.0f) != {resume.timestep}" then &\n  "print \'{MARK} structure {k} stage '
            f"{resume.stage} failed stale: the restart file is of step $(step:%.0f), not "
            f'{resume.timestep}\'" &\n  "jump SELF end"'
        )
    else:
        lines += [
            f"read_dump {STRUCTURES_FILE} {k} x y z box yes purge yes replace no add keep",
            f"reset_timestep {plan.start(k, 0)}",
        ]
    lines += [
        f"compute_modify thermo_temp extra/dof {_fixed_motions(n, box)}",
        f'variable astray equal "(count(all) != {n}) || !(temp < {HOT})"',
    ]
    if resume is None:
        lines += [
            "run 0 post no",
            f'if "${{broken}} > 0" then &\n  "print \'{MARK} structure {k} stage 0 failed '
            f'overlap\'" &\n  "jump SELF next_{k}"',
        ]
        if n >= 64 and box.is_isolated:
            lines.append(
                'if "$(extract_setting(world_size)) > 1" then "balance 1.1 shift xyz 20 1.05"'
            )
    first = resume.stage if resume else 0
    for s in range(first, len(job.stages)):
        step = resume.step if resume and s == first else None
        lines += _stage_lines(job, plan, k, s, step)
    last = len(job.stages) - 1
    lines += [
        f"write_dump all custom {FINAL_FILE} {_COLUMNS} modify append yes sort id "
        "format float %.17g",
        f'print "{MARK} structure {k} stage {last} finished"',
        f"label next_{k}",
    ]
    return lines


def _fixed_motions(n: int, box: Box) -> int:
    """Degrees of freedom that are held still: translations, and rotations of a cluster."""
    if n == 1 or not box.is_isolated:
        return 3
    return 5 if n == 2 else 6


def _stage_lines(job: Job, plan: Plan, k: int, s: int, resumed: int | None) -> list[str]:
    stage, start = job.stages[s], plan.start(k, s)
    lines = [""]
    if job.timeout is not None and resumed is None and s > 0:
        lines.append(_OUT_OF_TIME)
    lines.append(f'print "{MARK} structure {k} stage {s} begins at {resumed or 0}"')
    if resumed is not None or s > 0:
        lines.append(f"reset_timestep {start + (resumed or 0)}")
    if stage.is_dynamic and job.sizes[k] > 1:
        lines += _dynamic_lines(job, plan, k, s, resumed)
    elif not stage.is_dynamic:
        lines += _minimise_lines(job, k, s, resumed or 0)
    else:  # one atom stands still
        lines.append("run 0 post no")
    lines.append(
        f'print "{MARK} structure {k} stage {s} done step $(step:%.0f) energy $(pe:%.17g) '
        'max_force $(c_fmax:%.17g)"'
    )
    if s + 1 < len(job.stages):
        lines.append(f"write_restart {STAGE_FILES[s % 2]}")
        lines.append(f'print "{MARK} structure {k} stage {s} saved"')
    return lines


def _dynamic_lines(job: Job, plan: Plan, k: int, s: int, resumed: int | None) -> list[str]:
    stage, start, box = job.stages[s], plan.start(k, s), job.boxes[k]
    steps = count_steps(stage, job.factors[k])
    hot_from_before = s > 0 and job.stages[s - 1].is_dynamic
    t0 = stage.temperature[0]
    lines = []
    if not resumed and not hot_from_before:
        lines.append(
            f"velocity all create {t0!r} {derive_seed(job.seeds[k], s, 0)} mom yes rot "
            f"{'yes' if box.is_isolated else 'no'} dist gaussian loop all temp thermo_temp"
        )
    lines += [f"timestep {steps.timestep!r}", f"thermo {steps.thermo}"]
    fixes = _thermostat_fixes(job, k, s, resumed or 0)
    if s == len(job.stages) - 1:
        fixes += job.bias
    names = [fix.split()[1] for fix in fixes]
    lines += fixes
    if steps.sample:
        lines += _dump_lines(steps.sample)
    lines += [
        f"restart {steps.restart} {' '.join(RUN_FILES)}",
        f"run {start + steps.total} upto start {start} stop {start + steps.total}",
        "restart 0",
        f'variable gone equal "{start + steps.total} - step"',
        f'if "${{astray}} > 0" then &\n  "print \'{MARK} structure {k} stage {s} failed '
        f"unstable with $(count(all)) atoms at $(temp) K'\"",
        "variable failed equal ${astray}",
    ]
    if job.timeout is not None:
        lines.append(_stop_line(k, s, "(${failed} == 0) && (${gone} > 0)"))
    lines += [f"unfix {name}" for name in names]
    if steps.sample:
        lines.append("undump frames")
    lines.append(f'if "${{failed}} > 0" then "jump SELF next_{k}"')
    return lines


def _dump_lines(every: int) -> list[str]:
    return [
        f"dump frames all custom {every} {TRAJECTORY_FILE} {_COLUMNS}",
        "dump_modify frames append yes sort id format float %.12g",
    ]


def _stop_line(k: int, s: int, condition: str) -> str:
    return (
        f'if "{condition}" then &\n  "write_restart {STOP_FILE}" &\n'
        f"  \"print '{MARK} structure {k} stage {s} stopped at $(step:%.0f)'\" &\n"
        '  "jump SELF end"'
    )


def _thermostat_fixes(job: Job, k: int, s: int, step: int) -> list[str]:
    stage, box = job.stages[s], job.boxes[k]
    t0, t1 = stage.temperature
    barostat = ""
    if stage.pressure is not None and box.is_periodic:
        bar = stage.pressure * GPA_IN_BAR
        barostat = f" iso {bar!r} {bar!r} {stage.pressure_damping!r}"
    if stage.thermostat == "langevin":
        seed = derive_seed(job.seeds[k], s, step, 1)
        fixes = [
            f"fix integrate all nph{barostat}" if barostat else "fix integrate all nve",
            f"fix thermostat all langevin {t0!r} {t1!r} {stage.damping!r} {seed} zero yes",
        ]
    else:
        style = "npt" if barostat else "nvt"
        fixes = [
            f"fix integrate all {style} temp {t0!r} {t1!r} {stage.damping!r}{barostat}\n"
            "fix_modify integrate temp thermo_temp"
        ]
    turning = " angular" if box.is_isolated else ""
    fixes.append(f"fix momentum all momentum 10 linear 1 1 1{turning}")
    if box.is_isolated:
        walls = " ".join(f"{axis}{end} EDGE" for axis in "xyz" for end in ("lo", "hi"))
        fixes.append(f"fix walls all wall/reflect {walls}")
    fixes.append("fix guard all halt 10 v_astray > 0 error continue message no")
    return fixes


def _minimise_lines(job: Job, k: int, s: int, done: int) -> list[str]:
    """Minimise; conjugate gradients that give up too early are followed by FIRE."""
    stage = job.stages[s]
    tolerance = job.tolerance(stage)
    # All runs of a stage count on, over all jobs it takes, and must not count without end.
    most = min(stage.max_steps, max(1, 4 * stage.max_steps - done))
    minimize = f"minimize 0 {tolerance!r} {most} {10 * most}"
    unconverged = f"$(c_fmax:%.17g) > {tolerance!r}"
    end = ["undump frames"] if stage.sample_steps else []
    lines = [
        f"thermo {stage.sample_steps or max(1, stage.max_steps // 100)}",
        f"timestep {stage.timestep * job.factors[k]!r}",
        "min_style cg",
        "min_modify norm max dmax 0.1",
        "velocity all set 0 0 0",
    ]
    if stage.sample_steps:
        lines += _dump_lines(stage.sample_steps)
    if stage.algorithm == "fire":  # its first step is unbounded, which is too long for close atoms
        lines += [f"minimize 0 {STEEP} {STEEP_STEPS} {10 * STEEP_STEPS}", "min_style fire"]
    if stage.cell != "fixed" and job.boxes[k].is_periodic:
        bar = (stage.pressure or 0.0) * GPA_IN_BAR
        for _ in range(3):  # each round measures strain from the cell where the last one ended
            lines += [f"fix cell all box/relax {stage.cell} {bar!r}", minimize, "unfix cell"]
    else:
        lines.append(minimize)
    failed = [
        f"print '{MARK} structure {k} stage {s} failed unstable with $(count(all)) atoms'",
        *end,
        f"jump SELF next_{k}",
    ]
    lines += [
        'variable failed equal "(v_astray > 0) || (v_broken > 0)"',
        'if "${failed} > 0" then &\n  ' + " &\n  ".join(f'"{command}"' for command in failed),
    ]
    if stage.algorithm == "cg":
        lines.append(f'if "{unconverged}" then "min_style fire" "{minimize}"')
    if job.timeout is not None:
        lines.append(_stop_line(k, s, f"($(timeremain:%.0f) <= 0) && ({unconverged})"))
    return [*lines, *end]
