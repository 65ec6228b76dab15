"""One file per family of metrics, each with ``METRICS``: name to function of two masks."""

from importlib import import_module

from segrepro import registry
from segrepro.metrics._types import Metric

__all__ = ["Metric", "get", "module_of", "names"]


def names() -> list[str]:
    """Return the names of all metrics, sorted."""
    return sorted(_modules())


def get(name: str) -> Metric:
    """Return a metric by name.

    Raises
    ------
    UserError
        If there is none; it lists those there are.
    """
    metric: Metric = import_module(module_of(name)).METRICS[name]
    return metric


def module_of(name: str) -> str:
    """Return the dotted name of the module that defines a metric."""
    modules = _modules()
    registry.check_known(name, sorted(modules), kind="metric")
    return modules[name]


def _modules() -> dict[str, str]:
    modules: dict[str, str] = {}
    for family in registry.names(__name__):
        module = f"{__name__}.{family}"
        for name in import_module(module).METRICS:
            if other := modules.get(name):
                raise RuntimeError(f"metric {name!r} is defined in {other} and in {module}")
            modules[name] = module
    return modules
