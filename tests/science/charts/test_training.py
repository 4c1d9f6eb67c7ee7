"""Trainings of charts: equal seeds, interruptions, pairs, and what the files may hold."""

import io
import json
import shutil
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import torch

from aiida_nanoclusters.science.charts import training
from aiida_nanoclusters.science.charts.chart import ARRAYS_FILE, CHART_FILE, Chart
from aiida_nanoclusters.science.charts.distributions import pair_distributions
from aiida_nanoclusters.science.charts.network import count_weights, make_network, weight_shapes
from aiida_nanoclusters.science.charts.settings import ChartSettings
from aiida_nanoclusters.science.charts.training_data import prepare
from aiida_nanoclusters.science.charts.training_files import (
    CARRIED,
    PACKAGE,
)
from aiida_nanoclusters.science.training_files import (
    CHECKPOINT_FILE,
    CURVE_FILE,
    PREVIOUS_FILE,
    REPORT_FILE,
)
from tests.carried import lay_out
from tests.small_charts import SMALL, rattled, trained, write_job


@pytest.fixture(scope="module")
def frames():
    return rattled()


@pytest.fixture(scope="module")
def chart(frames, tmp_path_factory):
    return trained(frames, tmp_path_factory.mktemp("chart"))


def test_equal_seeds_give_equal_charts(chart, frames, tmp_path):
    assert trained(frames, tmp_path / "same").content() == chart.content()
    assert trained(frames, tmp_path / "other", seed=2).content()[1] != chart.content()[1]


