"""Run as a program: load Airflow's plugins; print what was executed for them."""

import json
import sys
from pathlib import Path


def main(root: str) -> None:
    from airflow.plugins_manager import _get_plugins

    plugins, errors = _get_plugins()
    folder = Path(root) / "plugins"
    modules = {
        name: Path(module.__file__).relative_to(folder).as_posix()
        for name, module in sys.modules.items()
        if getattr(module, "__file__", None)
        and Path(module.__file__).is_relative_to(folder)
    }
    names = sorted(str(plugin.name) for plugin in plugins)
    print(json.dumps({"plugins": names, "errors": errors, "modules": modules}))


if __name__ == "__main__":
    main(sys.argv[1])
