"""Stand-ins for what a trainer imports beside the code under test (Ray, CUDA kernels, model hubs).

`stub("ray")` makes `import ray.anything` give objects that do nothing; `bare("areal", folder)` makes a package
importable without running its `__init__`. The trainer's own modules are never replaced.
"""

import importlib.abc
import importlib.machinery
import sys
import types


class _Kind(type):
    def __getattr__(cls, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return Anything

    def __call__(cls, *given, **named):
        if len(given) == 1 and callable(given[0]) and not named:
            return given[0]  # used as a decorator
        return type.__call__(cls)

    def __getitem__(cls, item):
        return cls

    def __or__(cls, other):
        return cls

    __ror__ = __or__

    def __get_pydantic_core_schema__(cls, source, handler):
        from pydantic_core import core_schema

        return core_schema.any_schema()


class Anything(metaclass=_Kind):
    """A base class, a decorator, a type in a hint: whatever the importing module wants it to be."""

    def __init_subclass__(cls, **named):
        pass

    def __call__(self, *given, **named):
        return given[0] if given else self

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return Anything


class _Module(types.ModuleType):
    __path__ = ()

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return Anything


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def __init__(self, names):
        self.names = names

    def find_spec(self, name, path=None, target=None):
        if any(name == one or name.startswith(one + ".") for one in self.names):
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec):
        return _Module(spec.name)

    def exec_module(self, module):
        pass


def stub(*names):
    """Answer imports of these packages (or single modules), installed or not, with modules full of `Anything`."""
    sys.meta_path.insert(0, _Finder(names))


def bare(name, folder):
    """Make `name` a package over `folder` without running its `__init__`."""
    module = types.ModuleType(name)
    module.__path__ = [str(folder)]
    sys.modules[name] = module
    return module
