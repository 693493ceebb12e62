"""The benchmark: `python -m benchmarks` measures the recipe beside the library's own way, in alternation."""
