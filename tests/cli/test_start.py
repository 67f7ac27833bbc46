from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

import pytest

from lading import __version__
from lading.cli import argument_parser
from lading.cli.commands import VERBS
from lading.cli.main import main
from tests.cli.process import SECONDS, Run, command, environment
from tests.support.systems import posix_only

# Each module costs a command a part of a millisecond, and some cost many: a command loads these and no others. Names of
# the standard library are those of the oldest and the newest Python together, without their private parts.
LIBRARY = "importlib warnings"
LIBRARY_OF_ARGUMENTS = f"""{LIBRARY} argparse collections contextlib copyreg enum errno functools gc gettext itertools
    keyword locale math operator re reprlib signal textwrap types typing"""
LIBRARY_OF_REQUESTS = f"""{LIBRARY_OF_ARGUMENTS} array contextvars datetime decimal fcntl msgspec numbers platform
    select selectors socket threading uuid"""
OF_ARGUMENTS = {
    "": "lading",
    "lading": "_text _version _wire cli",
    "lading._wire": "escaping",
    "lading.cli": "argument_parser commands main options output",
}
OF_REQUESTS = {
    "lading": """_blocking _core _io _patterns _result _values digest errors events headers media_types names
        other_transports raw_response reference registry_name target transports verification""",
    "lading._core": "client exchange repository transfer verbs",
    "lading._core.exchange": """admission connecting content_encoding exchange host_ranges hosts part_memory rate_limits
        recording registrable_domains remote_repository retry sender settings turns url_gate width""",
    "lading._core.repository": "pagination registry repository unsupported",
    "lading._core.transfer": "concurrency",
    "lading._core.verbs": "base content images names single_contents",
    "lading._io": "base blocking body_reading file_ranges hashing_thread minimum_rate system",
    "lading._io.system": "access poller posix_files posix_waits windows_names",
    "lading._wire": """barren_bytes endpoints error_documents header_fields messages operations private_addresses
        refusals requests response_facts urls""",
    "lading.cli": "client event_output interruption",
    "lading.transports": """cancellation connection connection_pool dial network_settings proxies request_writer
        response_body response_head socket_stream socket_transport""",
}
OF_TAGS = {"lading.cli.commands": "tags", "lading._core.repository": "tags"}
OF_RESOLVE = {
    "lading": "annotations descriptor documents platform strict_json",
    "lading._core.repository": "deletion manifest_requests manifests referrers referrers_tag",
    "lading.cli": "exit_codes",
    "lading.cli.commands": "resolve",
    "lading.documents": """configs document image_manifests json_editing manifest media_type_registry successors
        type_confusion""",
}
# What only some other command has a use for.
HEAVY = (
    *("asyncio", "concurrent", "dataclasses", "http", "inspect", "logging", "random", "rich", "shutil", "ssl"),
    *("subprocess", "tarfile", "tempfile", "uvicorn", "lading._core.archives"),
)


def test_version_is_one_line(lading: Run) -> None:
    done = lading("--version")
    assert (done.code, done.lines, done.stderr) == (0, [f"lading {__version__}"], "")


@posix_only("the modules of its system")
def test_the_library_imports_nothing_until_a_name_is_used() -> None:
    assert _imported("import lading") - _named(LIBRARY, {"": "lading", "lading": "_version"}) == set()


@posix_only("the modules of its system")
@pytest.mark.parametrize("argument", ["--version", "--help"])
def test_start_imports_what_arguments_need(argument: str) -> None:
    assert _imported(_command([argument])) - _named(LIBRARY_OF_ARGUMENTS, OF_ARGUMENTS) == set()


@posix_only("the modules of its system")
def test_help_of_a_verb_imports_nothing_of_requests() -> None:
    own = {"lading.cli": "artifact_options file_arguments", "lading.cli.commands": "push"}
    assert _imported(_command(["push", "--help"])) - _named(LIBRARY_OF_ARGUMENTS, OF_ARGUMENTS, own) == set()


@posix_only("the modules of its system")
def test_a_list_of_tags_imports_what_requests_need(repository: str) -> None:
    allowed = _named(LIBRARY_OF_REQUESTS, OF_ARGUMENTS, OF_REQUESTS, OF_TAGS)
    assert _imported(_command(["tags", repository])) - allowed == set()


@posix_only("the modules of its system")
def test_resolve_imports_what_requests_and_manifests_need(repository: str) -> None:
    allowed = _named(f"{LIBRARY_OF_REQUESTS} json", OF_ARGUMENTS, OF_REQUESTS, OF_RESOLVE)
    assert _imported(_command(["resolve", f"{repository}:1"])) - allowed == set()


def test_a_copy_imports_nothing_that_it_has_no_use_for(repository: str, tmp_path: Path) -> None:
    assert _imported(_command(["copy", f"{repository}:1", f"oci:{tmp_path / 'copy'}:1"])) & set(HEAVY) == set()


def _named(library: str, *own: Mapping[str, str]) -> set[str]:
    """Return the names of modules of the standard library, and of ours by their packages."""
    ours = {f"{package}.{name}".lstrip(".") for each in own for package in each for name in each[package].split()}
    return {*library.split(), *ours}


def _command(arguments: list[str]) -> str:
    return f"from lading.cli.main import main\nassert main({arguments}) == 0"


def _imported(program: str) -> set[str]:
    """Return the modules that a program imports: ours, and the packages of others without a leading underscore."""
    program = (
        "import sys\n"
        # msgspec takes it where it is installed, and with it comes inspect.
        "sys.modules['typing_extensions'] = None\n"
        # The argparse of Python 3.14 takes it for its colours, and with it come dataclasses.
        "if sys.version_info >= (3, 14): import _colorize\n"
        "there = set(sys.modules)\n"
        f"{program}\n"
        "print(*(sys.modules.keys() - there), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment(), capture_output=True, text=True, check=True
    )
    found = set(done.stderr.split())
    ours = {name for name in found if name.partition(".")[0] == "lading"}
    assert "lading" in ours
    return ours | {name.partition(".")[0] for name in found - ours if not name.startswith("_")}


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
