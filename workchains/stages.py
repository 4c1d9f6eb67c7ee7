"""The command `aiida-nanoclusters run stages`, for `verdi run`."""

from aiida_nanoclusters.cli.run.stages import main

if __name__ == "__main__":
    main()
