"""The rooms and who may enter them: what import-linter cannot say, read from the source itself."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SERVICES = ("notification", "referral", "screening", "workforce")
IMPURE = {"asyncio", "io", "os", "pathlib", "random", "secrets", "socket", "subprocess", "sys", "threading", "time"}
SQL_WORDS = ("SELECT ", "INSERT INTO ", "UPDATE ", "DELETE FROM ")


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def sources(*folders: str) -> list[Path]:
    return sorted(p for folder in folders for p in (ROOT / folder).rglob("*.py"))


def domain_files() -> list[Path]:
    return [p for p in sources("services") if "domain" in p.parts]


@pytest.mark.parametrize("path", domain_files(), ids=lambda p: str(p.relative_to(ROOT)))
def test_a_domain_is_pure(path: Path) -> None:
    allowed = {"chassis.decision", "chassis.value", "chassis.working_days"} | (
        {"chassis.commands"} if path.name.endswith("commands.py") else set()
    )
    for name in imports(path):
        top = name.partition(".")[0]
        assert top not in IMPURE, f"{name}: a rule reads no clock and does no I/O"
        assert top != "chassis" or name in allowed, f"{name}: a rule knows only the words of a decision"
        if top in {"pydantic", "nhs_number"}:
            assert path.name.endswith("commands.py"), f"{name}: only commands are pydantic models"
        if top == "services":
            service = path.relative_to(ROOT / "services").parts[0]
            assert name.startswith(f"services.{service}.domain"), f"{name}: a domain imports its own rules only"


@pytest.mark.parametrize("path", domain_files(), ids=lambda p: str(p.relative_to(ROOT)))
def test_a_domain_makes_no_time_and_no_id(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            assert node.func.attr not in {"now", "utcnow", "today", "uuid1", "uuid4", "uuid7"}, ast.unparse(node)


@pytest.mark.parametrize("path", domain_files(), ids=lambda p: str(p.relative_to(ROOT)))
def test_a_domain_never_changes_a_value(path: Path) -> None:
    """What `chassis.value` leaves to the type checker: only an object's own methods may set its attributes."""
    for node in ast.walk(ast.parse(path.read_text())):
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        for target in targets if isinstance(node, (ast.Assign, ast.AugAssign, ast.AnnAssign)) else []:
            if isinstance(target, ast.Attribute):
                assert isinstance(target.value, ast.Name), ast.unparse(node)
                assert target.value.id == "self", ast.unparse(node)
        if isinstance(node, ast.Call):
            assert ast.unparse(node.func) not in {"setattr", "object.__setattr__"}, ast.unparse(node)


def test_sql_stands_only_in_stores_migrations_and_the_chassis() -> None:
    for path in sources("services"):
        if path.name.endswith("store.py"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert not node.value.startswith(SQL_WORDS), f"{path.relative_to(ROOT)}:{node.lineno}"


def test_faststream_and_aiokafka_stand_in_five_modules_of_the_chassis() -> None:
    users = {p.name for p in sources("chassis") if any(n.startswith(("faststream", "aiokafka")) for n in imports(p))}
    assert users == {"broker.py", "client_mends.py", "relay.py", "stream.py", "topics.py"}


@pytest.mark.parametrize("service", SERVICES)
def test_each_service_has_the_same_rooms(service: str) -> None:
    folder = ROOT / "services" / service
    expected = {"README.md", "__main__.py", "api.py", "domain", "main.py", "migrations", "settings.py", "store.py"}
    assert expected <= {p.name for p in folder.iterdir()}


@pytest.mark.parametrize("service", SERVICES)
def test_main_is_a_map_without_branches(service: str) -> None:
    text = (ROOT / "services" / service / "main.py").read_text()
    branches = (ast.If, ast.For, ast.While, ast.Try, ast.FunctionDef, ast.AsyncFunctionDef, ast.IfExp)
    assert not [n for n in ast.walk(ast.parse(text)) if isinstance(n, branches)]
    assert len(text.splitlines()) < 300


ROOMS = ("contracts", "chassis", "services", "attune", "deploy", "bench", "faults", "fuzz")
LONGEST_FILE, LONGEST_FUNCTION = 300, 40
LONG = {"contracts/attune_contracts/referral.py", "bench/floor/batch.py"}
"""Longer than they should be: a list to make shorter. A catalogue of events is as long as it has events."""


def test_no_file_is_a_drawer_for_everything() -> None:
    drawers = {"utils.py", "helpers.py", "common.py", "base.py", "manager.py", "misc.py"}
    assert not [p for p in sources(*ROOMS, "tests") if p.name in drawers]


def test_files_and_functions_fit_a_screen() -> None:
    """A function is measured without its signature and its docstring."""
    for path in sources(*ROOMS):
        name, text = str(path.relative_to(ROOT)), path.read_text()
        if name in LONG:
            continue
        assert len(text.splitlines()) <= LONGEST_FILE, name
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                body = node.body[1:] if ast.get_docstring(node) and len(node.body) > 1 else node.body
                length = (node.end_lineno or 0) - body[0].lineno + 1
                assert length <= LONGEST_FUNCTION, f"{name}: {node.name} has {length} lines"
