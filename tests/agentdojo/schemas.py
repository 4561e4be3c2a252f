"""The JSON Schemas of the tools that take a body, from the package's own signatures, into a folder that the recipe makes."""

import json
from pathlib import Path

from suites import TOOLS


def write(suite, folder):
    """One file for each writing tool: `<tool>.json`."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for tool in TOOLS[suite].values():
        if not tool.reads:
            schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **tool.schema}
            (folder / f"{tool.name}.json").write_text(json.dumps(schema, indent=1))
    return folder
