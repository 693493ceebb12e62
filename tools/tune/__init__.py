"""Tuning inside the league's clock: many short trials, then the best settings once in full."""
