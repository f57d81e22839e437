"""What a container's seccomp filter takes away: the kernel's keys."""

import os

from kernels import REFUSE, restrict

KEY_CALLS = {"x86_64": (248, 249, 250), "aarch64": (217, 218, 219)}[os.uname().machine]  # add_key, request_key, keyctl


def refuse_keys(error):
    """This process, still root, and all that it starts get that errno from add_key, request_key and keyctl from now on."""
    restrict(*[(call, REFUSE | error) for call in KEY_CALLS])
