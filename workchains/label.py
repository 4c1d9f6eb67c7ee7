"""The command `aiida-nanoclusters run label`, for `verdi run`."""

from aiida_nanoclusters.cli.run.label import main

if __name__ == "__main__":
    main()
