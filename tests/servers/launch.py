"""Become a server's process: python launch.py PARENT UID GID COMMAND… (`process.py` calls it).

It runs as that user, and gets SIGQUIT when the thread that started it ends without stopping it (on Linux; elsewhere a
server outlives a test run that is killed). A process of its own does this, since code between fork and exec is not
safe where threads run, and since a change of the user clears the wish for the signal. The pid stays.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

#: The number of `prctl` that asks for a signal at the parent's end.
PR_SET_PDEATHSIG = 1


def launch(parent: int, uid: int, gid: int, command: list[str]) -> None:
    """Turn this process into `command`; it never returns."""
    if uid != os.getuid():
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if sys.platform == "linux":
        signal.signal(signal.SIGQUIT, signal.SIG_DFL)  # a shell has its background jobs, and their children, ignore it
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGQUIT)
        if os.getppid() != parent:
            sys.exit("who started the server has ended already")
    os.execv(command[0], command)


if __name__ == "__main__":
    parent, uid, gid = map(int, sys.argv[1:4])
    launch(parent, uid, gid, sys.argv[4:])
