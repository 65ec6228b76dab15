"""Imports point one way: a module may import only what stands left of it, or its own layer."""

import ast
from pathlib import Path

import pytest

LAYERS = [
    {"errors"},
    {"files", "progress", "provenance", "registry"},
    {"protocol"},
    {"datasets", "phantoms"},
    {"cases"},
    {"slices"},
    {"splits"},
    {"losses", "metrics", "models"},
    {"training"},
    {"inference"},
    {"statistics"},
    {"claims"},
    {"tables", "figures"},
    {"report"},
    {"cli"},
    {"__main__"},
]
RANK = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}
SOURCE = Path(__file__).parents[2] / "src/segrepro"
MODULES = sorted(
    path for path in SOURCE.rglob("*.py") if path.parent != SOURCE or path.stem != "__init__"
)


def layer_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imported_layers(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "segrepro":
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("segrepro."):
            found.add(str(node.module).split(".")[1])
        elif isinstance(node, ast.Import):
            found.update(a.name.split(".")[1] for a in node.names if a.name.startswith("segrepro."))
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_point_one_way(path: Path) -> None:
    own = RANK[layer_of(path)]
    assert {name for name in imported_layers(path) if RANK[name] > own} == set()


@pytest.mark.parametrize("layer", ["errors", "files", "registry", "protocol", "cli"])
def test_light_commands_stay_light(layer: str) -> None:
    """The workflow and `--help` start in a moment: no heavy import at the top of these files."""
    heavy = {"torch", "matplotlib", "sklearn", "scipy", "pandas", "numpy", "lightning_fabric"}
    for path in (p for p in MODULES if layer_of(p) == layer):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        top = [n for n in tree.body if isinstance(n, ast.Import | ast.ImportFrom)]
        names = {a.name for n in top if isinstance(n, ast.Import) for a in n.names}
        names |= {str(n.module) for n in top if isinstance(n, ast.ImportFrom)}
        assert {name.split(".")[0] for name in names} & heavy == set(), path
