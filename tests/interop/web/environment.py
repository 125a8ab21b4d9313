"""Python programs of the web suites, installed once into the cache as requirements.txt here pins them."""
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
CACHE = os.environ.get("CACHE") or os.path.join(HERE, "..", "..", "..", ".cache", "interop")
FOLDER = os.path.join(CACHE, "web-python")


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
