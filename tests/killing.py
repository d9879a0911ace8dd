"""Processes that are killed in tests: scripts of their own that load PyTorch once and fork every run."""

import os
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path


def kill_myself():
    """End as `kill -9` ends a process: nothing is closed, nothing is written."""
    os.kill(os.getpid(), signal.SIGKILL)


def forked(function, *args, delay=None):
    """Call it in a process of its own, killed after `delay` seconds; how that ended (minus the signal's number)."""
    child = os.fork()
    if child == 0:
        try:
            function(*args)
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    if delay is not None:
        time.sleep(delay)
        os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def run_script(file, root):
    """Run a script that kills runs under a folder, to its end; what it said."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parent)}
    command = [sys.executable, str(file), str(root)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr
    return done.stderr
