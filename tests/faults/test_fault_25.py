"""Fault 25: names from files reach no terminal, page, CSV or shell raw.

And no code of ours unpickles, unmarshals or evaluates.
"""

import ast
import csv
import itertools
import socket
import warnings
from pathlib import Path

import border_toys
import offline
import pytest

from mmkeras import artefact
from mmkeras.escaping import cell, complain, printable, say, warnings_said

ROOT = Path(__file__).parents[2]
OURS = sorted([*(ROOT / "mmkeras").rglob("*.py"), *ROOT.glob("export/**/*.py")])
STEERING = ["\x1b[2J", "\x1b]0;title\x07", "\x9b31m", "\r", "\x08", "\x7f",
            "\u202e", "\u2028", "\ud800", "\x00", "\x85"]  # fmt: skip


@pytest.mark.parametrize("steering", STEERING, ids=ascii)
def test_what_steers_a_terminal_is_spelled_out(steering, capsys):
    assert printable(f"a{steering}b").isprintable()
    say(f"a{steering}b", f"a\n{steering}")
    complain(f"a{steering}b\nNext: rm -rf")
    out, error = capsys.readouterr()
    assert out.count("\n") == 2 and error.count("\n") == 2
    assert out.replace("\n", "").isprintable()
    assert error.replace("\n", "").isprintable()
    # What an error holds cannot be taken for another line of the command.
    assert error.splitlines()[1] == "  Next: rm -rf"


def test_the_runner_spells_out_the_same():
    run = border_toys.load(ROOT / "export" / "run.py")
    for number in range(0x110000):
        assert run.printable(chr(number)) == printable(chr(number))


def test_letters_of_every_script_stay():
    text = "Größe 京都 Ελλάδα עברית हिन्दी 😀 café"
    assert printable(text) == text


def test_warnings_are_lines_too(capsys):
    # As where no test turns warnings into errors.
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        before = warnings.showwarning
        with warnings_said():
            warnings.warn("old\x1b[31m", stacklevel=1)
        assert warnings.showwarning is before
    assert capsys.readouterr().err == "warning: old\\x1b[31m\n"


FORMULAS = ["=cmd()", " =cmd()", "\t=cmd()", "\n=1", "+1", "-1", "@SUM(A1)",
            "＝cmd()", "　＝cmd()", "\u00a0=1", "＋1", "－1", "＠x", "\x0b=1",
            "x;=cmd()", "x; ＝cmd()", "'=cmd()", "\ufeff=1"]  # fmt: skip


@pytest.mark.parametrize("text", FORMULAS, ids=ascii)
def test_no_cell_is_a_formula_wherever_a_spreadsheet_cuts(tmp_path, text):
    artefact.write_csv(tmp_path / "x.csv", [{"id": text, text: 1.5}])
    raw = (tmp_path / "x.csv").read_text(encoding="utf-8")
    assert raw.replace("\n", "").isprintable()
    for delimiter in ",;\t":
        for row in csv.reader(raw.splitlines(), delimiter=delimiter):
            for found in row:
                assert found.lstrip()[:1] not in tuple("=+-@＝＋－＠")


def test_a_number_and_a_plain_text_stay_as_they_are(tmp_path):
    rows = [{"id": "it's; a 'b'", "n": -0.5}, {"m": "C:\\data"}]
    artefact.write_csv(tmp_path / "x.csv", rows)
    found = (tmp_path / "x.csv").read_text()
    assert found == "id,n,m\nit's; a 'b',-0.5,\n,,C:\\data\n"


def test_cells_that_differ_still_do():
    signs = ["=", "'", "a", "\\", "x", "\x1b", "1b", ";", " "]
    texts = {"".join(t) for n in range(5) for t in itertools.product(
        signs, repeat=n)}  # fmt: skip
    assert len({cell(text) for text in texts}) == len(texts)


@pytest.mark.parametrize("address", [("192.0.2.1", 80), ("example.org", 443)])
def test_no_test_reaches_a_network(address):
    """Every test runs so: see `offline.py`."""
    import http.client

    with pytest.raises(OSError, match="Tests are offline"):
        with socket.socket() as plain:
            plain.connect(address)
    assert offline.REACHED.pop() == str(address)
    if address[0][0].isdigit():
        with pytest.raises(OSError, match="Tests are offline"):
            http.client.HTTPConnection(*address).request("GET", "/")
        assert offline.REACHED.pop() == str(address)


