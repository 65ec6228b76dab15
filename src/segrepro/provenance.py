"""Content digests of code, so that editing a function re-runs what used it and nothing else."""

import ast
import hashlib
from functools import cache
from importlib.util import find_spec
from pathlib import Path

PACKAGE = "segrepro"


@cache
def code_digest(*modules: str) -> str:
    """Return a digest of modules and of every module of ours that they import.

    Comments, blank lines, docstrings and a module's ``FACTS`` (what a page says of it) do not
    count: they cannot change a result. Modules found by name at run time (a network, a metric)
    are not seen through imports: name them too.
    """
    digest = hashlib.sha256()
    for name in sorted(_closure(modules)):
        digest.update(name.encode())
        digest.update(ast.unparse(_parse(name)).encode())
    return digest.hexdigest()[:16]


def _closure(modules: tuple[str, ...]) -> set[str]:
    seen: set[str] = set()
    todo = list(modules)
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo.extend(_our_imports(name))
    return seen


def _our_imports(module: str) -> list[str]:
    found: list[str] = []
    for node in ast.walk(_parse(module)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found += [node.module]
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return [name for name in found if name.startswith(f"{PACKAGE}.") and _is_module(name)]


def _is_module(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:
        return False


@cache
def _parse(module: str) -> ast.Module:
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(module)
    tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    tree.body = [node for node in tree.body if not _is_facts(node)]
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and _is_docstring(body[0]):
            # A body may not be empty, or it could not be written out again.
            body[0] = ast.Pass()
    return tree


def _is_facts(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and node.targets[0].id == "FACTS"
    )


def _is_docstring(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
