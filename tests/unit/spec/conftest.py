import sys
from pathlib import Path

# The helper beside the tests, for which no package is needed.
sys.path.insert(0, str(Path(__file__).parent))
