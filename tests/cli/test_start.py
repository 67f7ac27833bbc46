from __future__ import annotations

import re
import subprocess
import sys
from ast import literal_eval
from importlib import import_module
from pathlib import Path

import pytest

from lading import __version__
from lading.cli import argument_parser
from lading.cli.commands import VERBS
from lading.cli.main import main
from tests.cli.process import SECONDS, Run, command, environment

# What costs a command milliseconds that only other commands have a use for: those below wait for none of it.
HEAVY = (
    *("asyncio", "concurrent", "dataclasses", "hashlib", "http", "inspect", "json", "logging"),
    *("pathlib", "random", "rich", "shutil", "ssl", "subprocess", "tempfile", "uvicorn"),
)
FOR_REQUESTS = ("lading.errors", "lading._wire.messages", "msgspec", "socket", "urllib")
FOR_CONTENT = (
    "lading._core.exchange.public_suffixes",
    "lading._core.repository.blobs",
    "lading._core.repository.manifests",
    "lading.auth",
    "lading.documents",
    "lading.platform",
)


def test_version_is_one_line(lading: Run) -> None:
    done = lading("--version")
    assert (done.code, done.lines, done.stderr) == (0, [f"lading {__version__}"], "")


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["push", "--help"]], ids=" ".join)
def test_start_imports_nothing_heavy(arguments: list[str]) -> None:
    assert _imported(arguments, (*HEAVY, *FOR_REQUESTS, *FOR_CONTENT)) == []


def test_a_list_of_tags_imports_nothing_that_it_has_no_use_for(repository: str) -> None:
    assert _imported(["tags", repository], (*HEAVY, *FOR_CONTENT)) == []


def test_resolve_imports_nothing_heavy(repository: str) -> None:
    modules = {*HEAVY, "lading._core.repository.blobs", "lading.auth"} - {"json"}
    assert _imported(["resolve", f"{repository}:1"], tuple(modules)) == []


def test_a_copy_imports_nothing_that_it_has_no_use_for(repository: str, tmp_path: Path) -> None:
    modules = {*HEAVY, "lading._core.archives", "tarfile"} - {"hashlib", "json", "pathlib"}
    assert _imported(["copy", f"{repository}:1", f"oci:{tmp_path / 'copy'}:1"], tuple(modules)) == []


def _imported(arguments: list[str], modules: tuple[str, ...]) -> list[str]:
    """Return which modules a command imports, other than for the interpreter's own start."""
    program = (
        "import sys\n"
        # msgspec takes it where it is installed, and with it comes inspect.
        "sys.modules['typing_extensions'] = None\n"
        # The argparse of Python 3.14 takes it for its colours, and with it come dataclasses.
        "if sys.version_info >= (3, 14): import _colorize\n"
        "there = set(sys.modules)\n"
        "from lading.cli.main import main\n"
        f"assert main({arguments}) == 0\n"
        f"print([name for name in {modules} if name in sys.modules.keys() - there], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment(), capture_output=True, text=True, check=True
    )
    imported: list[str] = literal_eval(done.stderr)
    return imported


