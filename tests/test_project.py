"""What holds for the project as a whole: import order, what may not be used, what is pinned and shipped."""

import ast
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import unstained

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src"
PACKAGE = SOURCE / "unstained"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

ORDER = (
    "version", "errors", "settings", "arrays", "ordered",
    "plates", "provenance", "imaging", "twin", "segmentation", "stains", "networks", "training",
    "prediction", "measurement", "trust", "ranking", "report", "studies", "cost", "pipeline", "demo",
    "exchange",
)  # fmt: skip
"""Earlier never imports later; the table of ARCHITECTURE.md."""

FACES = ("cli", "app", "napari")
"""They may import every stage, but none another."""

UNSAFE = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "torchvision", "torch.load"}
HEAVY = {"torch", "lightning", "zarr", "ngio", "pandas", "skimage", "sklearn", "scipy", "plotly"}


# Import order


def test_import_order_is_kept():
    assert broken_imports(SOURCE) == []


@pytest.mark.parametrize(
    ("module", "line", "said"),
    [
        ("plates/plate.py", "from unstained.training import fitting", "plates imports training"),
        ("plates/plate.py", "def f():\n    import unstained.training.fitting", "plates imports training"),
        ("plates/plate.py", "from ..training.fitting import fit", "plates imports training"),
        ("plates/plate.py", "from unstained import pipeline", "plates imports pipeline"),
        ("plates/plate.py", "import importlib as i\ni.import_module('unstained.cli')", "plates imports cli"),
        ("measurement/wells.py", "from unstained import Plate", "measurement imports the public list"),
        ("cli/__init__.py", "from unstained.app import page", "cli imports app"),
        ("cli/task.py", "from unstained.misc import a", "cli imports misc, which has no place in the order"),
        ("helpers.py", "", "helpers has no place in the order"),
    ],
)
def test_import_order_check_finds_what_breaks_it(tmp_path, module, line, said):
    written = tmp_path / "unstained" / module
    written.parent.mkdir(parents=True)
    written.write_text(line, encoding="utf-8")
    assert [fault.partition(": ")[2] for fault in broken_imports(tmp_path)] == [said]


def test_import_order_check_lets_pass_what_keeps_it(tmp_path):
    for module, line in {
        "training/fitting.py": "import numpy\nfrom unstained.plates.plate import Plate\nfrom .crops import A",
        "cli/__init__.py": "import unstained\nfrom unstained import pipeline\nfrom unstained.cli import task",
        "__init__.py": "from unstained.pipeline import train",
    }.items():
        (tmp_path / "unstained" / module).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "unstained" / module).write_text(line, encoding="utf-8")
    assert broken_imports(tmp_path) == []


def test_import_order_is_the_one_that_the_architecture_page_tells():
    page = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    section = page.partition("## Import order")[2].partition("\n## ")[0]
    first_cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    assert tuple(re.findall(r"`(\w+)`", " ".join(first_cells))) == (*ORDER, *FACES)


def broken_imports(source: Path) -> list[str]:
    """Name each import in `source`/unstained that breaks the order, wherever in its module it stands."""
    faults = []
    for path in sorted((source / "unstained").rglob("*.py")):
        module = path.relative_to(source).with_suffix("").parts
        stage = module[1]
        if stage in ("__init__", "__main__"):
            continue                                    # the public list, and the way in to the command line
        if stage not in (*ORDER, *FACES):
            faults.append(f"{path.name}: {stage} has no place in the order")
        tree = ast.parse(path.read_text(encoding="utf-8"))
        taken = {fault for name, _ in imported(tree, module) if (fault := _fault(stage, name.split(".")))}
        faults += sorted(f"{'/'.join(module[1:])}: {stage} imports {what}" for what in taken)
    return faults


def _fault(stage: str, imported_name: list[str]) -> str | None:
    if imported_name[0] != "unstained":
        return None
    other = imported_name[1] if len(imported_name) > 1 else ""
    if other not in (*ORDER, *FACES):
        if len(imported_name) > 2:
            return f"{other}, which has no place in the order"
        return None if stage in FACES else "the public list"
    if other in FACES:
        return None if other == stage else other
    later = stage in ORDER and ORDER.index(other) > ORDER.index(stage)
    return other if later else None


