"""What the guide says a source takes is what the sources took."""

import re

import pytest
from repository_files import ROOT

GUIDE = (ROOT / "docs" / "add-a-source.md").read_text(encoding="utf-8")
#: Column of the table -> the files of a source, as globs.
FILES = {
    "YAML": ("include/sources/{}.yaml", "examples/{}/sources/{}.yaml"),
    "client": ("plugins/crm_warehouse/clients/{}*.py",),
    "hook": ("plugins/crm_warehouse/hooks/{}.py",),
    "migration": ("sql/migrations/*_{}.sql", "examples/{}/migrations/*.sql"),
    "sandbox": ("include/sandbox/{}/*.py", "examples/{}/sandbox.json"),
}


def _rows() -> dict[str, dict[str, int]]:
    lines = re.findall(
        r"^\| (\w+) \| [^|]+ \|((?: [\d,]+ \|){5})$", GUIDE, re.MULTILINE
    )
    return {
        name.lower(): {
            column: int(figure.replace(",", ""))
            for column, figure in zip(FILES, figures.split("|"), strict=False)
        }
        for name, figures in lines
    }


@pytest.mark.parametrize(
    "source", ["genius", "hubspot", "marketsharp", "activeprospect", "keap"]
)
def test_the_lines_that_a_source_took(source: str) -> None:
    told = _rows()[source]
    for column, globs in FILES.items():
        names = [glob.replace("{}", source) for glob in globs]
        files = [file for name in names for file in ROOT.glob(name)]
        lines = sum(len(file.read_text("utf-8").splitlines()) for file in files)
        assert told[column] == pytest.approx(lines, rel=0.1), (source, column, lines)
