"""The command `aiida-nanoclusters run edit-core`, for `verdi run`."""

from aiida_nanoclusters.cli.run.edit_core import main

if __name__ == "__main__":
    main()
