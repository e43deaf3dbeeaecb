"""Prints the lowest version of each dependency that pyproject.toml allows, as constraints for pip."""

import re
import sys
import tomllib

EXTRAS = ("uvloop", "trio", "fast", "dask", "sink")

with open("pyproject.toml", "rb") as file:
    project = tomllib.load(file)["project"]
extras = project["optional-dependencies"]
for requirement in [*project["dependencies"], *(each for name in EXTRAS for each in extras[name])]:
    name, _, marker = requirement.partition(";")
    found = re.match(r"([A-Za-z0-9._-]+)\s*(?:>=|~=)\s*([0-9.]+)", name)
    if found is None:
        sys.exit(f"no lowest version in {requirement!r}")
    print(f"{found[1]}=={found[2]}" + (f" ;{marker}" if marker else ""))