def test_precision_that_others_left_in_the_process_changes_nothing(chart, frames, tmp_path):
    """As a model of nequip does."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        assert trained(frames, tmp_path / "same").content() == chart.content()
    finally:
        torch.set_default_dtype(before)


def test_interrupted_training_ends_as_one_that_was_not(chart, frames, tmp_path):
    """Stopped after some epochs and continued twice, the chart is the same to the last bit."""
    settings = ChartSettings(**SMALL)
    for number, epochs in enumerate((3, 11)):
        folder = tmp_path / str(number)
        short = {**SMALL, "training": {**SMALL["training"], "epochs": epochs, "fewest_epochs": 1}}
        write_job(frames, folder, short)
        if number:
            shutil.copy(tmp_path / str(number - 1) / CHECKPOINT_FILE, folder / PREVIOUS_FILE)
        training.main(str(folder / "job.json"))
    last = tmp_path / "last"
    write_job(frames, last)
    shutil.copy(tmp_path / "1" / CHECKPOINT_FILE, last / PREVIOUS_FILE)
    training.main(str(last / "job.json"))
    assert Chart.load(last).content() == chart.content()
    report = json.loads((last / REPORT_FILE).read_text())
    assert (report["first_epoch"], report["epochs_done"]) == (11, settings.training.epochs)


def test_time_that_is_up_leaves_a_checkpoint(frames, tmp_path):
    write_job(frames, tmp_path / "a", max_seconds=1e-6)
    training.main(str(tmp_path / "a" / "job.json"))
    report = json.loads((tmp_path / "a" / REPORT_FILE).read_text())
    assert (report["ended"], report["epochs_done"]) == ("time", 0)
    assert (tmp_path / "a" / CHECKPOINT_FILE).exists()


def test_program_needs_nothing_of_this_package(chart, frames, tmp_path):
    """What a job carries runs alone, and gives the same chart."""
    write_job(frames, tmp_path)
    for text in lay_out(tmp_path, CARRIED):
        assert "aiida_nanoclusters" not in text
    command = [sys.executable, "-m", f"{PACKAGE}.training", "job.json"]
    subprocess.run(command, cwd=tmp_path, check=True)
    assert Chart.load(tmp_path).content() == chart.content()
    with np.load(tmp_path / CURVE_FILE) as curve:
        assert len(curve["val_loss"]) == SMALL["training"]["epochs"]


def test_motifs_lie_apart_and_axes_are_principal(chart, frames):
    """Copies of a motif lie closer to each other than to any other motif."""
    rows = pair_distributions(frames, chart.distribution)
    where = chart.coordinates(rows)
    groups = [where[20 * k : 20 * (k + 1)] for k in range(3)]
    centres = np.array([group.mean(axis=0) for group in groups])
    spread = max(np.linalg.norm(g - c, axis=1).max() for g, c in zip(groups, centres, strict=True))
    apart = min(np.linalg.norm(centres[i] - centres[j]) for i, j in ((0, 1), (0, 2), (1, 2)))
    assert apart > 3 * spread
    held = len(chart.seen)
    assert held == 48  # of 60 frames a fifth is held out
    known = chart.seen.astype(float)
    assert np.abs(known.mean(axis=0)).max() < 1e-4
    assert np.sqrt((known**2).sum(axis=1).mean()) == pytest.approx(1.0, abs=1e-4)
    covariance = known.T @ known / held
    assert np.abs(covariance - np.diag(np.diag(covariance))).max() < 1e-4
    assert (np.diff(np.diag(covariance)) <= 1e-6).all()


def test_turning_the_axes_changes_no_reconstruction(frames, tmp_path):
    """The network of the best epoch and the chart reconstruct alike."""
    write_job(frames, tmp_path)
    training.main(str(tmp_path / "job.json"))
    chart = Chart.load(tmp_path)
    with np.load(tmp_path / CHECKPOINT_FILE) as archive:
        best = {k.removeprefix("best/"): archive[k] for k in archive if k.startswith("best/")}
    raw = Chart(chart.head, chart.minimum, chart.scale, chart.target_minimum, chart.target_scale,
                chart.seen, best)  # fmt: skip
    rows = pair_distributions(frames, chart.distribution)
    assert chart.reconstruction_errors(rows) == pytest.approx(
        raw.reconstruction_errors(rows), abs=1e-5
    )


def test_pairs_go_from_thermal_frames_to_their_minima(frames, tmp_path):
    """Hot frames of a motif land where its minimum lies; without the pairs they land elsewhere."""
    minima = rattled(copies=5, width=1e-3, seed=3)
    hot = rattled(copies=30, width=0.04, seed=4)
    minimum_of = np.repeat(np.arange(15).reshape(3, 5), 6, axis=1).ravel()
    settings = {**SMALL, "training": {**SMALL["training"], "reproduces": "thermal", "epochs": 40}}
    folder = tmp_path / "pairs"
    write_job(minima, folder, settings)
    from aiida_nanoclusters.formats.frames_file import write_frames
    from aiida_nanoclusters.science.charts.training_files import PAIRS_FILE, THERMAL_FILE

    write_frames(hot, folder / THERMAL_FILE)
    np.save(folder / PAIRS_FILE, minimum_of)
    training.main(str(folder / "job.json"))
    chart = Chart.load(folder)
    assert chart.head.reproduces == "thermal"
    cold = chart.coordinates(pair_distributions(minima, chart.distribution))
    warm = chart.coordinates(pair_distributions(hot, chart.distribution))
    for k in range(3):
        own, others = (
            cold[5 * k : 5 * k + 5].mean(axis=0),
            np.delete(cold, range(5 * k, 5 * k + 5), 0),
        )
        distance = np.linalg.norm(warm[30 * k : 30 * k + 30] - own, axis=1).mean()
        assert distance < 0.5 * np.linalg.norm(others - own, axis=1).min()


def test_frames_of_a_minimum_are_held_out_together():
    random = np.random.default_rng(0)
    relaxed, thermal = random.random((10, 8)), random.random((40, 8))
    settings = ChartSettings(**SMALL).training.model_dump()
    index = np.append(random.integers(0, 10, 39), -1)
    data = prepare(relaxed.astype("f4"), thermal.astype("f4"), index, settings)
    assert len(data.inputs) == 49  # one thermal frame has no minimum
    group = np.concatenate([np.arange(10), index[:-1]])
    held = {bool(data.held_out[k]): set() for k in range(49)}
    for k in range(49):
        held[bool(data.held_out[k])].add(int(group[k]))
    assert not held[True] & held[False]
    with pytest.raises(ValueError, match="too few"):
        prepare(relaxed[:2].astype("f4"), None, None, settings)


def test_shapes_are_known_without_torch():
    for bins, channels, kernels in ((340, [128, 64, 32, 16], [20, 15, 10, 5]), (67, [4], [3])):
        network = make_network(bins, {"channels": channels, "kernels": kernels, "dimensions": 3})
        state = {name: tuple(t.shape) for name, t in network.state_dict().items()}
        assert state == weight_shapes(bins, channels, kernels, 3)
        assert count_weights(bins, channels, kernels, 3) == sum(
            t.numel() for t in network.state_dict().values()
        )


def test_encoder_by_its_layers(chart, frames):
    """The plain numbers of the layers give the coordinates, by torch's functions."""
    rows = pair_distributions(frames, chart.distribution)
    x = torch.from_numpy((rows - chart.minimum) / chart.scale)[:, None]
    functional = torch.nn.functional
    for name, own in chart.encoder_layers():
        own = {k: torch.from_numpy(v) if isinstance(v, np.ndarray) else v for k, v in own.items()}
        if name == "Conv1d":
            x = functional.conv1d(functional.pad(x, own["padding"]), own["weight"], own["bias"])
        elif name == "MaxPool1d":
            x = functional.max_pool1d(x, own["kernel_size"])
        elif name == "ReLU":
            x = functional.relu(x)
        elif name == "BatchNorm1d":
            mean, variance = own["running_mean"], own["running_var"]
            x = functional.batch_norm(x, mean, variance, own["weight"], own["bias"], eps=own["eps"])
        elif name == "Flatten":
            x = x.flatten(1)
        else:
            x = functional.linear(x, own["weight"], own["bias"])
    assert np.abs(x.numpy() - chart.coordinates(rows)).max() < 1e-5


