# SPDX-License-Identifier: Apache-2.0
"""Install what `uv.lock` says into `.venv`, on a machine that has Python and nothing else.

`./dev` calls this when `.venv` is not as the lock says; it is not meant to be called by hand. Standard
library only, and nothing of ours is imported: it runs before anything is installed. The steps:

1. Take the lock file `.dev/lock`, so that two `./dev` at once do the work once.
2. Get `uv`, at the version and with the hash in `uv.lock`: by pip where there is pip (it knows the
   machine's mirrors, proxies and certificates), otherwise from the index by hand.
3. Bring `.venv` to the lock. A folder without a whole stamp is deleted first: `uv sync` after a
   `kill -9` may believe in a package of which half the files are missing.
4. Write the stamp, last.
"""

from __future__ import annotations

import base64
import configparser
import contextlib
import fcntl
import hashlib
import html
import importlib.util
import os
import platform
import re
import shutil
import ssl
import subprocess
import sys
import time
import tomllib
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
STAMP = VENV / "stamp"
DEV = ROOT / ".dev"
DEFAULT_INDEX = "https://pypi.org/simple"
BASE_PYTHON = str(getattr(sys, "_base_executable", None) or sys.executable)
"""The interpreter itself, also when a virtual environment or a shim stands before it."""


def say(text: str) -> None:
    """Talk goes to stderr: `./dev ask --json` keeps stdout for its document."""
    print(f"dev: {text}", file=sys.stderr, flush=True)


def fail(text: str, hint: str) -> SystemExit:
    """An exit with what happened and what to do next."""
    return SystemExit(f"dev: {text}\n\nhint: {hint}")


# --- where packages come from ---------------------------------------------------------------------


