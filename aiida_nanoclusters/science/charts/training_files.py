"""Names of the files of a training job of a chart; known without torch."""

from ..training_files import LOOP

#: Package of the module that is run, and what the job carries.
PACKAGE = "science.charts"
CARRIED = {
    **LOOP,
    PACKAGE: (
        *("__init__.py", "kernel_density.py", "network.py"),
        *("training.py", "training_data.py", "training_files.py"),
    ),
}
#: Frames that are read, of minima and thermal; the index of the minimum of each of the latter.
FRAMES_FILE, THERMAL_FILE, PAIRS_FILE = "frames.npz", "thermal.npz", "minimum_of.npy"
#: The chart.
CHART_FILE, ARRAYS_FILE = "chart.json", "chart.npz"
