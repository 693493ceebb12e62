"""The task of the summaries' stage B, and of the score: a text in, its summary out."""

from league.tasks.writing import Writer


class Summarize(Writer):
    pass


TASK = Summarize
