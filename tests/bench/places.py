"""Where the bench finds what it measures with, and what it measures."""

import os
import sys
import sysconfig

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "system"), os.path.dirname(HERE)]

from namespace import TREE  # noqa: E402  (its folder has just been added)

TOOLS = os.path.join(TREE, "build/bench")
OUT = os.environ.get("BENCH_OUT", TOOLS)  # for what a run leaves, and the stores that it works on


def pam_modules():
    """The folder in which libpam looks: Debian has one for each architecture, Fedora one."""
    folders = (f"/usr/lib/{sysconfig.get_config_var('MULTIARCH')}/security", "/usr/lib64/security", "/usr/lib/security")
    return next((folder for folder in folders if os.path.exists(f"{folder}/pam_permit.so")), folders[0])


MODULES = pam_modules()
LIBRARIES = os.path.dirname(MODULES)  # where a setuid program may be made to load a library by its name alone
