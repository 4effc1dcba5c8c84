"""Law 14: sizes stay small. Also: no vague names, no clocks in pure floors, no re-exports, a file `__init__` in every folder."""

import ast
import io
import re
import tokenize
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "rollout"
FILES = sorted(PACKAGE.rglob("*.py"))
VAGUE = {"utils", "util", "common", "helpers", "helper", "manager", "misc", "base"}
PURE = {"model", "calendar", "planner", "perf", "gates", "executor", "operations"}
CLOCK = re.compile(r"\b(datetime\.now|datetime\.utcnow|time\.time|time\.sleep|time\.monotonic|random\.(?!Random\b)\w+)\(")
NOT_CODE = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
    tokenize.ENCODING,
}


def code_lines(source: str, tree: ast.AST) -> set[int]:
    held: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in NOT_CODE:
            held.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(tree):
        documented = isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
        if documented and ast.get_docstring(node, clean=False) is not None:
            held -= set(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
    return held


def functions() -> list[tuple[int, str]]:
    found = []
    for path in FILES:
        source = path.read_text()
        tree = ast.parse(source)
        held = code_lines(source, tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                length = len(held & set(range(node.lineno, (node.end_lineno or 0) + 1)))
                found.append((length, f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"))
    return found


def test_no_function_is_longer_than_40_lines_of_code() -> None:
    assert [f for f in functions() if f[0] > 40] == []


def test_95_of_100_functions_have_at_most_25_lines_of_code() -> None:
    lengths = sorted(n for n, _ in functions())
    assert lengths[int(0.95 * len(lengths))] <= 25


def test_no_file_is_longer_than_300_lines() -> None:
    assert [str(p) for p in FILES if len(p.read_text().splitlines()) > 300] == []


def test_no_vague_module_names() -> None:
    assert [str(p) for p in FILES if p.stem in VAGUE] == []


def test_no_async_functions() -> None:
    assert [str(p) for p in FILES if re.search(r"^\s*async def", p.read_text(), re.M)] == []


def test_pure_floors_take_time_and_chance_as_arguments() -> None:
    hits = [
        f"{p.relative_to(ROOT)}:{n}"
        for p in FILES
        if p.relative_to(PACKAGE).parts[0].removesuffix(".py") in PURE
        for n, line in enumerate(p.read_text().splitlines(), 1)
        if CLOCK.search(line.partition("#")[0])
    ]
    assert hits == []


def test_every_folder_is_a_package_that_re_exports_nothing() -> None:
    folders = {p.parent for p in FILES}
    assert [str(f) for f in folders if not (f / "__init__.py").exists()] == []
    importing = [str(f) for f in folders if re.search(r"^(from|import) ", (f / "__init__.py").read_text(), re.M)]
    assert importing == []
