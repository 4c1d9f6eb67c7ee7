"""The command `aiida-nanoclusters run size-scan`, for `verdi run`."""

from aiida_nanoclusters.cli.run.size_scan import main

if __name__ == "__main__":
    main()
