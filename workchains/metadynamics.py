"""The command `aiida-nanoclusters run metadynamics`, for `verdi run`."""

from aiida_nanoclusters.cli.run.metadynamics import main

if __name__ == "__main__":
    main()