def test_help_names_every_verb(lading: Run) -> None:
    done = lading("--help")
    listed = {verb for verb in VERBS if re.search(rf"^  {verb}  ", done.stdout.decode(), re.MULTILINE)}
    assert (done.code, listed) == (0, set(VERBS))


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    module = import_module(f"lading.cli.commands.{verb.replace(' ', '_')}")
    with pytest.raises(SystemExit) as exited:
        argument_parser.parse(verb, module, ["--help"])
    assert exited.value.code == 0
    printed = capsys.readouterr().out
    assert printed.startswith(f"usage: lading {verb}")
    assert "--json" in printed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "lading: a verb is missing"),
        (["pusk"], "lading: unknown verb 'pusk': did you mean 'push'?"),
        (["frobnicate"], "lading: unknown verb 'frobnicate'"),
        (["manifest"], "lading manifest: a verb is missing: pull, push, exists, delete"),
        (["blob", "copy"], "lading blob: unknown verb 'blob copy': did you mean 'blob mount' or 'copy'?"),
        (["tags"], "lading tags: the following arguments are required: REPOSITORY"),
        (["tags", "a", "b"], "lading tags: unexpected argument 'b'"),
        (["tags", "a", "--plain"], "lading tags: unknown option '--plain': did you mean '--plain-http'?"),
        (["tags", "a", "--timeout", "0"], "argument --timeout: '0' is not a number of seconds above 0"),
        (["tags", "a", "--timeout", "nan"], "argument --timeout: 'nan' is not a number of seconds above 0"),
        (["tags", "a", "--timeout", "inf"], "argument --timeout: 'inf' is not a number of seconds above 0"),
        (["tags", "a", "--retries", "-1"], "argument --retries: '-1' is not a whole number, 0 or more"),
        (["tags", "a", "--concurrency", "0"], "argument --concurrency: '0' is not a whole number above 0"),
        (["pull", "a", "--ranges", "0"], "argument --ranges: '0' is not a whole number above 0"),
        (["pull", "a", "--ranges", "17"], "argument --ranges: '17' is more than 16"),
        (["tags", "a", "--header", "X-A: b\r\nX-B: c"], "header X-A has a value with control"),
        (["tags", "a", "--header", "no name: x"], "header name 'no name' is not a token"),
        (["inspect", "a", "--platform", "tent/canvas/x/y"], "invalid platform 'tent/canvas/x/y'"),
        (["push", "a", "f", "--annotation", "=x"], "argument --annotation: '=x' is not KEY=VALUE"),
        (["push", "a", "f", "--artifact-type", "text"], "invalid media type 'text'"),
        (["push", "a", "f:text/"], "argument FILE[:MEDIATYPE]: invalid media type 'text/'"),
        (["manifest", "push", "a", "f", "--media-type", "x"], "invalid media type 'x'"),
        (["serve", "--port", "65536"], "argument --port: '65536' is not a port"),
        (["tags", "a\x1b[31m", "b\x1b[31m"], r"unexpected argument 'b\x1b[31m'"),
    ],
    ids=lambda value: " ".join(value).strip() or "nothing" if isinstance(value, list) else "",
)
def test_bad_usage_is_one_line_and_exit_code_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    printed = capsys.readouterr()
    line, hint = printed.err.splitlines()
    assert message in line
    assert hint.startswith("  hint: lading ")
    assert printed.out == ""


def test_a_header_without_a_name_is_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tags", "a", "--header", "sesame"]) == 2
    assert "sesame" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["push", "--json", "ref", "--annotation", "a=b", "one", "-q", "two", "--timeout", "3"],
        ["push", "ref", "one", "two", "--json", "--annotation", "a=b", "-q", "--timeout=3"],
        ["push", "--timeout", "3", "-q", "--annotation=a=b", "--json", "--", "ref", "one", "two"],
        ["--json", "--timeout", "3", "-q", "push", "ref", "one", "two", "--annotation", "a=b"],
        ["--annotation", "a=b", "--json", "-q", "--timeout=3", "push", "ref", "one", "two"],
    ],
    ids=["between", "behind", "before", "before the verb", "before the verb, of the verb"],
)
def test_options_may_stand_anywhere(arguments: list[str]) -> None:
    verb, rest = argument_parser.split(arguments)
    options = argument_parser.parse(verb, import_module("lading.cli.commands.push"), rest)
    assert verb == "push"
    assert (options.reference, options.files) == ("ref", [("one", None), ("two", None)])
    assert (options.json, options.quiet, options.timeout, options.annotations) == (True, True, 3.0, [("a", "b")])


@pytest.mark.parametrize(
    ("arguments", "pattern"),
    [
        (["SRC", "DST", "--all-tags"], "*"),
        (["SRC", "--all-tags", "DST"], "*"),
        (["--all-tags", "SRC", "DST"], "*"),
        (["SRC", "DST", "--all-tags", "v*"], "v*"),
        (["SRC", "--all-tags", "v*", "DST"], "v*"),
        (["--all-tags", "v*", "SRC", "DST"], "v*"),
        (["--all-tags=v*", "SRC", "DST"], "v*"),
    ],
)
def test_an_option_does_not_take_an_argument_that_its_verb_needs(arguments: list[str], pattern: str) -> None:
    options = argument_parser.parse("copy", import_module("lading.cli.commands.copy"), arguments)
    assert (options.source, options.destination, options.all_tags) == ("SRC", "DST", pattern)


def test_help_reaches_a_closed_pipe_quietly() -> None:
    program = [sys.executable, "-m", "lading", "--help"]
    with subprocess.Popen(program, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode in {0, 141}


@pytest.mark.parametrize(
    ("arguments", "content"),
    [
        (["--version"], b""),
        (["blob", "push", "oci:layout", "-"], b"content"),
        (["tags", "oci:missing", "--json"], b""),
        (["no-such-verb"], b""),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_command_that_is_forked_is_like_one_that_is_started(
    lading: Run, tmp_path: Path, arguments: list[str], content: bytes
) -> None:
    started = subprocess.run(
        command(*arguments),
        cwd=tmp_path,
        env=environment(),
        input=content,
        capture_output=True,
        timeout=SECONDS,
        check=False,
    )
    forked = lading(*arguments, stdin=content)
    assert (forked.code, forked.stdout, forked.stderr) == (started.returncode, started.stdout, started.stderr.decode())
