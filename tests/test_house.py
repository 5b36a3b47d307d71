"""The rules of the house, kept by the test run itself: style, types, layers, weight, names and pins."""

import ast
import importlib.metadata
import re
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest
from PySide6 import QtCore, QtGui, QtWidgets

from tests.conftest import LONG

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted(path for folder in ("labeler", "plugins") for path in (ROOT / folder).rglob("*.py"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
LONGEST_FUNCTION, LONGEST_FILE = 60, 450
WIDEST_FOLDER, MOST_METHODS = 20, 30
SHORTEST_CHAPTER = 40
"""Lines from which on a module with one importer is a room, and no chapter of that importer."""

ONE_A_FEATURE = frozenset(
    {"panel", "desk", "dialog", "files", "menu", "trainer", "plan", "__init__", "__main__"}
)
"""Roles that a feature has one of, so that the name of its module may stand in each folder."""

SHORT_ALONE = {
    "labeler.gui.toolkit.garbage": "has nothing to do with the start but that it happens then",
    "labeler.gui.window.dialogs.locked_dialog": "a dialog is a module, imported when it is asked for",
    "labeler.project.blank_projects": "of files and the store: its importer lies floors above",
    "labeler.project.category_merge": "of records and the store: its importer lies floors above",
    "labeler.worker.evaluation_job": "only the child that evaluates imports what it needs, as training_job",
}
"""Modules under `SHORTEST_CHAPTER` lines with one importer, each with why it is no chapter of that."""


def run(*command: str) -> str:
    """A command's output, in the repository's root; fails the test with it where the command fails."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=110)
    if done.returncode:
        pytest.fail(f"{' '.join(command)}\n{done.stdout}{done.stderr}", pytrace=False)
    return done.stdout


def module(name: str, *arguments: str) -> str:
    """A module run by this interpreter."""
    return run(sys.executable, "-m", name, *arguments)


def script(name: str, *arguments: str) -> str:
    """A command of this environment."""
    return run(str(Path(sys.executable).with_name(name)), *arguments)


def tracked() -> list[Path]:
    """The files of the repository; all but the ignored ones where this is not a checkout."""
    if not (ROOT / ".git").exists():
        pytest.skip("needs a git checkout to know which files are the project's")
    names = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


# --- tools --------------------------------------------------------------------------------------------
def test_style() -> None:
    module("ruff", "check", "--output-format", "concise", ".")


def test_types() -> None:
    module("mypy")


def test_layers() -> None:
    script("lint-imports")


# --- what imports what --------------------------------------------------------------------------------
def imported_by(*modules: str) -> set[str]:
    """The top-level modules in `sys.modules` of a fresh interpreter after these imports."""
    code = f"import sys, {', '.join(modules)}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    return set(run(sys.executable, "-c", code).split())


def test_the_window_leaves_the_model_libraries_alone() -> None:
    heavy = {"torch", "torchvision", "ultralytics", "onnxruntime", "segment_anything", "matplotlib"}
    assert not imported_by("labeler.gui.app") & heavy


def is_torch_s(path: Path) -> bool:
    """Whether it is a module that has torch at its top, and so is imported inside functions only."""
    is_of_models = any(path.is_relative_to(ROOT / "labeler" / room) for room in ("training", "models"))
    return is_of_models and re.search(r"^(import|from) torch\b", path.read_text("utf-8"), re.M) is not None


def test_what_lies_below_the_window_leaves_qt_and_the_model_libraries_alone() -> None:
    names = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in SOURCES
        if path.is_relative_to(ROOT / "labeler")
        and not path.is_relative_to(ROOT / "labeler" / "gui")
        and not is_torch_s(path)
    ]
    imported = imported_by(*names)
    assert "labeler" in imported
    assert not imported & {"PySide6", "shiboken6", "torch", "onnxruntime", "ultralytics"}


# --- docstrings and sizes -----------------------------------------------------------------------------
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def definitions(tree: ast.Module) -> Iterator[tuple[str, Definition, ast.AST]]:
    """Dotted name, node and parent of a module's functions and classes, and of its classes' methods."""
    waiting: list[tuple[str, ast.AST]] = [("", tree)]
    while waiting:
        prefix, parent = waiting.pop()
        for node in ast.iter_child_nodes(parent):
            if isinstance(node, Definition):
                yield prefix + node.name, node, parent
            if isinstance(node, ast.ClassDef):
                waiting.append((f"{prefix}{node.name}.", node))
            elif isinstance(node, ast.If | ast.Try):
                waiting.append((prefix, node))


def bases(node: ast.ClassDef) -> set[str]:
    """The bases of a class, by their last name."""
    return {ast.unparse(base).partition("[")[0].rpartition(".")[2] for base in node.bases}


@cache
def classes() -> dict[str, ast.ClassDef]:
    """The classes of all sources by name."""
    trees = [ast.parse(path.read_text("utf-8")) for path in SOURCES]
    return {node.name: node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}


def documented_above(name: str, node: ast.ClassDef) -> bool:
    """Whether a base class, ours or Qt's, says what its method of this name does."""
    for base in bases(node):
        if any(hasattr(getattr(module, base, None), name) for module in (QtCore, QtGui, QtWidgets)):
            return True
        ours = classes().get(base)
        if ours is None or ours is node:
            continue
        if any(getattr(one, "name", "") == name and ast.get_docstring(one) for one in ours.body):
            return True
        if documented_above(name, ours):
            return True
    return False


def said_elsewhere(node: Definition, parent: ast.AST) -> bool:
    """An override, an overload, a setter, or a Protocol's mirror of a class."""
    marks = {ast.unparse(mark).rpartition(".")[2] for mark in node.decorator_list}
    if marks & {"override", "overload", "setter"}:
        return True
    if not isinstance(parent, ast.ClassDef):
        return False
    mirrored = "Protocol" in bases(parent) and ast.unparse(node.body[-1]) == "..."
    return mirrored or documented_above(node.name, parent)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_public_names_say_what_they_are(path: Path) -> None:
    missing = [
        f"{path.relative_to(ROOT)}:{node.lineno} {name}"
        for name, node, parent in definitions(ast.parse(path.read_text("utf-8")))
        if not any(part.startswith("_") for part in name.split("."))
        if not ast.get_docstring(node) and not said_elsewhere(node, parent)
    ]
    assert not missing, "\n".join(missing)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_is_too_long(path: Path) -> None:
    text = path.read_text("utf-8")
    functions = [
        f"{path.name}:{node.lineno} {node.name} has {node.end_lineno - node.lineno + 1} lines"
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if node.end_lineno - node.lineno + 1 > LONGEST_FUNCTION
    ]
    assert not functions, "\n".join(functions)
    assert len(text.splitlines()) <= LONGEST_FILE


# --- rooms and names ----------------------------------------------------------------------------------
def modules() -> dict[str, Path]:
    """The files of labeler/ by dotted name."""
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for path in SOURCES
        if path.is_relative_to(ROOT / "labeler")
    }


def repeated(places: Iterable[tuple[str, object]]) -> list[str]:
    """The names that stand in several places, each with these."""
    found: dict[str, list[str]] = {}
    for name, place in places:
        found.setdefault(name, []).append(str(place))
    return [f"{name}: {', '.join(where)}" for name, where in sorted(found.items()) if len(where) > 1]


def importers(known: Mapping[str, Path]) -> dict[str, set[str]]:
    """By module of `known`, which other ones import it or of it, at their top or inside a function."""
    found: dict[str, set[str]] = {name: set() for name in known}
    for importer, path in known.items():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                names = [one.name for one in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                below = [f"{node.module}.{one.name}" for one in node.names]
                names = [one if one in known else node.module for one in below]
            else:
                continue
            for name in set(names) & known.keys() - {importer}:
                found[name].add(importer)
    return found


def public_methods(node: ast.ClassDef, *, seen: frozenset[str] = frozenset()) -> set[str]:
    """The public methods and properties of a class and of its bases that are ours."""
    own = {one.name for one in node.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)}
    ours = [classes()[base] for base in bases(node) - seen - {node.name} if base in classes()]
    inherited = (public_methods(one, seen=seen | {node.name}) for one in ours)
    return {name for name in own if not name.startswith("_")}.union(*inherited)


def test_no_folder_is_too_wide() -> None:
    folders = Counter(path.parent for path in modules().values() if path.stem != "__init__")
    wide = {str(folder.relative_to(ROOT)): count for folder, count in folders.items()}
    assert not {folder: count for folder, count in wide.items() if count > WIDEST_FOLDER}


def test_a_module_name_stands_once() -> None:
    places = ((path.stem, path.relative_to(ROOT)) for path in modules().values())
    twice = repeated((name, path) for name, path in places if name not in ONE_A_FEATURE)
    assert not twice, "\n".join(twice)


def layer(path: Path) -> str:
    """The layer that a source file is of: `plugins`, or a folder or module right below `labeler/`."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:2]) if parts[0] == "labeler" else parts[0]


def test_a_class_name_stands_once_in_a_layer() -> None:
    twice = repeated(
        (f"{layer(path)} {node.name}", path.relative_to(ROOT))
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    assert not twice, "\n".join(twice)


def test_no_class_has_too_many_methods() -> None:
    nodes = (node for path in SOURCES for node in ast.walk(ast.parse(path.read_text("utf-8"))))
    counted = [(one.name, len(public_methods(one))) for one in nodes if isinstance(one, ast.ClassDef)]
    wide = {name: count for name, count in counted if count > MOST_METHODS}
    assert not wide, f"over {MOST_METHODS} public methods, bases included: {wide}"


def test_no_short_module_is_a_chapter_of_another() -> None:
    known = modules()
    lines = {name: len(path.read_text("utf-8").splitlines()) for name, path in known.items()}
    users = importers(known)
    chapters = {
        name: f"{name} ({lines[name]} lines) is a chapter of {next(iter(users[name]))}"
        for name, path in known.items()
        if lines[name] < SHORTEST_CHAPTER and len(users[name]) == 1 and path.stem != "__init__"
    }
    new = [told for name, told in sorted(chapters.items()) if name not in SHORT_ALONE]
    assert not new, "\n".join(new)
    assert not SHORT_ALONE.keys() - chapters.keys(), "take it out of SHORT_ALONE"


# --- what is installed --------------------------------------------------------------------------------
def test_qt_keeps_its_references_to_none() -> None:
    """PySide6 6.12.0 drops one reference to None at every void call and dies after some thousand."""
    code = """
import sys
from PySide6.QtCore import QObject
from PySide6.QtGui import QPen
thing, pen = QObject(), QPen()
before = sys.getrefcount(None)
for _ in range(4000):
    thing.setObjectName("a")
    pen.setWidth(2)
print(sys.getrefcount(None) - before)
"""
    assert abs(int(run(sys.executable, "-c", code))) < 100


def test_the_broken_qt_is_not_installed() -> None:
    assert importlib.metadata.version("PySide6-Essentials") != "6.12.0"


def test_there_is_one_opencv() -> None:
    """Several of its distributions write into the same folder, and removing one breaks the others."""
    names = {str(one.metadata["Name"]).lower() for one in importlib.metadata.distributions()}
    assert {name for name in names if name.startswith("opencv")} == {"opencv-python-headless"}


# --- pins and names -----------------------------------------------------------------------------------
def pins(lines: list[str]) -> dict[tuple[str, str], str]:
    """Version by name and marker."""
    found = {}
    for line in lines:
        requirement, _, marker = line.partition(";")
        name, _, version = requirement.strip().partition("==")
        found[name, marker.strip()] = version
    return found


def locked() -> dict[tuple[str, str], str]:
    """The pins of requirements.lock."""
    lines = (ROOT / "requirements.lock").read_text("utf-8").splitlines()
    return pins([line.removesuffix("\\") for line in lines if line[:1].isalnum()])


def test_lock_and_constraints_agree() -> None:
    assert pins(PROJECT["tool"]["uv"]["constraint-dependencies"]) == locked()


def test_every_dependency_is_pinned_with_hashes_and_without_addresses() -> None:
    names = {name for name, _ in locked()}
    wanted = PROJECT["project"]["dependencies"] + PROJECT["dependency-groups"]["dev"]
    assert {re.split(r"[<>=!~ ]", one, maxsplit=1)[0] for one in wanted} <= names
    lock = (ROOT / "requirements.lock").read_text("utf-8")
    assert "://" not in lock
    entries = re.split(r"^(?=\w)", lock, flags=re.MULTILINE)[1:]
    assert all("--hash=sha256:" in entry for entry in entries)


def test_what_runs_here_is_the_pinned_set() -> None:
    pinned = {(name, version) for (name, _), version in locked().items()}
    names = {name for name, _ in pinned}
    installed = importlib.metadata.distributions()
    here = {(re.sub(r"[-_.]+", "-", one.name).lower(), one.version) for one in installed}
    other = sorted(one for one in here - pinned if one[0] in names)
    assert not other, "run `uv sync`, or .ci/lock where newer versions are meant"


def test_no_file_names_a_package_index_or_somebodys_machine() -> None:
    index = "|".join(("py" + "pi.org", "python" + "hosted", "download.py" + "torch", "registry.np" + "mjs"))
    homes = "|".join(("/ho" + "me/", "/Us" + "ers/", "/ro" + "ot/", "C:" + r"\\Users", "/wo" + "rk/"))
    forbidden = re.compile(rf"{index}|(?<![\w.])(?:{homes})[A-Za-z]")
    found = []
    for path in tracked():
        data = path.read_bytes()
        if b"\0" in data[:8000] or path.name == "LICENSE":
            continue
        for number, line in enumerate(data.decode("utf-8").splitlines(), 1):
            if forbidden.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}")
    assert not found, "\n".join(found)


def test_the_longest_test_files_are_there() -> None:
    """A name that a file has no more would begin nothing early, and nobody would see it."""
    assert [name for name in LONG if not (ROOT / name).is_file()] == []


def test_local_files_stay_out() -> None:
    ignored = (ROOT / ".gitignore").read_text("utf-8").split()
    assert {"uv.lock", ".venv/", "*.labeler-wal"} <= set(ignored)


def test_nothing_else_lies_at_the_top() -> None:
    """A project that a trial made in the checkout was committed once."""
    known = {
        ".ci",
        ".gitignore",
        "LICENSE",
        "NOTICE",
        "README.md",
        "docs",
        "pyproject.toml",
        "requirements.lock",
    }
    tops = {path.relative_to(ROOT).parts[0] for path in tracked()}
    assert tops - known == {"labeler", "plugins", "resources", "tests"}