def pip_settings() -> dict[str, str]:
    """`index-url` and `cert` as pip would see them: its files, least specific first, then `PIP_*`."""
    home = Path.home()
    files = [Path(p) / "pip/pip.conf" for p in os.environ.get("XDG_CONFIG_DIRS", "/etc/xdg").split(":")]
    files += [Path("/etc/pip.conf"), home / ".pip/pip.conf"]
    files += [Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config") / "pip/pip.conf"]
    if own := os.environ.get("PIP_CONFIG_FILE"):
        files = [Path(own)] if own != os.devnull else []
    parser = configparser.RawConfigParser(strict=False)
    with contextlib.suppress(configparser.Error, UnicodeDecodeError):
        parser.read(files)
    found = {
        key: parser.get(section, key)
        for section in ("global", "install")
        if parser.has_section(section)
        for key in ("index-url", "cert")
        if parser.has_option(section, key)
    }
    for key in ("index-url", "cert"):
        if value := os.environ.get("PIP_" + key.upper().replace("-", "_")):
            found[key] = value
    return found


def environment() -> dict[str, str]:
    """The environment for uv: this folder's, whatever virtual environment or pip settings are active."""
    env = {k: v for k, v in os.environ.items() if k not in {"VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONHOME"}}
    pip = pip_settings()
    index = env.get("UV_DEFAULT_INDEX") or env.get("UV_INDEX_URL") or pip.get("index-url")
    if index and index.rstrip("/") != DEFAULT_INDEX:
        env["UV_DEFAULT_INDEX"] = index
    if "cert" in pip:
        env.setdefault("SSL_CERT_FILE", pip["cert"])
    if "SSL_CERT_FILE" in env or "SSL_CERT_DIR" in env or ssl.create_default_context().get_ca_certs():
        env.setdefault("UV_SYSTEM_CERTS", "1")  # a company's own authority is in the machine's store, not in uv's
    env.pop("UV_INDEX_URL", None)
    env |= {"UV_PYTHON_DOWNLOADS": "never", "UV_PROJECT_ENVIRONMENT": str(VENV)}
    cache = Path(env.get("UV_CACHE_DIR") or Path(env.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "uv")
    try:
        cache.mkdir(parents=True, exist_ok=True)
        if not os.access(cache, os.W_OK):
            raise PermissionError(cache)
    except OSError:
        env["UV_CACHE_DIR"] = str(DEV / "cache")
    return env


# --- uv itself --------------------------------------------------------------------------------------


def locked_uv() -> tuple[str, dict[str, str]]:
    """The version of uv in `uv.lock`, and the SHA-256 of each of its wheels by file name."""
    packages = tomllib.loads((ROOT / "uv.lock").read_text())["package"]
    entry = next(p for p in packages if p["name"] == "uv")
    hashes = {Path(urllib.parse.urlparse(w["url"]).path).name: w["hash"].split(":")[1] for w in entry["wheels"]}
    return entry["version"], hashes


def find_uv() -> Path | None:
    """uv at the locked version, if an earlier call fetched it or the user has it; no network."""
    version, _ = locked_uv()
    binary = _home_of(version) / "bin" / "uv"
    if binary.exists():
        return binary
    found = shutil.which("uv")
    return Path(found) if found and _version_of(found) == version else None


def _home_of(version: str) -> Path:
    return DEV / f"uv-{version}"


def get_uv(env: dict[str, str]) -> Path:
    """The path of uv at the locked version; fetched on the first call, found on the others."""
    if found := find_uv():
        return found
    version, hashes = locked_uv()
    folder = _home_of(version)
    say(f"fetching uv {version}")
    part = DEV / "uv.part"
    shutil.rmtree(part, ignore_errors=True)
    if importlib.util.find_spec("pip") and importlib.util.find_spec("pip.__main__"):
        _uv_by_pip(version, hashes, part)
    else:
        _uv_by_hand(version, hashes, part, env)
    shutil.rmtree(folder, ignore_errors=True)
    part.rename(folder)
    return folder / "bin" / "uv"


def _version_of(uv: str) -> str:
    done = subprocess.run([uv, "--version"], capture_output=True, text=True, check=False)
    words = done.stdout.split()
    return words[1] if len(words) > 1 else ""


def _uv_by_pip(version: str, hashes: dict[str, str], target: Path) -> None:
    """`pip install --target`: allowed on an externally managed system, and blind to PIP_USER and its kin."""
    target.mkdir(parents=True)
    wanted = target / "requirements.txt"
    wanted.write_text(f"uv=={version} " + " ".join(f"--hash=sha256:{h}" for h in hashes.values()) + "\n")
    unwanted = {"PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_NO_BINARY", "PIP_CONSTRAINT", "PIP_REQUIREMENT"}
    env = {k: v for k, v in os.environ.items() if k not in unwanted}
    env |= {"PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(target), "--only-binary=:all:"]
    command += ["--no-deps", "--no-compile", "--require-hashes", "-r", str(wanted)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if done.returncode or not (target / "bin" / "uv").exists():
        raise fail(
            f"pip could not fetch uv {version}\n{done.stdout}{done.stderr}".rstrip(), "is the package index reachable?"
        )


def _uv_by_hand(version: str, hashes: dict[str, str], target: Path, env: dict[str, str]) -> None:
    """The index's page, one wheel, its hash, one file out of it: what pip would have done."""
    name = _wheel_for_this_machine(hashes)
    page_url = env.get("UV_DEFAULT_INDEX", DEFAULT_INDEX).rstrip("/") + "/uv/"
    links = re.findall(r"""href=["']([^"']+)["']""", _download(page_url, env).decode())
    urls = [html.unescape(link) for link in links if name in urllib.parse.unquote(link)]
    if not urls:
        raise fail(f"{_without_password(page_url)} does not offer {name}", "install pip, or uv yourself, and try again")
    data = _download(urllib.parse.urljoin(page_url, urls[0].split("#")[0]), env)
    if (got := hashlib.sha256(data).hexdigest()) != hashes[name]:
        raise fail(
            f"{name} has SHA-256 {got}, uv.lock wants {hashes[name]}", "the index serves another file: do not use it"
        )
    binary = target / "bin" / "uv"
    binary.parent.mkdir(parents=True)
    wheel = DEV / name
    wheel.write_bytes(data)
    with zipfile.ZipFile(wheel) as archive:
        binary.write_bytes(archive.read(f"uv-{version}.data/scripts/uv"))
    binary.chmod(0o755)
    wheel.unlink()


def _wheel_for_this_machine(hashes: dict[str, str]) -> str:
    libc = "musllinux" if platform.libc_ver()[0] != "glibc" else "manylinux"
    machine = platform.machine()
    fitting = [n for n in hashes if machine in n and libc in n and platform.system() == "Linux"]
    if not fitting:
        raise fail(
            f"no uv wheel known for {platform.system()} {machine}", "install uv of that version yourself and try again"
        )
    return fitting[0]


def _download(url: str, env: dict[str, str]) -> bytes:
    """The body of an http(s) URL; user and password inside the URL become a header."""
    parts = urllib.parse.urlsplit(url)
    headers = {"User-Agent": "colonnade-dev"}
    if parts.username:
        pair = f"{urllib.parse.unquote(parts.username)}:{urllib.parse.unquote(parts.password or '')}"
        headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        url = _without_password(url)
    context = ssl.create_default_context(cafile=env.get("SSL_CERT_FILE") or None)
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=60, context=context) as reply:
            return bytes(reply.read())
    except OSError as error:
        hint = "the first install needs the network; later ones do not"
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            hint = "the machine does not know the server's certificate: install ca-certificates, or set SSL_CERT_FILE"
        raise fail(f"cannot read {url}: {error}", hint) from error


def _without_password(url: str) -> str:
    parts = urllib.parse.urlsplit(url)
    return urllib.parse.urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


# --- .venv --------------------------------------------------------------------------------------------


def checksum() -> str:
    """As `cat uv.lock pyproject.toml | cksum` in `dev`: what the stamp compares."""
    data = b"".join((ROOT / name).read_bytes() for name in ("uv.lock", "pyproject.toml"))
    return subprocess.run(["cksum"], input=data, capture_output=True, check=True).stdout.decode().strip()


def place() -> str:
    """First words of the stamp: this folder and the interpreter behind `.venv/bin/python`."""
    return f"{ROOT} {os.path.realpath(VENV / 'bin' / 'python')}"


def read_stamp() -> tuple[str, str]:
    """The two lines of the stamp: place and lock, and the set installed; empty where there is none."""
    try:
        first, second = STAMP.read_text().splitlines()
    except (OSError, ValueError):
        return "", ""
    return first, second


def sync(wanted: str) -> None:
    """Bring `.venv` to the lock: set `run` is what colonnade needs, `all` also what its tests need."""
    before, had = read_stamp()
    if before == f"{place()} {checksum()}" and had in {wanted, "all"}:
        return  # someone else did it while we waited for the lock
    wanted = "all" if had == "all" else wanted
    for left_over in DEV.glob("venv.gone.*"):
        shutil.rmtree(left_over)
    env = environment()
    uv = get_uv(env)
    started = time.monotonic()
    if not before.startswith(place() + " "):
        _remove_venv()
    STAMP.unlink(missing_ok=True)
    say("installing the locked packages into .venv")
    groups = ["--no-dev", "--group", "weights"] if wanted == "run" else []
    if "UV_DEFAULT_INDEX" in env:
        _install_from_mirror(uv, env, groups)
    else:
        _uv(uv, env, "sync", "--locked", "--python", BASE_PYTHON, *groups)
    STAMP.with_suffix(".part").write_text(f"{place()} {checksum()}\n{wanted}\n")
    STAMP.with_suffix(".part").replace(STAMP)
    count = len(list(VENV.glob("lib/python*/site-packages/*.dist-info")))
    say(f"{count} packages in {time.monotonic() - started:.1f} s")


def _remove_venv() -> None:
    """Delete `.venv` even when a file in it refuses for a moment: rename first, so that no half is believed."""
    if VENV.is_symlink() or VENV.is_file():
        VENV.unlink()
    elif VENV.exists():
        gone = DEV / f"venv.gone.{os.getpid()}"
        VENV.rename(gone)
        shutil.rmtree(gone)


def _install_from_mirror(uv: Path, env: dict[str, str], groups: list[str]) -> None:
    """The same files by the same hashes, from another index than the lock names (`uv sync` would refuse)."""
    wanted = DEV / "requirements.txt"
    _uv(uv, env, "export", "--frozen", "--no-header", "--no-emit-project", "-o", str(wanted), *groups, show=False)
    if not (VENV / "bin" / "python").exists():
        _uv(uv, env, "venv", "--relocatable", "--python", BASE_PYTHON, str(VENV), show=False)
    _uv(uv, env, "pip", "sync", "--python", str(VENV / "bin/python"), "--require-hashes", str(wanted))
    _uv(uv, env, "pip", "install", "--python", str(VENV / "bin/python"), "--no-deps", "-e", str(ROOT))


def _uv(uv: Path, env: dict[str, str], *args: str, show: bool = True) -> None:
    """Run uv in this folder; it holds the lock file too, so an orphan of ours is waited for."""
    quiet = [] if show and sys.stderr.isatty() else ["-q"]
    held = (_LOCK.fileno(),) if _LOCK else ()
    done = subprocess.run(
        [str(uv), *args, *quiet], cwd=ROOT, env=env, check=False, pass_fds=held, stdin=subprocess.DEVNULL
    )
    if done.returncode:
        raise fail(
            f"uv {args[0]} ended with {done.returncode}", "its message is above; the first install needs the network"
        )


def lock() -> None:
    """Resolve `pyproject.toml` and the clients of the tests anew."""
    env = environment()
    env.pop("UV_DEFAULT_INDEX", None)
    uv = get_uv(env)
    _uv(uv, env, "lock")
    for wanted in sorted((ROOT / "tests/clients").glob("*.in")):
        flags = [
            "--generate-hashes",
            "--universal",
            "--python-version=3.11",
            "--no-header",
            "--no-annotate",
            "--upgrade",
        ]
        _uv(uv, env, "pip", "compile", *flags, "-o", str(wanted.with_suffix(".txt")), str(wanted))


# --- one at a time --------------------------------------------------------------------------------------

_LOCK = None


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Hold `.dev/lock`; the kernel lets go of it when the last of us dies, however that happens."""
    global _LOCK
    DEV.mkdir(exist_ok=True)
    with (DEV / "lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        _LOCK = handle
        try:
            yield
        finally:
            _LOCK = None


if __name__ == "__main__":
    with alone():
        if sys.argv[1] == "lock":
            lock()
        else:
            sync(sys.argv[1])
