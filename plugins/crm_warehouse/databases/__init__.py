"""The way in through a source's own database; ``factory.py`` is where it begins."""
