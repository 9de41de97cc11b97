# Installs a Millrace worker from its farm into a virtual environment of its own, and starts it.
#
#     ... | python3 - [--join TOKEN] [--service] [--system] [--to FOLDER] [--ca-file FILE] [--openjd] [worker's options]
#     ... | python3 - --doctor
#
# With --doctor it starts no worker: `millrace doctor` says what is missing on this machine.
#
# Needs Python 3.11 or newer and a way to a package index (pip's own settings count: PIP_INDEX_URL, HTTPS_PROXY, ...).
# Run again, it brings the environment up to date. What is installed is checked by SHA-256, down to the last package,
# but for what --openjd adds: the farm has no hashes of that.

# ruff: noqa: I001, E402, UP036
import sys

if sys.version_info < (3, 11):  # first, while older ones can still read it
    sys.exit("millrace: needs Python 3.11 or newer; this is " + sys.version.split()[0] + " (" + sys.executable + ")")

import hashlib
import os
import ssl
import subprocess
import tempfile
import urllib.parse
import urllib.request

FARM = "@FARM@"
WHEEL = "@WHEEL@"
SHA256 = "@SHA256@"

BUNDLES = ("PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
OURS = ("--service", "--system", "--openjd", "--doctor")
OURS_WITH_VALUE = ("--to", "--ca-file", "--join")
PARTS = ("bin", "include", "lib", "lib64", "scripts", "share", "pyvenv.cfg", ".gitignore")
OURS_IN_IT = ("millrace-worker.json", "authorities.pem")


class Failed(Exception):
    pass


def main(arguments: list[str]) -> int:
    ours, worker_options = sorted_out(arguments)
    ca_file = ours.get("--ca-file") or os.environ.get("MILLRACE_CA_FILE")
    folder = os.path.abspath(os.path.expanduser(ours.get("--to") or default_folder("--system" in ours)))
    python = environment(folder)
    install(python, folder, ca_file, "--openjd" in ours)
    command = [python, "-m", "millrace.cli", "doctor" if "--doctor" in ours else "worker"]
    if "--doctor" in ours:
        worker_options = []
    elif "--service" in ours:
        command += ["install", "--system" if "--system" in ours else "--user"]
    command += ["--farm", FARM] + (["--ca-file", os.path.abspath(ca_file)] if ca_file else []) + worker_options
    say("starting: " + " ".join(command))
    if "--join" in ours:
        os.environ["MILLRACE_JOIN_TOKEN"] = ours["--join"]  # a command line is seen by every user of the machine
    sys.stdout.flush()
    if os.name == "nt":
        return subprocess.call(command)
    os.execv(python, command)


def sorted_out(arguments: list[str]) -> tuple[dict[str, str], list[str]]:
    """What is for us, and what is for `millrace worker`."""
    ours: dict[str, str] = {}
    rest: list[str] = []
    words = iter(arguments)
    for word in words:
        name, equals, value = word.partition("=")
        if name in OURS:
            ours[name] = "yes"
        elif name in OURS_WITH_VALUE:
            ours[name] = value if equals else next(words, "")
            if not ours[name]:
                raise Failed(f"{name} wants a value")
        else:
            rest.append(word)
    return ours, rest


def default_folder(system: bool) -> str:
    if os.name == "nt":
        # Not "worker": the state of this user's workers is in millrace\worker there, which Windows takes for the same.
        return os.path.join(os.environ.get("ProgramData" if system else "LOCALAPPDATA", "~"), "Millrace", "environment")
    if system:
        return "/opt/millrace-worker"
    return os.path.join(os.environ.get("XDG_DATA_HOME") or "~/.local/share", "millrace", "worker")


def environment(folder: str) -> str:
    """The Python of the virtual environment there, which is made if it is missing. Other files there are not ours."""
    there = os.listdir(folder) if os.path.isdir(folder) else []
    if there and "pyvenv.cfg" not in there:
        raise Failed(f"{folder} is not empty, and no virtual environment; --to wants a new folder, {another(folder)}")
    python = os.path.join(folder, *(("Scripts", "python.exe") if os.name == "nt" else ("bin", "python")))
    if not os.path.exists(python) or subprocess.call([python, "-m", "pip", "--version"], stdout=subprocess.DEVNULL):
        strange = [name for name in there if name.lower() not in PARTS + OURS_IN_IT]
        if strange:
            raise Failed(
                f"the virtual environment in {folder} does not work, and making it anew would remove {strange[0]!r}; "
                f"--to wants a folder of the worker's own, {another(folder)}"
            )
        say(f"making a virtual environment in {folder}")
        if subprocess.call([sys.executable, "-m", "venv"] + (["--clear"] if there else []) + [folder]):
            raise Failed("no virtual environment could be made; on Debian and Ubuntu: apt-get install python3-venv")
    # Made for the worker alone, so that it may replace itself there.
    with open(os.path.join(folder, "millrace-worker.json"), "w", encoding="utf-8") as file:
        file.write("{}\n")
    return python


def another(folder: str) -> str:
    return "such as " + os.path.join(folder, "millrace-worker")


def install(python: str, folder: str, ca_file: str | None, openjd: bool) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        lock, wheel = os.path.join(scratch, "requirements.txt"), os.path.join(scratch, WHEEL)
        fetch("/install/requirements.lock", lock, ca_file)
        if fetch("/install/" + WHEEL, wheel, ca_file) != SHA256:
            raise Failed("the wheel that came is not the one that was announced; try again")
        variables = pip_variables(python, folder, ca_file)
        say(f"installing {WHEEL} and what it needs")
        pip(python, variables, "--require-hashes", "--requirement", lock)
        pip(python, variables, "--no-deps", "--force-reinstall", wheel)
        if openjd:
            pip(python, variables, with_extra(wheel, "openjd"))


def with_extra(wheel: str, extra: str) -> str:
    """As pip wants it. No URL: a space in the name of the folder would end it."""
    return f"{wheel}[{extra}]"


def pip(python: str, variables: dict[str, str], *arguments: str) -> None:
    command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
    if subprocess.call(command + list(arguments), env=variables):
        raise Failed("pip could not install it; behind a proxy set HTTPS_PROXY, for a mirror PIP_INDEX_URL")


def pip_variables(python: str, folder: str, ca_file: str | None) -> dict[str, str]:
    """pip trusts the file's authorities as well as those that it trusts anyway."""
    variables = dict(os.environ)
    if ca_file:
        named = [variables[name] for name in BUNDLES if variables.get(name)]
        usual = named[0] if named else configured(python)
        both = os.path.join(folder, "authorities.pem")
        with open(both, "w", encoding="utf-8") as file:
            for path in (usual, ca_file):
                with open(path, encoding="utf-8") as part:
                    file.write(part.read() + "\n")
        variables["PIP_CERT"] = both
    return variables


def configured(python: str) -> str:
    """The authorities of pip's own settings, or those that it brings."""
    asked = subprocess.run([python, "-m", "pip", "config", "get", "global.cert"], capture_output=True, text=True)
    if asked.returncode == 0 and os.path.isfile(asked.stdout.strip()):
        return asked.stdout.strip()
    brought = [python, "-c", "from pip._vendor import certifi; print(certifi.where())"]
    return subprocess.check_output(brought, text=True).strip()


def fetch(path: str, target: str, ca_file: str | None) -> str:
    """The SHA-256 of what came."""
    context = ssl.create_default_context()
    for name in (ca_file, os.environ.get("REQUESTS_CA_BUNDLE")):
        if name:
            context.load_verify_locations(name)
    handlers: list[urllib.request.BaseHandler] = [urllib.request.HTTPSHandler(context=context)]
    if urllib.parse.urlsplit(FARM).hostname in ("localhost", "127.0.0.1", "::1"):
        handlers.append(urllib.request.ProxyHandler({}))  # no proxy can reach our loopback
    try:
        with urllib.request.build_opener(*handlers).open(FARM + path, timeout=60) as answer:
            data = answer.read()
    except OSError as error:
        raise Failed(f"{FARM}{path}: {error}") from error
    with open(target, "wb") as file:
        file.write(data)
    return hashlib.sha256(data).hexdigest()


def say(text: str) -> None:
    print("millrace: " + text)
    sys.stdout.flush()


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (Failed, OSError) as problem:
        sys.exit(f"millrace: {problem}")
    except KeyboardInterrupt:
        sys.exit(130)
