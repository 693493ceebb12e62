"""The league in a browser: board, translator, reports, and what is running now."""