def test_known_frames_lie_inside_and_others_outside(chart):
    """A line and a sphere shell are unlike all clusters; new copies of known motifs are not."""
    again = pair_distributions(rattled(seed=9, copies=10), chart.distribution)
    assert chart.lies_outside(again).mean() < 0.2
    strange = rattled(copies=1, width=0.3, seed=2)
    assert chart.lies_outside(pair_distributions(strange, chart.distribution)).all()


def test_files_round_trip_and_are_bounded(chart, tmp_path):
    chart.save(tmp_path)
    assert Chart.load(tmp_path).content() == chart.content()
    text, arrays = chart.content()
    head = json.loads(text)
    for wrong in (
        "[]",
        "{" * 10_000,
        "x" * 2_000_000,
        json.dumps({**head, "extra": 1}),
        json.dumps({**head, "architecture": 2}),
        json.dumps({**head, "n_seen": 10**9}),
        json.dumps({**head, "network": {**head["network"], "channels": [1024, 1024]}}),
    ):
        with pytest.raises(ValueError, match="not a chart"):
            Chart.from_content(wrong, io.BytesIO(arrays))
    with pytest.raises(ValueError, match="no chart in"):
        Chart.load(tmp_path / "nowhere")


def test_arrays_that_carry_objects_or_lie_are_refused(chart):
    """An array of objects would be unpickled: it is refused by its header."""
    text, arrays = chart.content()

    def changed(name, content, compress=zipfile.ZIP_STORED):
        buffer = io.BytesIO()
        with (
            zipfile.ZipFile(io.BytesIO(arrays)) as old,
            zipfile.ZipFile(buffer, "w", compress) as new,
        ):
            for member in old.infolist():
                new.writestr(
                    member.filename,
                    content if member.filename == name else old.read(member),
                    compress_type=compress,
                )
        return buffer

    hostile = io.BytesIO()
    np.save(hostile, np.array([print], dtype=object), allow_pickle=True)
    nan = io.BytesIO()
    np.save(nan, np.full(len(chart.scale), np.nan, dtype=np.float32))
    for content in (hostile.getvalue(), b"", b"\x93NUMPY", nan.getvalue()):
        with pytest.raises(ValueError, match="chart"):
            Chart.from_content(text, changed("scale.npy", content))
    with pytest.raises(ValueError, match="compressed"):
        Chart.from_content(text, changed("", b"", zipfile.ZIP_DEFLATED))
    assert (CHART_FILE, ARRAYS_FILE) == ("chart.json", "chart.npz")
