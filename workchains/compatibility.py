"""The command `aiida-nanoclusters run compatibility`, for `verdi run`."""

from aiida_nanoclusters.cli.run.compatibility import main

if __name__ == "__main__":
    main()
