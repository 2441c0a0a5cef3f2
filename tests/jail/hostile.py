# ruff: noqa: E501, RUF028 (an attack a line reads best)
"""Attacks, as code a policy might submit. Their names begin with the number of their case (CASES).

An attack that gets through raises RuntimeError("ESCAPED ..."); one that is refused dies of the refusal (`forbidden`), or
draws a chart when it swallowed it (`ok`).
"""

from __future__ import annotations

from dataclasses import dataclass

PRELUDE = """
import ctypes, errno, os, sys
L = ctypes.CDLL(None, use_errno=True)
L.syscall.restype = ctypes.c_long
def call(number, *arguments):
    arguments = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    result = L.syscall(ctypes.c_long(number), *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
def refused(what, attempt, *arguments, codes=(errno.EPERM, errno.EACCES, errno.EROFS)):
    try:
        attempt(*arguments)
    except OSError as error:
        if error.errno not in codes:
            raise RuntimeError(f"ESCAPED? {what}: {error!r}") from error
    else:
        raise RuntimeError(f"ESCAPED {what}")
def draw():
    import matplotlib.pyplot as plt
    plt.figure(figsize=(2, 1)); plt.plot([1, 2]); plt.savefig("out.png")
"""


@dataclass(frozen=True)
class Attack:
    """Code, the statuses it may end with, and a word of the denied operation's name for `forbidden`."""

    name: str
    code: str
    statuses: tuple[str, ...]
    denied: str | None = None
    timeout_s: float = 10.0
    memory_mb: int | None = None


def _refused(name: str, *expressions: str) -> Attack:
    """Every expression must be refused; then the job draws its chart as if nothing had been."""
    lines = [f"refused({expression!r}, lambda: {expression})" for expression in expressions]
    return Attack(name, "\n".join([*lines, "draw()"]), ("ok",))


def _dies(name: str, code: str, denied: str | None = None) -> Attack:
    return Attack(name, code + "\nraise RuntimeError('ESCAPED')", ("forbidden",), denied)


MACHINE_CODE = """
import mmap
page = mmap.mmap(-1, 4096, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=7)
page.write(bytes.fromhex({code!r}))
ctypes.CFUNCTYPE(ctypes.c_long)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
raise RuntimeError("ESCAPED")
"""

FIND_WRITER = """
import gc, struct, json
prefix = None
for one in gc.get_objects():
    if type(one).__name__ == "function" and one.__name__ == "send" and one.__closure__:
        for cell in one.__closure__:
            if isinstance(cell.cell_contents, bytes) and cell.cell_contents.startswith(b"CRR1"):
                prefix = cell.cell_contents
frame = sys._getframe()
while frame and not prefix:
    for value in frame.f_locals.values():
        for cell in getattr(value, "__closure__", None) or ():
            if isinstance(cell.cell_contents, bytes) and cell.cell_contents.startswith(b"CRR1"):
                prefix = cell.cell_contents
    frame = frame.f_back
assert prefix, "no token found"
def frame_of(head, body):
    raw = head if isinstance(head, bytes) else json.dumps(head).encode()
    return prefix + struct.pack(">II", len(raw), len(body)) + raw + body
"""

FORGE = (
    FIND_WRITER
    + """
MARK = {"kind": "line", "axes": 0, "box": [0, 0, 9, 9]}
def described(**more):
    return {"width": 6, "height": 4, "dpi": 100.0, "figsize": [0.06, 0.04], **more}
def forge(description, pixels=b"abc" * 24):
    frame = frame_of({"status": "ok", "width": 6, "height": 4, "description": description}, pixels)
    while frame: frame = frame[os.write(3, frame):]
    os._exit(0)
"""
)

# What each number is: 1-40 are SANDBOX.md's list, the rest our own.
CASES = {
    1: "fork bomb", 2: "subprocess, exec, posix_spawn, execveat", 3: "thread bomb", 4: "memory bombs", 5: "huge numpy arrays",
    6: "floods on stdout and stderr", 7: "pixel bombs", 8: "50 000 figures", 9: "scatters and artists without end",
    10: "hostile bytes on the result channel", 11: "symlink as result", 12: "hard link", 13: "FIFO, devices, sparse files, deep folders",
    14: "swap races", 15: "hostile file names", 16: "filling the disk", 17: "filling the inodes", 18: "files for the next job",
    19: "signals", 20: "ptrace and memory of others", 21: "/proc", 22: "limits and priority of the parent", 23: "raising limits, SIGXCPU",
    24: "descriptors", 25: "forged, truncated, doubled frames", 26: "sockets of all kinds, DNS", 27: "Unix sockets, SCM_RIGHTS",
    28: "io_uring", 29: "namespaces, mount, chroot", 30: "keys, SysV, queues, locks", 31: "splice family", 32: "foreign system calls",
    33: "bpf, perf, userfaultfd, personality", 34: "stacked filters, hostile prctl", 35: "never ending", 36: "double fork, atexit, __del__",
    37: "ending badly", 38: "patched modules, frame and gc walks", 39: "preloads, planted modules, zip bombs", 40: "changing everything for the next job",
    41: "file handles", 42: "files without a name", 43: "watching others", 44: "an alarm on oneself", 45: "folders without rights",
    46: "what must still work", 47: "hostile audit hook", 48: "hostile trace function", 49: "real time, locked memory", 50: "timers, events, handles",
    51: "changing identity", 52: "the machine's clock, name, kernel", 53: "reading outside", 54: "climbing out of the work folder",
    55: "writing to the runtime", 56: "truncating by path", 57: "modes and times outside", 58: "descriptors without end", 59: "parser and integer bombs",
    60: "mappings, null bytes", 61: "pretending to be locked", 62: "threads that outlive the code", 63: "stdin", 64: "refused and caught",
    65: "forged results", 66: "descriptions without end", 67: "hostile exceptions' fields", 68: "flags for the next job", 69: "storm of timers",
    70: "removing the work folder", 71: "a folder under its own feet", 72: "a thread that forks", 73: "files written while it ends",
    74: "pickles", 75: "fault handler",
}  # fmt: skip

