"""`python -m darkroom`: the `darkroom` command."""

from pipelines.cli.main import main

if __name__ == "__main__":
    main()
