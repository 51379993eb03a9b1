"""The document about mirrors and files says what the code does."""

import re
from pathlib import Path

from goldenrod.sources import declarations
from goldenrod.sources.declarations import Files, SimpleStreams
from goldenrod.sources.files import document

PAGE = (Path(__file__).parents[3] / "docs" / "mirrors-and-files.md").read_text("utf-8")


def test_the_documented_declarations_can_be_loaded_and_are_of_all_types(tmp_path: Path) -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "sources.toml").write_text(example)
    (tmp_path / "rules.toml").write_text("[[rule]]\nname = 'any'\nmatch = '(?P<version>[0-9]+)'\n")
    loaded = declarations.load(tmp_path / "sources.toml")
    kinds = {SimpleStreams, *Files.__subclasses__()}
    assert {type(one) for one in loaded} == kinds
    tags = {kind.__struct_config__.tag for kind in kinds}
    assert set(re.findall(r"^\| `([a-z-]+)` \| [^|]+ \| [^|]+ \| [^|]+ \|", PAGE, re.M)) == tags


def test_the_documented_limits_are_those_of_the_code() -> None:
    assert f"larger than {document.size_text(document.MOST_BYTES)}" in " ".join(PAGE.split())
    assert f"more than {document.MOST_ROWS:,} machines" in " ".join(PAGE.split())
