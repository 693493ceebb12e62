"""Commands around the scripts: `python -m tools.NAME`."""