ATTACKS = [
    # 1-3 processes and threads
    _dies("01 fork bomb", "while True: os.fork()", "os.fork"),
    _dies("02 subprocess", "import subprocess; subprocess.run(['id'])", "subprocess.Popen"),
    Attack("02 os.system", "assert os.system('touch made') != 0; assert not os.path.exists('made'); draw()", ("ok",)),
    _dies("02 os.popen", "os.popen('id').read()", "subprocess.Popen"),
    _dies("02 execv", "os.execv('/bin/sh', ['sh', '-c', 'exit 3'])", "os.exec"),
    _dies("02 posix_spawn", "os.posix_spawn('/bin/sh', ['sh'], {})", "os.posix_spawn"),
    _dies("02 multiprocessing", "import multiprocessing as m\nm.get_context('fork').Process(target=print).start()"),
    _refused("02 memfd and execveat", "os.memfd_create('x')", "call(322, -1, b'/bin/sh', None, None, 0)"),
    _refused("02 vfork, clone", "call(58)", "call(56, 17, 0, 0, 0, 0)", "call(56, 0x4111, 0, 0, 0, 0)"),
    Attack("02 clone3", "refused('clone3', lambda: call(435, None, 0), codes=(errno.ENOSYS,)); draw()", ("ok",)),
    Attack(
        "03 thread bomb",
        "import threading, time\nthreading.stack_size(32768)\n"
        "while True: threading.Thread(target=time.sleep, args=(60,), daemon=True).start()",
        ("forbidden", "runtime_error", "memory_limit"),
    ),
    Attack(
        "03 a few threads are fine",
        "import threading\nts=[threading.Thread(target=sum, args=([1],)) for _ in range(8)]\n"
        "[t.start() for t in ts]; [t.join() for t in ts]; draw()",
        ("ok",),
    ),
    # 4-5 memory
    Attack("04 memory bomb", "x = []\nwhile True: x.append(bytearray(10**7))", ("memory_limit",), memory_mb=256),
    Attack("04 string doubling", "s = 'x'\nwhile True: s += s", ("memory_limit",), memory_mb=256),
    Attack(
        "04 noreserve 100 GB",
        "refused('mmap', lambda: call(9, 0, 100 << 30, 3, 0x4022, -1, 0), codes=(errno.ENOMEM,)); draw()",
        ("ok",),
    ),
    Attack("04 huge pages", "import mmap; mmap.mmap(-1, 1 << 21, flags=0x40022)", ("runtime_error", "memory_limit")),
    Attack("04 list of lists", "x = [None]\nwhile True: x = [x] * 10_000_000 + x", ("memory_limit",), memory_mb=256),
    Attack("05 numpy 80 GB", "import numpy as np; np.ones(10**10)", ("memory_limit",)),
    Attack("05 numpy filling", "import numpy as np\nx=[]\nwhile True: x.append(np.ones(10**6))", ("memory_limit",), memory_mb=128),
    # 6 floods
    Attack("06 stdout flood", "while True: print('x' * 1000)", ("output_limit",)),
    Attack("06 stderr flood", "while True: sys.stderr.write('x' * 1000)", ("output_limit",)),
    Attack("06 raw fd flood", "while True: os.write(1, b'x' * 65536)", ("output_limit",)),
    Attack("06 200 KB without newline", "sys.stdout.write('x' * 200_000); draw()", ("ok",)),
    Attack("06 invalid UTF-8", "os.write(1, bytes(range(256)) * 100); print('\\udcff'); draw()", ("ok",)),
    # 7-9 figures
    Attack("07 figsize bomb", "import matplotlib.pyplot as plt; plt.figure(figsize=(5000, 5000))", ("figure_too_large",)),
    Attack("07 dpi bomb", "import matplotlib.pyplot as plt; plt.plot([1]); plt.savefig('x', dpi=10**6)", ("ok",)),
    Attack(
        "07 tight box bomb",
        "import matplotlib.pyplot as plt; plt.text(900, 900, 'x'); plt.xlim(0, 1); plt.ylim(0, 1)\n"
        "plt.savefig('x', bbox_inches='tight')",
        ("figure_too_large", "runtime_error", "ok"),
    ),
    Attack(
        "07 infinite figsize",
        "import matplotlib.pyplot as plt; plt.figure().set_size_inches(1e308, 1e308); plt.savefig('x')",
        ("figure_too_large", "runtime_error"),
    ),
    Attack(
        "08 50 000 figures",
        "import matplotlib.pyplot as plt\nfor _ in range(50_000): plt.figure()",
        ("figure_too_large",),
    ),
    Attack(
        "09 1e7-point scatter",
        "import numpy as np, matplotlib.pyplot as plt\nx = np.random.rand(10**7)\nplt.scatter(x, x, s=x*90, c=x)",
        ("timeout", "memory_limit"),
        timeout_s=2.0,
    ),
    Attack(
        "09 artists without end",
        "import matplotlib.pyplot as plt\nwhile True: plt.plot([1, 2])",
        ("timeout", "memory_limit"),
        timeout_s=1.0,
    ),
    # 10 hostile bytes on the result channel: see also 25
    Attack("10 a PNG bomb on the result fd", "os.write(3, b'\\x89PNG' + b'\\xff' * 100); os._exit(0)", ("crashed",)),
    # 11-15 files
    _refused("11 symlink", "os.symlink('/etc/passwd', 'out.png')", "call(266, b'/etc/passwd', -100, b'out.png')"),
    _refused("12 hard link", "os.link('/etc/passwd', 'out.png')", "os.link(sys.executable, 'a')", "call(86, b'a', b'b')"),
    _refused("13 FIFO and devices", "os.mkfifo('f')", "os.mknod('n', 0o60600, 1)", "os.mknod('r', 0o100600)"),
    Attack(
        "13 sparse TB file",
        "f = open('big', 'wb'); f.seek(1 << 40); f.write(b'x'); f.flush()",
        ("output_limit",),
    ),
    Attack("13 ftruncate", "open('big', 'wb').truncate(1 << 40)", ("output_limit",)),
    Attack(
        "13 1000-deep folders",
        "for _ in range(1000):\n    os.mkdir('d'); os.chdir('d')\nimport time; time.sleep(2)",
        ("output_limit",),
    ),
    Attack("13 1000-deep, quick", "for _ in range(900):\n    os.mkdir('d'); os.chdir('d')\ndraw()", ("ok", "output_limit")),
    Attack(
        "14 swap race",
        "import threading\nstop = []\n"
        "def swap():\n"
        "    for _ in range(300):\n"
        "        for new in ('a', 'b'):\n"
        "            try:\n                os.mkdir('x'); os.rename('x', new); os.rmdir(new); open('x','w').close(); os.unlink('x')\n"
        "            except OSError: pass\n"
        "ts = [threading.Thread(target=swap) for _ in range(3)]\n[t.start() for t in ts]; [t.join() for t in ts]; draw()",
        ("ok",),
    ),
    Attack(
        "15 hostile names",
        "for name in (b'\\xff\\xfe', b'a\\nb', b'-rf', b'..hidden', b'\\x01' b'0', b'x' * 255, '\\u202e.png'.encode()):\n"
        "    open(name, 'w').close(); os.makedirs(b'dir-' + name[:200] + b'/' + name)\n"
        "os.mkdir(b'\\x010.d'); draw()",
        ("ok",),
    ),
    Attack(
        "15 names the cleaner uses itself",
        "for n in range(9):\n    os.makedirs(f'\\x01{n}/\\x01{8 - n}/\\x010/x')\nos.makedirs('work/config'); draw()",
        ("ok",),
    ),
    # 16-18 disk
    Attack("16 one endless file", "f = open('x', 'wb')\nwhile True: f.write(b'x' * 1000000)", ("output_limit",)),
    Attack(
        "16 many files", "n = 0\nwhile True:\n    open(str(n), 'wb').write(b'x' * 4_000_000); n += 1", ("output_limit",)
    ),
    Attack(
        "16 deleted but open files",
        "fs = []\nwhile True:\n"
        "    f = open('x', 'wb'); f.write(b'x' * 4_000_000); f.flush(); os.unlink('x'); fs.append(f)",
        ("output_limit",),
    ),
    Attack("17 inodes", "n = 0\nwhile True:\n    open(str(n), 'w').close(); n += 1", ("output_limit",)),
    Attack("17 folders", "n = 0\nwhile True:\n    os.mkdir(str(n)); n += 1", ("output_limit",)),
    _refused("18 files for the next job", "open('/dev/shm/x', 'w')", "open('/tmp/x', 'w')", "open('/var/tmp/x', 'w')"),
    Attack(
        "18 poisoned font cache",
        "import matplotlib as m, numpy\n"
        "for folder in (m.get_configdir(), m.get_cachedir(), os.path.dirname(m.__file__), os.path.dirname(numpy.__file__)):\n"
        "    refused(folder, lambda: open(folder + '/fontlist-v330.json', 'a'))\n"
        "    refused(folder, lambda: open(folder + '/matplotlibrc', 'w'))\n"
        "    refused(folder, lambda: os.rename(folder + '/__init__.py', 'x'), codes=(13, 1, 2, 18))\n"
        "draw()",
        ("ok",),
    ),
    _dies("18 shared memory", "from multiprocessing import shared_memory as s; s.SharedMemory('x', True, 4096)"),
    # 19-23 other processes, limits
    _refused(
        "19 signals",
        "os.kill(os.getppid(), 9)", "os.kill(-1, 9)", "os.kill(0, 9)", "os.kill(os.getpid(), 19)", "os.killpg(0, 9)",
        "call(200, os.getppid(), 9)", "call(234, os.getppid(), os.getppid(), 9)", "call(129, os.getppid(), 9, None)",
    ),
    _refused(
        "20 ptrace and memory of others",
        "call(101, 16, os.getppid(), 0, 0)", "call(101, 0, 0, 0, 0)", "call(310, os.getppid(), None, 0, None, 0, 0)",
        "call(311, os.getppid(), None, 0, None, 0, 0)", "call(434, os.getppid(), 0)", "call(438, 3, 0, 0)",
        "call(440, 3, None, 0, 20, 0)", "call(312, os.getppid(), os.getpid(), 0, 0, 0)",
    ),
    _refused(
        "21 /proc",
        "open(f'/proc/{os.getppid()}/environ')", "open(f'/proc/{os.getppid()}/mem', 'rb')", "open('/proc/self/mem', 'r+b')",
        "open('/proc/self/oom_score_adj', 'w')", "open('/proc/self/maps')", "os.listdir(f'/proc/{os.getppid()}/fd')", "os.listdir('/proc')",
    ),
    _refused(
        "22 the parent's limits and priority",
        "call(302, os.getppid(), 7, None, ctypes.create_string_buffer(16))", "os.setpriority(0, os.getppid(), 19)",
        "os.nice(5)", "os.sched_setaffinity(os.getppid(), {0})", "os.sched_setscheduler(0, 0, os.sched_param(0))",
        "call(251, 1, os.getppid(), 0)",
    ),
    _dies("23 raising a limit", "import resource; resource.prlimit(os.getppid(), resource.RLIMIT_CPU, (1, 1))", "resource"),
    Attack(
        "23 raising an own limit",
        "import resource\nfor n in range(16):\n"
        "    before = resource.getrlimit(n)\n"
        "    try: resource.setrlimit(n, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))\n"
        "    except (OSError, ValueError): pass\n"
        "    if resource.getrlimit(n) != before: raise RuntimeError(f'ESCAPED limit {n}')\n"
        "draw()",
        ("ok",),
    ),
    Attack(
        "23 ignoring SIGXCPU",
        "import signal\nsignal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass",
        ("timeout",),
        timeout_s=0.7,
    ),
    # 24-25 descriptors and the result channel
    Attack(
        "24 probing descriptors",
        "found = []\n"
        "for fd in range(1024):\n"
        "    try: os.fstat(fd)\n    except OSError: continue\n    found.append(fd)\n"
        "if found != [0, 1, 2, 3]: raise RuntimeError(f'ESCAPED {found}')\ndraw()",
        ("ok",),
    ),
    Attack("24 the result by /proc", "refused('fd 3', lambda: open('/proc/self/fd/3', 'r+b'), codes=(1, 6, 13)); draw()", ("ok",)),
    Attack("24 dup2 over the result", "os.dup2(os.open('f', os.O_CREAT | os.O_RDWR), 3); draw()", ("crashed",)),
    Attack("24 closing everything", "os.closerange(0, 1024); draw()", ("crashed",)),
    Attack("24 reading the job socket", "os.set_blocking(3, False); os.read(3, 100)", ("runtime_error",)),
    Attack("25 flooding", "while True: os.write(3, b'CRR1' + b'\\0' * 65536)", ("crashed",)),
    Attack("25 truncating", "os.write(3, b'CRR1'); os._exit(0)", ("crashed",)),
    Attack("25 four bytes before the result", "os.write(3, b'x' * 4); draw()", ("crashed",)),
    Attack("25 a frame without the token", "os.write(3, b'CRR1' + b'\\0' * 24); os._exit(0)", ("crashed",)),
    Attack(
        "25 announcing 4 GB",
        FIND_WRITER + "os.write(3, prefix + b'\\xff' * 8 + b'x' * 1000); import time; time.sleep(9)",
        ("crashed",),
    ),
    Attack(
        "25 breaking off inside", FIND_WRITER + "os.write(3, prefix + struct.pack('>II', 10, 10) + b'{'); os._exit(0)", ("crashed",)
    ),
    Attack(
        "25 two frames at once",
        FIND_WRITER + "good = frame_of({'status': 'ok', 'width': 1, 'height': 1}, b'abc')\nos.write(3, good + good); os._exit(0)",
        ("crashed",),
    ),
    Attack(
        "25 stolen token, wrong size",
        FIND_WRITER + "os.write(3, frame_of({'status': 'ok', 'width': 4000, 'height': 4000}, b'abc')); os._exit(0)",
        ("crashed",),
    ),
    Attack(
        "25 stolen token, statuses that are not its own",
        FIND_WRITER + "os.write(3, frame_of({'status': 'worker_error'}, b'')); os._exit(0)",
        ("crashed",),
    ),
    Attack(
        "25 stolen token, self-test claim", FIND_WRITER + "os.write(3, frame_of({'status': 'ok', 'escaped': []}, b'')); os._exit(0)",
        ("crashed",),
    ),
    Attack(
        "25 stolen token, deep JSON", FIND_WRITER + "os.write(3, frame_of(b'[' * 100000, b'')); os._exit(0)", ("crashed",)
    ),
    Attack(
        "25 stolen token, NaN", FIND_WRITER + "os.write(3, frame_of({'status': 'ok', 'exec_ms': float('nan')}, b'')); os._exit(0)",
        ("crashed",),
    ),
    # 26-27 network
    *[
        _dies(f"26 socket {name}", f"import socket; socket.socket({family}, {kind}, {proto})", "socket.__new__")
        for name, family, kind, proto in (
            ("TCP", 2, 1, 0), ("UDP", 2, 2, 0), ("IPv6", 10, 1, 0), ("netlink", 16, 3, 0), ("AF_ALG", 38, 5, 0),
            ("VSOCK", 40, 1, 0), ("raw", 2, 3, 1), ("packet", 17, 3, 3), ("Unix", 1, 1, 0),
        )
    ],  # fmt: skip
    _dies("26 DNS", "import socket; socket.getaddrinfo('example.com', 80)", "socket.getaddrinfo"),
    _dies("26 URL", "import urllib.request as u; u.urlopen('http://example.com')", "socket"),
    _dies("26 pandas URL", "import pandas as pd; pd.read_csv('https://example.com/a.csv')", "socket"),
    _dies("27 socketpair", "import socket; socket.socketpair()", None),
    _refused("27 SCM_RIGHTS", "call(46, 3, None, 0)", "call(47, 3, None, 0)", "call(44, 3, b'x', 1, 0, None, 0)", "call(43, 3, None, None)"),
    # 28-34 kernel surface
    _refused("28 io_uring", "call(425, 8, None)", "call(426, 3, 0, 0, 0, None, 0)", "call(427, 3, 0, None, 0)"),
    _refused(
        "29 namespaces, mount, chroot",
        "call(272, 0x10000000)", "call(272, 0x20000)", "call(308, 3, 0)", "call(165, b'a', b'b', None, 0, None)", "os.chroot('.')",
        "call(155, b'.', b'.')", "call(430, b'tmpfs', 0)", "call(428, -100, b'/', 0)", "call(442, -100, b'/', 0, None, 0)",
    ),
    _refused(
        "30 keyctl and IPC",
        "call(250, 0, -3, 0, 0, 0)", "call(248, b'user', b'x', b'y', 1, -3)", "call(29, 0, 4096, 0o1600)", "call(68, 0, 0o1600)",
        "call(64, 0, 1, 0o1600)", "call(240, b'/q', 0o102, 0o600, None)", "__import__('fcntl').flock(3, 2)",
        "__import__('fcntl').lockf(3, 2)",
    ),
    Attack(
        "31 splice family",
        "for n, a in ((275, (3, None, 1, None, 9, 0)), (276, (3, 1, 9, 0)), (278, (1, None, 0, 0))):\n"
        "    refused(n, call, n, *a)\n"
        "refused('sendfile', lambda: call(40, 1, 3, None, 9), codes=(errno.ENOSYS,))\n"
        "refused('copy_file_range', lambda: call(326, 1, None, 3, None, 9, 0), codes=(errno.ENOSYS,)); draw()",
        ("ok",),
    ),
    Attack("32 int 0x80", MACHINE_CODE.format(code="b814000000cd80c3"), ("forbidden",), "foreign"),
    Attack("32 x32 call", MACHINE_CODE.format(code="b8270000400f05c3"), ("forbidden",), "foreign"),
    _refused(
        "33 bpf, perf, userfaultfd, personality",
        "call(321, 0, None, 0)", "call(298, None, 0, -1, -1, 0)", "call(323, 0)", "call(135, 0xffffffff)", "call(135, 0x40000)",
        "call(246, 0, 0, None, 0)", "call(175, None, 0, b'')", "call(169, 1, 2, 3, None)", "call(103, 3, None, 0)",
    ),
    _refused(
        "34 stacked filters, hostile prctl",
        "call(317, 1, 0, None)", "call(157, 22, 2, None)", "call(444, None, 0, 1)", "call(446, -1, 0)", "call(157, 4, 1)",
        "call(157, 36, 1)", "call(157, 1, 0)", "call(157, 38, 0)", "call(157, 59, 1)", "call(158, 0x1001, None)",
    ),
    # 35-37 not ending, ending badly
    Attack("35 sleeping", "import time; time.sleep(60)", ("timeout",), timeout_s=0.5),
    Attack("35 busy C loop", "sum(range(10**12))", ("timeout",), timeout_s=0.5),
    Attack("35 regular expression", "import re; re.match('(a+)+$', 'a' * 60 + 'b')", ("timeout",), timeout_s=0.5),
    Attack(
        "35 all signals blocked",
        "import signal; signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))\nwhile True: pass",
        ("timeout",),
        timeout_s=0.5,
    ),
    Attack("35 swallowing every exception", "while True:\n  try:\n    while True: pass\n  except BaseException: pass", ("timeout",), timeout_s=0.5),
    Attack("36 setsid double fork", "os.setsid()", ("forbidden",), "system call"),
    Attack("36 hanging atexit", "import atexit, time; atexit.register(time.sleep, 99); draw()", ("ok",)),
    Attack(
        "36 hanging __del__",
        "import time\nclass D:\n    def __del__(self): time.sleep(99)\nkeep = D(); sys.keep = D(); draw()",
        ("ok", "timeout"),
    ),
    Attack("37 os._exit(0)", "os._exit(0)", ("crashed",)),
    Attack("37 SystemExit", "draw(); sys.exit(0)", ("ok",)),
    Attack("37 segfault", "ctypes.string_at(0)", ("crashed",)),
    Attack("37 abort", "os.abort()", ("crashed",)),
    Attack("37 recursion", "def f(): f()\nf()", ("runtime_error",)),
    Attack(
        "37 C stack overflow",
        "sys.setrecursionlimit(10**9)\nclass A:\n    def __getattr__(self, n): return getattr(self, n + 'x')\nx = []\n"
        "for _ in range(10**5): x = [x]\nrepr(x)",
        ("crashed", "runtime_error", "memory_limit"),
    ),
    Attack("37 code object from garbage", "exec((lambda: 0).__code__.replace(co_code=b'\\xff' * 64, co_consts=()))", ("crashed", "runtime_error")),
    # 38-40 tampering
    Attack("38 patched savefig", "import matplotlib.figure as f; f.Figure.savefig = lambda *a, **k: None; draw()", ("ok", "no_figure")),
    Attack("38 patched json", "import json\njson.dumps = json.JSONEncoder.encode = None; json.encoder.c_make_encoder = None; draw()", ("ok", "crashed")),
    Attack("38 patched os.write", "os.write = os.read = os._exit = lambda *a: 0; draw()", ("ok",)),
    Attack("38 patched builtins", "import builtins\ndraw()\nfor n in ('len', 'isinstance', 'getattr', 'memoryview', 'type'): setattr(builtins, n, None)", ("ok", "crashed", "runtime_error")),
    Attack("38 emptied modules", "draw()\nfor n in ('child', 'frames', 'capture', 'describe'): sys.modules[n].__dict__.clear()", ("ok", "crashed", "runtime_error", "no_figure")),
    Attack(
        "38 frame walk",
        "f = sys._getframe()\nwhile f:\n    for v in list(f.f_locals.values()):\n        if isinstance(v, dict): v.clear()\n    f = f.f_back\n",
        ("ok", "crashed", "runtime_error", "no_figure"),
    ),
    Attack("38 gc walk", "import gc\ndraw()\nfor o in gc.get_objects():\n    if type(o) is list: o.clear()", ("ok", "crashed", "runtime_error", "no_figure")),
    Attack("38 __reduce__ on a result", "class R:\n    def __reduce__(self): return os.system, ('id',)\nraise ValueError(R())", ("runtime_error",)),
    Attack("38 hostile exception", "class E(Exception):\n    def __str__(self): os._exit(0)\n    __repr__ = __str__\nraise E()", ("crashed", "runtime_error")),
    Attack("38 endless exception text", "class E(Exception):\n    def __str__(self): return 'x' * 10**8\nraise E()", ("runtime_error", "memory_limit", "crashed")),
    Attack("39 LD_PRELOAD and PYTHONPATH", "os.environ['LD_PRELOAD'] = './x.so'; os.environ['PYTHONPATH'] = '.'; os.execv(sys.executable, ['p'])", ("forbidden",), "os.exec"),
    Attack("39 planted numpy.py", "open('numpy.py', 'w').write('raise SystemExit(9)'); import numpy; assert numpy.pi > 3; draw()", ("ok",)),
    Attack("39 own .so", "open('x.so', 'wb').write(b'\\x7fELF' + b'\\0' * 500); ctypes.CDLL('./x.so')", ("runtime_error",)),
    Attack(
        "39 zip-bomb import",
        "import zipfile\nwith zipfile.ZipFile('z.zip', 'w', zipfile.ZIP_DEFLATED) as z: z.writestr('bomb.py', 'x=' + '1+' * 10**7 + '1')\n"
        "sys.path.insert(0, 'z.zip'); import bomb",
        ("runtime_error", "memory_limit", "timeout", "crashed"),
    ),
    Attack("40 changing everything", "import random, numpy as np, matplotlib as m\nrandom.seed(5); np.random.seed(5); m.rcParams['axes.facecolor'] = 'red'; os.environ['TZ'] = 'Asia/Tokyo'; draw()", ("ok",)),
    # 41-64 our own
    _refused("41 open by handle", "call(303, -100, b'/etc/passwd', ctypes.create_string_buffer(136), ctypes.create_string_buffer(4), 0)", "call(304, -100, None, 0)"),
    Attack("42 O_TMPFILE", "refused('O_TMPFILE', lambda: os.open('.', os.O_TMPFILE | os.O_RDWR), codes=(errno.EOPNOTSUPP,)); draw()", ("ok",)),
    _refused("43 watching others", "call(253)", "call(294, 0)", "call(300, 0, 0)", "call(27, None, 0, None)", "call(232, 3, None, 1, 0)"),
    Attack("44 killing oneself by timer", "import signal, time; signal.setitimer(signal.ITIMER_REAL, .01); time.sleep(5)", ("crashed",)),
    Attack("45 folders without rights", "os.mkdir('a', 0); os.mkdir('b', 0o100); open('f', 'w').close(); draw()", ("ok",)),
    Attack("45 chmod is pretended", "os.mkdir('a'); open('a/f', 'w').close(); os.chmod('a', 0); assert os.stat('a').st_mode & 0o700; draw()", ("ok",)),
    Attack("46 shutil.copy works", "import shutil; open('a', 'w').write('x'); shutil.copy2('a', 'b'); assert open('b').read() == 'x'; draw()", ("ok",)),
    Attack("47 an audit hook that raises", "def hook(*a): raise RuntimeError('no')\ndraw(); sys.addaudithook(hook); open('x')", ("ok", "crashed", "runtime_error")),
    Attack("48 a trace function that hangs", "import time\nsys.settrace(lambda *a: time.sleep(60)); draw()", ("timeout",), timeout_s=0.7),
    _refused("49 realtime and locking memory", "call(149, 0, 1 << 20)", "call(151, 1)", "call(314, 0, None, 0)", "call(144, 0, 1, None)", "call(425, 1, None)"),
    _refused("50 timers, events, handles", "call(222, 1, None, None)", "call(290, 0, 0)", "call(283, 1, 0)", "call(289, -1, None, 8, 0)", "call(319, b'm', 0)", "call(447, 0)"),
    _refused("51 changing identity", "os.setuid(0)", "os.setgid(0)", "os.setgroups([])", "os.setresuid(0, 0, 0)", "call(126, None, None)", "call(122, 0)"),
    _refused("52 the machine", "call(170, b'x', 1)", "call(171, b'x', 1)", "call(227, 0, None)", "call(159, None)", "call(153)", "call(161, b'.')", "call(167, b'x', 0)"),
    _refused("53 reading outside", "open('/etc/passwd')", "open('/etc/shadow')", "os.listdir('/')", "os.listdir('/etc')", "os.listdir('/root')", "open('/proc/1/environ')", "open('/proc/meminfo')", "os.listdir('/opt')"),
    _refused("54 climbing out of the work folder", "os.listdir('..')", "open('../x', 'w')", "os.mkdir('../z')", "os.listdir('../config/..')"),
    _refused("55 writing to the runtime", "open(os.__file__, 'a')", "open(sys.executable, 'a')", "os.unlink(os.__file__)", "os.mkdir(os.path.dirname(os.__file__) + '/x')"),
    _refused("56 truncate by path", "os.truncate('/etc/hostname', 0)", "os.truncate(os.__file__, 0)"),
    Attack("57 modes outside are not changed", "os.chmod('/etc/hostname', 0o777) if os.path.exists('/etc/hostname') else None; os.utime(os.__file__); draw()", ("ok",)),
    Attack("58 many descriptors", "fs = []\nwhile True: fs.append(open('/dev/null'))", ("forbidden",), "open more files"),
    Attack("58 many pipes", "while True: os.pipe()", ("forbidden",), "open more files"),
    Attack("59 deep nesting in the source", "eval('(' * 5000 + ')' * 5000)", ("syntax_error", "runtime_error", "memory_limit", "crashed")),
    Attack("59 huge integer", "x = 10 ** (10 ** 10)", ("timeout", "memory_limit", "runtime_error"), timeout_s=0.7),
    Attack("60 null bytes in the source", "x = 1\0", ("syntax_error", "runtime_error")),
    Attack("60 a mapping kept after its file is gone", "import mmap\nn = 0\nwhile True:\n    f = open(str(n), 'w+b'); f.truncate(1 << 25); m = mmap.mmap(f.fileno(), 0); m[::4096] = b'x' * 8192; n += 1", ("output_limit", "memory_limit", "runtime_error")),
    Attack("61 pretending to be locked", "os.write(3, b'L'); draw()", ("crashed",)),
    Attack("62 a thread that outlives the code", "import threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start(); draw()", ("ok",)),
    Attack("62 a thread that writes on the result", "import threading\ndef w():\n    while True: os.write(3, b'x' * 10)\nthreading.Thread(target=w, daemon=True).start(); draw()", ("crashed",)),
    Attack("63 stdin", "input()", ("runtime_error",)),
    Attack("64 forbidden and caught", "try: open('/etc/passwd')\nexcept OSError: pass\ndraw()", ("ok",)),
    Attack("65 a forged picture of its own", FORGE + "forge(described())", ("ok",)),
    Attack("65 a forged frame without a description", FORGE + "forge(None)", ("crashed",)),
    Attack("65 a forged description of another size", FORGE + "forge(described(width=9))", ("crashed",)),
    Attack("65 a forged description of another resolution", FORGE + "forge(described(dpi=7200))", ("crashed",)),
    Attack("65 a forged frame of fewer pixels", FORGE + "forge(described(), b'abc' * 5)", ("crashed",)),
    Attack("66 a description of a million numbers", FORGE + "forge(described(marks=[{**MARK, 'data': {'x': [0.5] * 2000}}] * 500))", ("crashed",)),
    Attack("66 a description of too many marks", FORGE + "forge(described(marks=[MARK] * 6001))", ("crashed",)),
    Attack("66 a description of unknown fields", FORGE + "forge(described(**{str(n): 0 for n in range(300_000)}))", ("crashed",)),
    Attack("66 a description of texts without end", FORGE + "forge(described(text_lines=['x' * 4000] * 3900 + ['']))", ("ok",)),
    Attack("66 a frame just below its length", FORGE + "forge(described(text_lines=['x' * 4000] * 5000))", ("crashed",)),
    Attack("66 numbers beyond measure", FORGE + "forge(described(marks=[{**MARK, 'box': [1e308, 0, 1e308, 1]}]))", ("crashed",)),
    Attack("67 an error with a line beyond any integer", "raise SyntaxError('x', ('f', 10**25, 1, 'x'))", ("crashed", "runtime_error")),
    Attack("67 an errno without end", "e = OSError(); e.errno = 10**5000\nraise e", ("crashed", "runtime_error")),
    Attack("67 an error type of a megabyte", "raise type('E' * 10**6, (Exception,), {})('x')", ("runtime_error",)),
    Attack("68 flags on stdin for the next job", "import fcntl\nfcntl.fcntl(0, fcntl.F_SETFL, os.O_NONBLOCK | os.O_APPEND); draw()", ("ok",)),
    Attack("69 a storm of timers", "import signal\nsignal.signal(signal.SIGALRM, lambda *a: None); signal.setitimer(signal.ITIMER_REAL, .0005, .0005); draw()", ("ok", "timeout", "crashed", "runtime_error")),
    _refused("70 removing its own work folder", "os.rmdir(os.getcwd())", "os.rename(os.getcwd(), os.getcwd() + 'x')"),
    Attack("71 a folder under its own feet", "os.mkdir('a'); os.chdir('a'); os.rmdir('../a')\nrefused('..', lambda: open('x', 'w'), codes=(errno.ENOENT,)); os.chdir(os.environ['HOME']); draw()", ("ok",)),
    Attack("72 a thread that forks", "import threading\nr = []\ndef f():\n    try: os.fork(); r.append(1)\n    except PermissionError: pass\nt = threading.Thread(target=f); t.start(); t.join()\nif r: raise RuntimeError('ESCAPED')\ndraw()", ("ok",)),
    Attack("73 threads that write files while it ends", "import threading\ndef w():\n    n = 0\n    while True:\n        n += 1\n        try: open(f'f{n % 9}', 'w').close(); os.unlink(f'f{(n + 4) % 9}')\n        except OSError: pass\n[threading.Thread(target=w, daemon=True).start() for _ in range(4)]; draw()", ("ok",)),
    Attack("74 a pickle", "import pickle\nclass R:\n    def __reduce__(self): return os.open, ('/etc/passwd', os.O_RDONLY)\npickle.loads(pickle.dumps(R()))", ("forbidden",), "open"),
    Attack("75 a fault handler", "import faulthandler; faulthandler.enable(); ctypes.string_at(0)", ("crashed",)),
]  # fmt: skip
