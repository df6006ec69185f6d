"""Run one untrusted Python program and say how it ended.

    python -I -S code_jail.py LIMITS < program

A script for `code_reward`; it imports nothing of ours. LIMITS and the result
are JSON. The process leaves the machine's namespaces, a child walls itself
in (files, rights, limits) and becomes the program; at the deadline it is
killed. Where the kernel refuses the namespaces, no program is started.
"""

import contextlib
import ctypes
import json
import os
import resource
import signal
import sys
import tempfile
import time

NOBODY = 65534
# linux/sched.h: mounts, host name, System V memory, users, processes, network
NEW_MOUNTS, NEW_NAMES, NEW_IPC = 0x20000, 0x4000000, 0x8000000
NEW_USERS, NEW_PROCESSES, NEW_NETWORK = 0x10000000, 0x20000000, 0x40000000
NAMESPACES = NEW_MOUNTS | NEW_NAMES | NEW_IPC | NEW_PROCESSES | NEW_NETWORK
# sys/mount.h
READ_ONLY, NO_SETUID, NO_DEVICES, REMOUNT = 1, 2, 4, 32
BIND, RECURSIVE, PRIVATE = 4096, 16384, 1 << 18
# sys/prctl.h
DIE_WITH_PARENT, NO_NEW_RIGHTS = 1, 38
ROOT = "/proc"  # a folder that is always there, to mount the jail on
PYTHON = os.path.realpath(sys.executable)  # a venv's is only a link
LIBRARIES = os.path.join(sys.base_prefix, "lib")
LIBC = ctypes.CDLL(None, use_errno=True)
MEGABYTE = 2**20
POLL_SECONDS = 0.005


def call(name, *arguments):
    """Call a C function; raises OSError where it fails."""
    if getattr(LIBC, name)(*arguments) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{name}: {os.strerror(error)}")


def leave_namespaces():
    """Get namespaces of our own; children get the process namespace."""
    is_root = os.geteuid() == 0
    user, group = os.geteuid(), os.getegid()
    call("unshare", NAMESPACES if is_root else NAMESPACES | NEW_USERS)
    if not is_root:  # an ordinary user may do this only as a new "nobody"
        for file, line in (
            ("setgroups", "deny"),
            ("uid_map", f"{NOBODY} {user} 1"),
            ("gid_map", f"{NOBODY} {group} 1"),
        ):
            with open(f"/proc/self/{file}", "w", encoding="ascii") as stream:
                stream.write(line)
    call("mount", None, b"/", None, RECURSIVE | PRIVATE, None)
    call("sethostname", b"jail", 4)


def build_jail(size):
    """Mount a little file system that holds Python and nothing else."""
    flags = NO_SETUID | NO_DEVICES
    options = f"size={size},nr_inodes=512,mode=755".encode()
    call("mount", b"jail", ROOT.encode(), b"tmpfs", flags, options)
    system = ["/lib", "/lib64", "/usr/lib", "/usr/lib64"]
    for folder in sorted([*system, LIBRARIES, os.path.dirname(PYTHON)]):
        place = ROOT + folder
        if os.path.lexists(place):
            continue
        os.makedirs(os.path.dirname(place), exist_ok=True)
        if os.path.islink(folder):
            os.symlink(os.readlink(folder), place)
        elif os.path.isdir(folder):
            os.mkdir(place)
            bind_read_only(folder, place)
    os.mkdir(f"{ROOT}/work")
    os.chmod(f"{ROOT}/work", 0o777)


def bind_read_only(folder, place):
    """Show a folder of the machine in the jail, for reading."""
    source, target = folder.encode(), place.encode()
    call("mount", source, target, None, BIND | RECURSIVE, None)
    # What the machine forbids in this mount must stay forbidden
    flags = os.statvfs(place).f_flag & ~RECURSIVE
    flags |= BIND | REMOUNT | READ_ONLY | NO_SETUID | NO_DEVICES
    call("mount", None, target, None, flags, None)


def give_up_rights(limits):
    """Lock the door from inside: root folder, user, limits."""
    os.chroot(ROOT)
    os.chdir("/work")
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    call("prctl", NO_NEW_RIGHTS, 1, 0, 0, 0)
    call("prctl", DIE_WITH_PARENT, signal.SIGKILL, 0, 0, 0)
    seconds = int(limits["seconds"]) + 1
    for name, value in (
        ("AS", limits["memory_mb"] * MEGABYTE),
        ("CPU", seconds),
        ("FSIZE", limits["file_kb"] * 1024),
        ("NOFILE", 32),
        ("NPROC", 1),  # no children and no threads
        ("CORE", 0),
        ("MEMLOCK", 0),
        ("MSGQUEUE", 0),
    ):
        kind = getattr(resource, f"RLIMIT_{name}")
        resource.setrlimit(kind, (value, value))


def become_program(source, output, limits):
    """The child: never returns."""
    try:
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDONLY)
        for number, file in enumerate((nothing, output, output)):
            os.dup2(file, number)
        os.closerange(3, 1024)
        build_jail(limits["file_kb"] * 2 * 1024 + MEGABYTE)
        give_up_rights(limits)
        arguments = [PYTHON, "-I", "-S", "-B", "-c", source]
        os.execve(PYTHON, arguments, {"LD_LIBRARY_PATH": LIBRARIES})
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.write(2, f"jail: {error}".encode())
    os._exit(120)


def wait_until(pid, deadline):
    """Wait for the child, or kill it and with it all of its namespace."""
    is_late = False
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return status, is_late
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
            is_late = True
        time.sleep(POLL_SECONDS)


def main():
    """Read the program, run it, write the result."""
    limits = json.loads(sys.argv[1])
    source = sys.stdin.buffer.read().decode("utf-8")
    call("prctl", DIE_WITH_PARENT, signal.SIGKILL, 0, 0, 0)
    try:
        leave_namespaces()
    except OSError as error:
        print(json.dumps({"status": "refused", "output": str(error)}))
        return
    with tempfile.TemporaryFile() as output:
        deadline = time.monotonic() + limits["seconds"]
        pid = os.fork()
        if pid == 0:
            become_program(source, output.fileno(), limits)
        status, is_late = wait_until(pid, deadline)
        output.seek(0)
        text = output.read(limits["file_kb"] * 1024).decode("utf-8", "replace")
    code = os.waitstatus_to_exitcode(status)
    name = "timeout" if is_late else "error" if code else "ok"
    if code == 120 and text.startswith("jail: "):
        name = "refused"
    print(json.dumps({"status": name, "code": code, "output": text}))


if __name__ == "__main__":
    main()
