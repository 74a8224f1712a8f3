"""Genius, as the sandbox speaks it; ``system.py`` is where it begins."""