def imported(tree: ast.AST, module: tuple[str, ...] = ()) -> Iterator[tuple[str, int]]:
    """Give the full name and line of each import, also of relative ones and of `import_module("…")`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = [*module[: len(module) - node.level]] if node.level else []
            parts = base + (node.module.split(".") if node.module else [])
            yield from ((".".join([*parts, alias.name]), node.lineno) for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            literal = node.args[0] if node.args else None
            if isinstance(literal, ast.Constant) and isinstance(literal.value, str):
                yield literal.value, node.lineno


# What may not be used


def test_nothing_is_unpickled_and_torchvision_is_kept_out():
    assert [fault for path in sorted(PACKAGE.rglob("*.py")) for fault in unsafe_uses(path)] == []


@pytest.mark.parametrize(
    "line",
    ["import pickle", "from torchvision import ops", "from torch import load", "x = torch.load('w.pt')",
     "np.load('a.npz', allow_pickle=True)", "pd.read_pickle('t.pkl')"],
)  # fmt: skip
def test_the_check_finds_unsafe_uses(tmp_path, line):
    (tmp_path / "module.py").write_text(line, encoding="utf-8")
    assert len(unsafe_uses(tmp_path / "module.py")) == 1


def unsafe_uses(path: Path) -> list[str]:
    """Name each use of pickles or torchvision in a module."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    faults = [(name, line) for name, line in imported(tree) if {name, name.partition(".")[0]} & UNSAFE]
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        trusted = any(ast.unparse(word) == "allow_pickle=True" for word in node.keywords)
        if called == "torch.load" or called.endswith("read_pickle") or trusted:
            faults.append((called, node.lineno))
    return [f"{path.name}, line {line}: {name}" for name, line in faults]


@pytest.mark.parametrize("module", ["unstained", "unstained.cli"])
def test_importing_brings_nothing_heavy(module):
    told = f"import sys, {module}; print(*sorted({HEAVY!r} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert found.stdout.split() == []


def test_one_image_is_predicted_without_what_only_plates_need():
    slow = {"lightning", "pandas", "ngio", "zarr", "scipy.stats", "scipy.signal", "matplotlib", "plotly"}
    needed = "unstained.prediction.files, unstained.trust.kept"
    told = f"import sys, {needed}; print(*{slow!r} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert found.stdout.split() == []


def test_every_public_name_is_there():
    assert [name for name in unstained.__all__ if not getattr(unstained, name)] == []


# Requirements


def _requirements() -> list[Requirement]:
    groups = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    return [Requirement(line) for group in groups for line in group]


def _pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def test_every_requirement_has_a_lower_bound():
    # Without one, a resolver in a conflict silently takes a version of years ago.
    for requirement in _requirements():
        assert any(part.operator == ">=" for part in requirement.specifier), requirement


def test_constraints_fit_the_requirements():
    pins = _pins()
    for requirement in _requirements():
        assert pins[canonicalize_name(requirement.name)] in requirement.specifier


def test_constraints_pin_plain_versions_of_packages_from_the_index():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    odd = [line for line in lines if not re.fullmatch(r"#.*|[a-z0-9-]+==[0-9][0-9a-z.]*", line)]
    assert odd == []
    assert _pins()["torch"] == "2.13.0"
    assert {"unstained", "torchvision"}.isdisjoint(_pins())


def test_constraints_pin_everything_that_is_installed_for_the_project():
    assert sorted(_needed() - set(_pins())) == []


CUDA = re.compile("nvidia|cuda|triton")


def _needed() -> set[str]:
    """Follow the requirements of all extras through what is installed; torch pins its own CUDA packages."""
    found: set[str] = set()
    waiting = [(canonicalize_name(one.name), one.extras) for one in _requirements()]
    while waiting:
        name, extras = waiting.pop()
        found.add(name)
        for need in map(Requirement, _requires(name)):
            marker = need.marker
            wanted = marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras))
            if wanted and canonicalize_name(need.name) not in found and not CUDA.match(need.name):
                waiting.append((canonicalize_name(need.name), need.extras))
    return found


def _requires(name: str) -> list[str]:
    try:
        return requires(name) or []
    except PackageNotFoundError:                        # an extra that isn't installed here
        return []


# The wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> list[str]:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr or built.stdout
    (path,) = folder.glob("unstained-*-py3-none-any.whl")
    with zipfile.ZipFile(path) as archive:
        return archive.namelist()


def test_wheel_holds_every_file_of_the_package(wheel):
    here = {path.relative_to(SOURCE).as_posix() for path in PACKAGE.rglob("*") if path.is_file()}
    assert {name for name in here if "__pycache__" not in name} - set(wheel) == set()


@pytest.mark.parametrize(
    "needed",
    [r"py\.typed", r"models/hela-rpe1-nuclei/model\.json", r"models/hela-rpe1-nuclei/weights\.safetensors",
     r"models/hela-rpe1-nuclei/LICENSE", r"report/.*\.html.*", r".*/A01_f2.*\.tif"],
)  # fmt: skip
def test_wheel_holds_what_is_not_code(wheel, needed):
    assert [name for name in wheel if re.fullmatch(f"unstained/{needed}", name)]


def test_wheel_holds_nothing_else(wheel):
    tops = {name.split("/")[0] for name in wheel}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"unstained"}
    assert not [name for name in wheel if name.endswith((".pyc", ".ckpt"))]
