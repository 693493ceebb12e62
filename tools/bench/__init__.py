"""The benchmark: `python -m tools.bench` measures the recipe beside the library's own way, in alternation."""
