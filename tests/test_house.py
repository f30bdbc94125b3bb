"""The house: which test stands where, who may know whom, how long a file is, and how high the floors go."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PACKAGE = TESTS.parent / "numpy_diffusion"
MODULES = sorted(PACKAGE.rglob("*.py"))
CHECKS = sorted(TESTS.rglob("*.py"))
KNOW_NETWORKS = ("models", "networks")  # rooms that may ask what a model is
NETWORKS = {"MLP", "UNet"}
MODEL_NAMES = {"model", "network", "unet", "mlp"}
MOST_LINES, MOST_LINES_OF_A_FUNCTION, MOST_FLOORS = 300, 60, 10


def of(path: Path) -> str:
    """How a module is named here: its place below the package."""
    return str(path.relative_to(PACKAGE))


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


# Tests stand where their source does


@pytest.mark.parametrize("module", [path for path in MODULES if not path.stem.startswith("__")], ids=of)
def test_each_module_has_its_test_file(module: Path) -> None:
    place = module.relative_to(PACKAGE)
    assert (TESTS / place.parent / f"test_{place.stem.removeprefix('_')}.py").is_file()


def imported(tree: ast.AST) -> Iterator[str]:
    """Every module that an import may mean, `from a import b` as a and as a.b."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = "." * node.level + (node.module or "")
            yield from (start, *(f"{start}.{name.name}" for name in node.names))


def test_no_test_file_imports_another() -> None:
    """What two of them need stands in checks/."""
    found = {
        str(path.relative_to(TESTS)): names
        for path in CHECKS
        if (names := [name for name in imported(parsed(path)) if name.rpartition(".")[2].startswith("test_")])
    }
    assert found == {}


# What a model is, is asked in one place


def asked_of_models(tree: ast.AST) -> list[int]:
    """Lines that ask whether something is an MLP or a UNet, or what attributes a model has."""
    found = []
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args):
            continue
        asked = node.func.id
        if asked in ("isinstance", "issubclass"):
            named = {_last(part) for part in ast.walk(node.args[-1])}
            found += [node.lineno] if named & NETWORKS else []
        elif asked in ("getattr", "hasattr", "setattr") and _last(node.args[0]).strip("_") in MODEL_NAMES:
            found.append(node.lineno)
    return sorted(found)


def _last(node: ast.AST) -> str:
    """a of the name a, b of a.b, and "" of all else."""
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


ASKED = [
    "isinstance(model, MLP)",
    "isinstance(x, UNet)",
    "isinstance(x, (int, UNet))",
    "isinstance(x, int | mlp.MLP)",
    "issubclass(type(x), networks.unet.unet.UNet)",
    "if not isinstance(x, MLP): pass",
    'getattr(model, "shift", 0.0)',
    'hasattr(network, "jvp")',
    "getattr(self.model, name)",
    'setattr(_model, "own_shape", None)',
    'found = [getattr(data.unet, name) for name in "ab"]',
]
NOT_ASKED = [
    "isinstance(x, Network)",
    "isinstance(x, Schedule)",
    'getattr(state, "m")',
    'getattr(x0, "dtype", None)',
    'hasattr(model_selection, "KFold")',
    "model.shift",
    "MLP(2)",
    "isinstance",
    'self.getattr(model, "shape")',
]


@pytest.mark.parametrize("line", ASKED)
def test_a_question_to_a_model_is_found(line: str) -> None:
    assert asked_of_models(ast.parse(f"import numpy\n\ndef f():\n    {line}\n")) == [4]


@pytest.mark.parametrize("line", NOT_ASKED)
def test_other_questions_are_not_found(line: str) -> None:
    assert asked_of_models(ast.parse(line)) == []


def test_models_are_asked_in_their_own_rooms_alone() -> None:
    others = [path for path in MODULES if path.relative_to(PACKAGE).parts[0] not in KNOW_NETWORKS]
    assert {of(path): lines for path in others if (lines := asked_of_models(parsed(path)))} == {}


# Files and functions can be read


@pytest.mark.parametrize("module", MODULES, ids=of)
def test_a_file_is_short(module: Path) -> None:
    assert len(module.read_text().splitlines()) <= MOST_LINES