def test_a_test_reaches_this_machine():
    with socket.create_server(("127.0.0.1", 0)) as server:
        with socket.create_connection(server.getsockname()):
            pass
    assert not offline.REACHED


# Calls that run what a file holds, or hand it to a shell.
FORBIDDEN = {
    "eval", "exec", "compile", "__import__", "input",
    "os.system", "os.popen", "os.execv", "os.execvp", "os.fork",
    "os.spawnv", "yaml.load", "yaml.unsafe_load", "torch.load",
    "subprocess.getoutput", "subprocess.getstatusoutput",
    "subprocess.call", "tempfile.mktemp", "numpy.load", "np.load",
    "pandas.read_pickle", "pd.read_pickle", "keras.models.load_model",
    "keras.config.enable_unsafe_deserialization",
    "tarfile.extractall", "extractall", "ssl._create_unverified_context",
}  # fmt: skip
MODULES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "marshal",
           "shelve", "joblib", "jsonpickle", "code", "codeop", "runpy",
           "multiprocessing", "pty", "xmlrpc", "yaml", "ctypes"}  # fmt: skip
# Of what may be done, and why it is no danger: file, call, reason.
ALLOWED = {
    ("export/run.py", "exec"): "code that was compared with its hash",
    ("export/run.py", "compile"): "code that was compared with its hash",
    ("export/run.py", "__import__"): "what `import` does in that code",
}


def name_of(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{name_of(node.value)}.{node.attr}".lstrip(".")
    return node.id if isinstance(node, ast.Name) else ""


def dangers(tree: ast.AST):
    """Yields what the code calls, imports or says that could run a file."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name.split(".")[0] for alias in node.names]
            yield from MODULES.intersection(names)
        elif isinstance(node, ast.ImportFrom):
            yield from MODULES.intersection([(node.module or "").split(".")[0]])
        elif isinstance(node, ast.Call):
            yield from called(node)


def called(node: ast.Call):
    name = name_of(node.func).removeprefix("builtins.")
    keywords = {k.arg: getattr(k.value, "value", k) for k in node.keywords}
    if keywords.get("shell", False):
        yield "shell=True"
    if keywords.get("allow_pickle", False):
        yield "allow_pickle=True"
    if keywords.get("safe_mode", True) is not True:
        yield "safe_mode=False"
    # Its default has been another.
    if name in ("np.load", "numpy.load") and "allow_pickle" in keywords:
        return
    if name in FORBIDDEN or name.split(".")[-1] == "extractall":
        yield name


def found_dangers() -> set[tuple[str, str]]:
    return {
        (str(path.relative_to(ROOT)), danger)
        for path in OURS
        for danger in dangers(ast.parse(path.read_text(encoding="utf-8")))
    }


def test_no_code_of_ours_runs_what_a_file_holds():
    assert len(OURS) > 300
    assert found_dangers() == set(ALLOWED)


@pytest.mark.parametrize(
    "code, danger",
    [
        ("import pickle", "pickle"),
        ("from marshal import loads", "marshal"),
        ("eval('1')", "eval"),
        ("import builtins; builtins.exec(x)", "exec"),
        ("subprocess.run('x', shell=True)", "shell=True"),
        ("subprocess.run('x', shell=wanted)", "shell=True"),
        ("yaml.load(x)", "yaml.load"),
        ("np.load(x)", "np.load"),
        ("np.load(x, allow_pickle=True)", "allow_pickle=True"),
        ("load_model(x, safe_mode=False)", "safe_mode=False"),
        ("tar.extractall(x)", "tar.extractall"),
    ],
)
def test_the_search_would_find_it(code, danger):
    assert danger in set(dangers(ast.parse(code)))


# What travels to a device, or runs on its own, has no `say` to ask.
PRINTING = {
    # The command that was given, for a shell.
    "mmkeras/cli/stopping.py",
    "mmkeras/escaping.py",
    *(f"export/{n}.py" for n in ("run", "command", "pi/compare")),
    *(f"export/web/{n}.py" for n in ("build", "serve")),
}


def test_only_one_place_prints():
    printing = {
        str(path.relative_to(ROOT))
        for path in OURS
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Name) and node.id == "print"
    }
    assert printing <= PRINTING
