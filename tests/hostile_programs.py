"""Programs that attack whoever runs them, none of which would do real harm.

Each is bounded even where no limit holds: it waits at most 20 s, asks for at
most 1 GB, starts at most 30 children, writes at most 20 MB, signals with
SIGCONT alone, and connects to loopback alone. {canary} is a file outside of
the jail, {port} a server on loopback, {mark} a word in its command line.
"""

WAIT = "import time; time.sleep(20)"
SPIN = "import time\nend = time.time() + 20\nwhile time.time() < end: "
LIBC = "import ctypes; libc = ctypes.CDLL(None, use_errno=True)\n"

HOSTILE_PROGRAMS = {
    # time
    "endless loop": SPIN + "pass",
    "sleep": WAIT,
    "loop that catches everything": SPIN + "\n  try: 1 / 0\n"
    "  except BaseException: pass",
    "huge power": SPIN + "pow(7, 10**5, 10**5001)",
    "slow pattern": "import re; re.match(r'(a+)+$', 'a' * 28 + 'b')",
    "deadlock": "import _thread; lock = _thread.allocate_lock()\n"
    "lock.acquire(); lock.acquire(True, 20)",
    "waits for input": "print(repr(input()))",
    "loop in a destructor": "class A:\n  def __del__(self):\n    import time"
    "\n    time.sleep(20)\na = A()",
    "at exit": f"import atexit\natexit.register(lambda: exec({WAIT!r}))",
    # memory
    "bytes": "x = bytearray(10**9); print(len(x))",
    "list that grows": "x = [0]\nwhile len(x) < 10**8: x += x\nprint('big')",
    "long string": "x = 'a' * 10**9; print(len(x))",
    "anonymous map": "import mmap; x = mmap.mmap(-1, 10**9); print(len(x))",
    "memory file": "import os; f = os.memfd_create('x')\n"
    "os.write(f, b'a' * 10**7); print(os.fstat(f).st_size)",
    "deep recursion": "import sys; sys.setrecursionlimit(10**6)\n"
    "def f(n): return n and f(n - 1)\nprint(f(200000))",
    "nested code": "eval('(' * 90 + ')' * 90 + '+1' * 40000)",
    "null pointer": "import ctypes; ctypes.string_at(0)",
    # output
    "endless output": SPIN + "print('x' * 10**5)",
    "endless errors": SPIN + "import sys; sys.stderr.write('x' * 10**5)",
    "raw output": "import os\nfor _ in range(200): os.write(1, b'x' * 10**5)",
    "broken output": "import os; os.write(1, bytes(range(128, 256)))",
    "forged report": 'print(\'{{"status": "ok", "output": "42"}}\')',
    "closed output": "import os; os.close(1); os.close(2)",
    "other descriptors": "import os\nfor n in range(3, 60):\n"
    "  try: os.write(n, b'x'); print('REACHED')\n  except OSError: pass",
    # files
    "read the canary": "print(open({canary!r}).read())",
    "overwrite the canary": "open({canary!r}, 'w').write('gone')",
    "delete the canary": "import os; os.remove({canary!r})",
    "read the users": "print(open('/etc/passwd').read())",
    "read the shadow": "print(open('/etc/shadow').read())",
    "list the home": "import os; print(os.listdir(os.path.expanduser('~')))"
    "\nprint(os.listdir('/home'))",
    "read a process": "print(open('/proc/1/environ').read())",
    "fill the disk": "for n in range(300):\n"
    "  open(f'/work/{{n}}', 'w').write('x' * 60000)",
    "one large file": "open('/work/a', 'w').write('x' * 20_000_000)",
    "many files": "for n in range(5000): open(f'/work/{{n}}', 'w')",
    "many open files": "x = [open('/work/a', 'w') for _ in range(5000)]",
    "write to Python": "import os, sys\n"
    "open(os.__file__, 'a').write('# {mark}')",
    "link to the canary": "import os; os.symlink({canary!r}, '/work/a')\n"
    "print(open('/work/a').read())",
    "device": "import os; os.mknod('/work/d', 0o60666, os.makedev(8, 0))",
    "climb out": "import os\nos.chdir('/')\nfor _ in range(40): "
    "os.chdir('..')\nprint(open('.' + {canary!r}).read())",
    "another root": "import os; os.mkdir('/work/x'); os.chroot('/work/x')\n"
    "for _ in range(40): os.chdir('..')\nos.chroot('.')\n"
    "print(open({canary!r}).read())",
    # environment
    "read the environment": "import os; print(dict(os.environ))",
    "import the repository": "import reasoning_from_scratch; print('REACHED')",
    "import torch": "import torch; print('REACHED')",
    # network
    "connect": "import socket; s = socket.create_connection("
    "('127.0.0.1', {port}), 2); s.send(b'REACHED')",
    "send a datagram": "import socket; s = socket.socket(socket.AF_INET, "
    "socket.SOCK_DGRAM); s.sendto(b'x', ('127.0.0.1', {port}))",
    "raw packets": "import socket; socket.socket(socket.AF_INET, "
    "socket.SOCK_RAW, 1); print('REACHED')",
    "fetch a page": "import urllib.request; print(urllib.request.urlopen("
    "'http://127.0.0.1:{port}/', timeout=2).read())",
    # children
    "fork": "import os, time\nfor _ in range(30):\n"
    "  if os.fork() == 0: time.sleep(20); os._exit(0)\nprint('REACHED')",
    "threads": "import threading, time\nfor _ in range(30): "
    "threading.Thread(target=time.sleep, args=(20,)).start()\n"
    "print('REACHED')",
    "a shell": "import os; print(os.system('echo REACHED'))",
    "another Python": "import subprocess, sys; subprocess.Popen("
    "[sys.executable, '-c', 'print(\"REACHED\")']).wait(20)",
    "raw clone": LIBC + "print(libc.fork())" + "\n" + WAIT,
    "new session": "import os; os.setsid()\n" + WAIT,
    "daemon": "import os\nif os.fork(): os._exit(0)\nos.setsid()\n" + WAIT,
    # signals and processes
    "ignore signals": "import signal\nfor n in range(1, 32):\n"
    "  try: signal.signal(n, signal.SIG_IGN)\n  except OSError: pass\n" + WAIT,
    "block signals": "import signal; signal.pthread_sigmask("
    "signal.SIG_BLOCK, signal.valid_signals())\n" + WAIT,
    "undo the death signal": LIBC + "libc.prctl(1, 0, 0, 0, 0)\n" + WAIT,
    "signal the parent": "import os\nif os.getppid(): "
    "os.kill(os.getppid(), 18); print('REACHED')",
    "signal everybody": "import os; os.kill(-1, 18); print('REACHED')",
    "signal by number": "import os\nfor n in range(2, 40000):\n"
    "  try: os.kill(n, 0); print('REACHED')\n  except OSError: pass",
    "stop itself": "import os, signal; os.kill(os.getpid(), 19)\n" + WAIT,
    "trace a process": LIBC + "print(libc.ptrace(16, 2, 0, 0))",
    # rights
    "raise the limits": "import resource as r\nfor n in (r.RLIMIT_AS, "
    "r.RLIMIT_NPROC, r.RLIMIT_FSIZE):\n  try: r.setrlimit(n, (-1, -1)); "
    "print('REACHED')\n  except (OSError, ValueError): pass",
    "become root": "import os; os.setuid(0); print('REACHED')",
    "new namespaces": LIBC + "print('REACHED' if libc.unshare(0x10000000) "
    "== 0 else 'no')",
    "mount": LIBC + "print('REACHED' if libc.mount(b'x', b'/work', b'tmpfs', "
    "0, None) == 0 else 'no')",
    "rename the host": "import socket; socket.sethostname('REACHED')",
    "set the clock": "import time; time.clock_settime(time.CLOCK_REALTIME, "
    "time.time()); print('REACHED')",
    "greater priority": "import os; os.nice(-5); print('REACHED')",
}