def lengths(tree: ast.AST) -> dict[str, int]:
    """Lines of every function, from its def to its end, those of its docstring not counted."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            first = node.body[0]
            told = 0
            if ast.get_docstring(node, clean=False) is not None:
                assert first.end_lineno is not None
                told = first.end_lineno - first.lineno + 1
            found[node.name] = node.end_lineno - node.lineno + 1 - told
    return found


def test_a_function_is_measured_without_its_docstring() -> None:
    of_f = 'def f(a,\n      b):\n    """One.\n\n    Two.\n    """\n    return a\n'
    of_g = "class A:\n    def g(self):\n        pass\n"
    assert lengths(ast.parse(of_f + of_g)) == {"f": 3, "g": 2}


@pytest.mark.parametrize("module", MODULES, ids=of)
def test_a_function_is_short(module: Path) -> None:
    long = {name: lines for name, lines in lengths(parsed(module)).items() if lines > MOST_LINES_OF_A_FUNCTION}
    assert long == {}


# Floors


def rooms() -> dict[str, set[str]]:
    """What each room imports: the folders and files that stand in the package itself, its face and door apart."""
    found: dict[str, set[str]] = {}
    for path in MODULES:
        room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if room in ("__init__", "__main__"):
            continue
        names = [name.split(".") for name in imported(parsed(path)) if name.startswith("numpy_diffusion.")]
        found.setdefault(room, set()).update({parts[1] for parts in names} - {room})
    return found


def floors(rooms: dict[str, set[str]]) -> dict[str, int]:
    """The floor of each room, 1 where it imports no other, else one above the highest that it imports.

    Raises
    ------
    ValueError : rooms that import each other in a circle
    """
    found: dict[str, int] = {}

    def floor(room: str, way: tuple[str, ...]) -> int:
        if room in way:
            raise ValueError(f"rooms: expected no circle, got {' -> '.join((*way[way.index(room) :], room))}")
        if room not in found:
            found[room] = 1 + max((floor(other, (*way, room)) for other in sorted(rooms[room])), default=0)
        return found[room]

    for room in rooms:
        floor(room, ())
    return found


def test_floors_are_the_longest_way_down() -> None:
    assert floors({"a": {"b", "c"}, "b": {"c"}, "c": set(), "d": {"c"}}) == {"a": 3, "b": 2, "c": 1, "d": 2}
    with pytest.raises(ValueError, match=r"got b -> c -> b$"):
        floors({"a": {"b"}, "b": {"c"}, "c": {"b"}})


def test_the_house_has_few_floors_and_no_circle() -> None:
    found = floors(rooms())
    assert max(found.values()) <= MOST_FLOORS
    assert (found["_checks"], found["cli"]) == (1, max(found.values()))  # the imports are seen


# An __init__ hands names on


def more_than_names(tree: ast.Module) -> list[int]:
    """Lines of an `__init__` that are no docstring, import, `__all__`, or what Python asks for a module's names."""
    body = tree.body[1:] if ast.get_docstring(tree) is not None else tree.body
    return [node.lineno for node in body if not (isinstance(node, ast.Import | ast.ImportFrom) or _names_names(node))]


def _names_names(node: ast.stmt) -> bool:
    if isinstance(node, ast.FunctionDef):
        return node.name in ("__dir__", "__getattr__")
    return isinstance(node, ast.Assign) and [_last(target) for target in node.targets] == ["__all__"]


def test_more_than_names_is_found() -> None:
    names = '"""What it is."""\n\nimport a\nfrom a import b as b\n\n__all__ = ["b"]\n'
    assert more_than_names(ast.parse(names)) == []
    assert more_than_names(ast.parse(names + "def __dir__():\n    return __all__\n")) == []
    for more in ("x = 1", "def f(): pass", "f()", "if a: import c", '"""more"""'):
        assert more_than_names(ast.parse(names + more)) == [7]


@pytest.mark.parametrize("module", [path for path in MODULES if path.name == "__init__.py"], ids=of)
def test_an_init_hands_names_on(module: Path) -> None:
    assert more_than_names(parsed(module)) == []
