"""Write the JSON schemas of what users edit: ``python -m segrepro.protocol.schema``.

Editors complete and check ``config/papers/*.yaml`` with them; a test fails when they are stale.
"""

import json
from pathlib import Path

from segrepro.files import write_text
from segrepro.protocol._frozen import Frozen
from segrepro.protocol.paper import Paper
from segrepro.protocol.settings import Settings

FOLDER = Path("config/schema")


def schemas() -> dict[str, str]:
    """Return file name to content."""
    types: dict[str, type[Frozen]] = {"paper.schema.json": Paper, "config.schema.json": Settings}
    return {
        name: json.dumps(kind.model_json_schema(), indent=2) + "\n" for name, kind in types.items()
    }


def main(folder: Path = FOLDER) -> None:
    """Write every schema."""
    for name, content in schemas().items():
        write_text(folder / name, content)


if __name__ == "__main__":
    main()
