from tests.workflows.engines.conftest import family, vasp  # noqa: F401
