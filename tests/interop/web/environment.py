"""Programs of the web suites, installed once into the cache: Python's as requirements.txt here pins them, Node's as package-lock.json does."""
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
CACHE = os.environ.get("CACHE") or os.path.join(HERE, "..", "..", "..", ".cache", "interop")
FOLDER = os.path.join(CACHE, "web-python")
NPM_FOLDER = os.path.join(CACHE, "web-js")


def install():
    """Does nothing when it is there already."""
    with open(os.path.join(HERE, "requirements.txt")) as file:
        wanted = file.read()
    stamp = os.path.join(FOLDER, "installed.txt")
    if os.path.exists(stamp) and open(stamp).read() == wanted:
        return
    subprocess.run([sys.executable, "-m", "venv", "--clear", FOLDER], check=True)
    pip = [os.path.join(FOLDER, "bin", "pip"), "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "-r", os.path.join(HERE, "requirements.txt")], check=True, timeout=300)
    with open(stamp, "w") as file:
        file.write(wanted)


def program(name):
    """Path of a program of those packages, e.g. "python"."""
    install()
    return os.path.join(FOLDER, "bin", name)


def npm_folder():
    """Where the scripts of this folder lie together with the packages that they import."""
    os.makedirs(NPM_FOLDER, exist_ok=True)
    lock = os.path.join(HERE, "package-lock.json")
    stamp = os.path.join(NPM_FOLDER, "installed.json")
    for name in os.listdir(HERE):
        if name.endswith((".mjs", ".json")):
            shutil.copy(os.path.join(HERE, name), NPM_FOLDER)
    if not os.path.exists(stamp) or open(stamp).read() != open(lock).read():
        command = ["npm", "ci", "--no-audit", "--no-fund", "--silent"]
        subprocess.run(command, cwd=NPM_FOLDER, check=True, timeout=180)
        shutil.copy(lock, stamp)
    return NPM_FOLDER
