from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lading.cli.output import Output
from tests.cli.process import SECONDS, Run, command, environment, rest_of
from tests.support.images import Image, sha256
from tests.support.scripted import ScriptedServer, answers
from tests.support.systems import DESCRIPTORS, SHELL, posix_only
from tests.support.terminals import open_terminal

PTY_WIDTH = 100


def _run_on_terminal(directory: Path, *arguments: str, **extra: str) -> tuple[int, str, bytes]:
    """Run the command with stderr on a terminal; return exit code, what the terminal got, and stdout."""
    return _run_at_width(PTY_WIDTH, directory, *arguments, **extra)


def _run_at_width(width: int, directory: Path, *arguments: str, **extra: str) -> tuple[int, str, bytes]:
    ours, theirs = open_terminal(width)
    with subprocess.Popen(
        command(*arguments),
        cwd=directory,
        env=environment({"TERM": "xterm-256color", **extra}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        seen = rest_of(ours)
        assert process.stdout is not None
        return process.wait(SECONDS), seen.decode(), process.stdout.read()


def _tags(*tags: str) -> bytes:
    body = b'{"name": "app", "tags": [%s]}' % b", ".join(b'"%s"' % tag.encode() for tag in tags)
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


def test_progress_is_one_line_for_each_large_blob_on_a_terminal(registry: str, tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"1" * 3_000_000)
    (tmp_path / "two").write_bytes(b"2" * 20)
    code, seen, stdout = _run_on_terminal(tmp_path, "push", f"{registry}/acme/bars:1", "one", "two")
    assert code == 0
    assert len(stdout.splitlines()) == 1
    assert re.search(r"one .*2\.9/2\.9 MiB", seen)
    assert not re.search(r"two .*bytes", seen)  # too small to be seen
    assert "\x1b[?25h" in seen  # the cursor is back

    code, seen, stdout = _run_on_terminal(tmp_path, "pull", f"{registry}/acme/bars:1", "-o", "to", NO_COLOR="1")
    assert (code, stdout) == (0, b"to/one\nto/two\n")
    assert re.search(r"one .*2\.9/2\.9 MiB", seen)
    assert not re.search(r"\x1b\[[0-9;]*[349][0-7]m", seen)  # no colour


@pytest.mark.parametrize("width", [40, 59, 60, 75, 76, 80, 120])
def test_a_bar_fits_into_a_line_and_is_erased_at_the_end(registry: str, tmp_path: Path, width: int) -> None:
    name = f"a-file-with-a-rather-long-name-{width}"
    (tmp_path / name).write_bytes(os.urandom(3_000_000))
    code, seen, _ = _run_at_width(width, tmp_path, "push", f"{registry}/acme/bars:5", name, NO_COLOR="1")
    assert code == 0
    drawn = [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line) for line in re.split(r"[\r\n]+", seen)]
    bars = [line for line in drawn if line.startswith("a-file-")]
    assert bars
    assert max(map(len, bars)) <= width
    assert any("2.9/2.9 MiB" in line for line in bars)
    assert "MB" not in seen
    assert "\x1b[2K" in seen.rpartition("lading: pushed")[0][-40:]  # erased before the notice


def test_a_closed_pipe_leaves_no_bar(lading: Run, registry: str, tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "large").write_bytes(os.urandom(5_000_000))
    image = f"{registry}/acme/bars:6"
    assert lading("append", "scratch", "tree", "--platform", "linux/amd64", "--to", image).code == 0
    ours, theirs = open_terminal(PTY_WIDTH)
    with subprocess.Popen(
        ["sh", "-c", '"$@" | head -1', "sh", *command("files", image)],
        env=environment({"TERM": "xterm-256color", "NO_COLOR": "1"}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        seen = rest_of(ours).decode()
        assert process.stdout is not None
        assert process.stdout.read().endswith(b" /large\n")
    assert "MiB" in seen
    assert "MiB" not in seen.rpartition("\x1b[2K")[2]  # nothing is drawn after the last line was erased


@pytest.mark.parametrize(
    ("options", "extra"),
    [(["-q"], {}), ([], {"TERM": "dumb"})],
    ids=["quiet", "dumb terminal"],
)
def test_no_progress(registry: str, tmp_path: Path, options: list[str], extra: dict[str, str]) -> None:
    (tmp_path / "file").write_bytes(os.urandom(100_000))
    code, seen, _ = _run_on_terminal(tmp_path, "push", f"{registry}/acme/bars:2", "file", *options, **extra)
    assert (code, "\x1b" in seen) == (0, False)


def test_without_rich_there_is_no_progress_and_no_harm(registry: str, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['rich'] = None\n")
    (tmp_path / "file").write_bytes(os.urandom(100_000))
    path = os.pathsep.join(filter(None, (str(tmp_path), os.environ.get("PYTHONPATH"))))
    code, seen, _ = _run_on_terminal(tmp_path, "push", f"{registry}/acme/bars:3", "file", PYTHONPATH=path)
    assert (code, "\x1b" in seen) == (0, False)


def test_no_progress_without_a_terminal(lading: Run, registry: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    done = lading("push", f"{registry}/acme/bars:4", "file", environment={"TERM": "xterm", "FORCE_COLOR": "1"})
    assert (done.code, "\x1b" in done.stderr) == (0, False)


def test_a_closed_pipe_is_quiet() -> None:
    tags = [f"v{number}" for number in range(50_000)]
    with (
        ScriptedServer(answers(_tags(*tags))) as server,
        subprocess.Popen(
            command("tags", f"127.0.0.1:{server.port}/app"),
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process,
    ):
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"v0\n"
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


@DESCRIPTORS
@pytest.mark.parametrize("arguments", [["tags", "{}"], ["manifest", "pull", "{}:1"]], ids=["text", "bytes"])
def test_a_full_disk_behind_stdout_is_an_error(repository: str, arguments: list[str]) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            command(*(argument.format(repository) for argument in arguments)),
            env=environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=SECONDS,
            check=False,
        )
    assert (done.returncode, done.stderr) == (
        1,
        b"lading: cannot write the result to stdout: No space left on device\n",
    )


def test_a_closed_pipe_makes_no_null_device(tmp_path: Path) -> None:
    program = (
        "import os\nos.devnull = 'null'\nfrom lading.cli.main import main\nraise SystemExit(main(['--version']))\n"
    )
    reader, writer = os.pipe()
    os.close(reader)
    with subprocess.Popen(
        [sys.executable, "-P", "-c", program],
        cwd=tmp_path,
        env=environment({"PYTHONUNBUFFERED": ""}),
        stdout=writer,
        stderr=subprocess.PIPE,
    ) as process:
        os.close(writer)
        _, problem = process.communicate(timeout=SECONDS)
    assert problem  # of the interpreter at its exit, as nothing could take what is left
    assert list(tmp_path.iterdir()) == []


@SHELL
def test_a_closed_stdout_is_an_error(repository: str) -> None:
    shell = ["sh", "-c", 'exec "$@" >&-', "sh", *command("tags", repository)]
    done = subprocess.run(shell, env=environment(), stderr=subprocess.PIPE, timeout=SECONDS, check=False)
    assert (done.returncode, done.stderr) == (1, b"lading: cannot write the result to stdout: Bad file descriptor\n")


@SHELL
def test_closed_stderr_does_no_harm(repository: str) -> None:
    shell = ["sh", "-c", 'exec "$@" 2>&-', "sh", *command("tags", f"{repository}/missing")]
    done = subprocess.run(shell, env=environment(), stdout=subprocess.PIPE, timeout=SECONDS, check=False)
    assert (done.returncode, done.stdout) == (3, b"")


@posix_only("locales of the environment")
@pytest.mark.parametrize(
    "extra",
    [{"PYTHONIOENCODING": "ascii:strict"}, {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}],
    ids=["ascii", "C"],
)
def test_a_locale_without_unicode_is_no_error(
    lading: Run, registry: str, tmp_path: Path, extra: dict[str, str]
) -> None:
    (tmp_path / "file").write_bytes(b"content")
    reference = f"{registry}/acme/locale:1"
    assert lading("push", reference, "file", "--annotation", "key=na\u00efve").code == 0
    done = lading("inspect", reference, environment=extra)
    assert (done.code, done.stderr) == (0, "")
    assert r"  key  na\xefve" in done.stdout.decode("ascii").splitlines()
    assert lading("inspect", reference, "--json", environment=extra).record["annotations"] == {"key": "na\u00efve"}
    assert lading("--help", environment=extra).code == 0


def test_binary_content_does_not_reach_a_terminal(repository: str, cargo: Image, tmp_path: Path) -> None:
    ours, theirs = open_terminal()
    done = subprocess.run(
        command("blob", "pull", f"{repository}@{sha256(cargo.layer)}"),
        cwd=tmp_path,
        env=environment(),
        stdout=theirs,
        stderr=subprocess.PIPE,
        timeout=SECONDS,
        check=False,
    )
    os.close(theirs)
    os.close(ours)
    assert done.returncode == 2
    assert done.stderr == b"lading: the content is not text, and stdout is a terminal: use -o FILE or a pipe\n"


def test_no_result_speaks_to_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output()
    output.result({"name": "ignored"}, "a\x1b[2Jb\nc\u202ed\x9be")
    assert capsys.readouterr().out == "a\\x1b[2Jb\\nc\\u202ed\\x9be\n"
    output.configure(json=True, quiet=False, verbose=False)
    output.result({"name": "a\x1b\n\x9b\u202e"}, "ignored")
    assert capsys.readouterr().out == '{"name": "a\\u001b\\n\\u009b\\u202e"}\n'


def test_warnings_of_a_registry_are_shown_escaped(lading: Run) -> None:
    body = b'{"name": "app", "tags": ["1"]}'
    answer = (
        b'HTTP/1.1 200 OK\r\nWarning: 299 - "old \xc2\x9b registry"\r\nContent-Length: %d\r\n\r\n' % len(body) + body
    )
    with ScriptedServer(answers(answer), answers(answer)) as server:
        name = f"127.0.0.1:{server.port}"
        done = lading("tags", f"{name}/app")
        assert (done.code, done.lines) == (0, ["1"])
        assert done.stderr.startswith(f"lading: warning: {name}: old ")
        assert done.stderr.rstrip("\n").isprintable()
        assert lading("tags", f"{name}/app", "-q").stderr == ""
