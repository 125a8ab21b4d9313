"""What every Python suite here shares: one line per check, a deadline for each, and the exit code.

A suite is a script that prints `ok NAME` or `FAIL NAME: why` and exits non-zero when something failed.
The runner (run.ts) sets BOOTSTRAP (the Kafka listener), HTTP (the base address), and CACHE.
"""
import faulthandler
import os
import sys
import traceback

BOOTSTRAP = os.environ.get("BOOTSTRAP", "127.0.0.1:9092")
HTTP = os.environ.get("HTTP", "http://127.0.0.1:8080")
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LONG = os.environ.get("KAVKA_INTEROP_LONG") == "1"

_failed = 0


def check(name, seconds=240):
    """Decorator: runs the function at once as a check of this name; returns what it returned, or None."""

    def run(function):
        global _failed
        faulthandler.dump_traceback_later(seconds, exit=True)
        try:
            result = function()
        except Exception as error:  # a check reports whatever went wrong, the next one still runs
            _failed += 1
            where = traceback.extract_tb(error.__traceback__)[-1]
            text = " ".join(str(error).split())[:600] or type(error).__name__
            print(f"FAIL {name}: {type(error).__name__} at line {where.lineno}: {text}", flush=True)
            return None
        finally:
            faulthandler.cancel_dump_traceback_later()
        print(f"ok {name}" + (f" ({result})" if isinstance(result, str) else ""), flush=True)
        return result

    return run


def equal(actual, expected, what="value"):
    """Fails with both sides, shortened, when they differ."""
    if actual != expected:
        raise AssertionError(f"{what}: expected {short(expected)}, got {short(actual)}")


def short(value):
    text = repr(value)
    return text if len(text) < 240 else f"{text[:150]} … {text[-60:]}"


def finish():
    """Ends the suite with the exit code that tells whether a check failed."""
    sys.stdout.flush()
    os._exit(1 if _failed else 0)  # clients' background threads must not hold the process
