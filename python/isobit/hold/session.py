# SPDX-License-Identifier: Apache-2.0
"""The session: what is held in this process, numbers derived by name, and event lines.

There is one session in a process, made by ``begin``; in a process that is not recorded ``current()`` gives None.
"""

import json
import os
import sys

# Modules whose callers make keys, tokens or temporary names: these always get real entropy, unless `secrets` is held.
GUESSABLE = {"secrets", "tempfile", "uuid"}
NEVER_HELD = {
    "ssl", "hmac", "multiprocessing", "cryptography", "nacl", "Crypto", "Cryptodome", "paramiko", "asyncssh", "jwt",
    "jose", "oauthlib", "itsdangerous", "websockets", "zmq", "jupyter_client", "ipykernel", "google", "botocore",
    "grpc", "http", "urllib3", "requests", "aiohttp", "tornado",
}  # fmt: skip
# Modules that pass a request on: who calls them is who asks.
PASSING_ON = {"random", "numpy", "os", "_isobit_hold", "isobit", "importlib", "sitecustomize", "_bootstrap"}
# The preload library knows this name of the device by its text alone, so another spelling of it is not held.
REAL_ENTROPY = "/dev/../dev/urandom"

_session = None


def current():
    """The session of this process, or None."""
    return _session


class Session:
    def __init__(self, environ):
        self.events = environ["ISOBIT_HOLD_EVENTS"]
        self.seed = environ.get("ISOBIT_HOLD_SEED", "0")
        self.every = int(environ.get("ISOBIT_HOLD_EVERY", "100"))
        self.names = set(environ.get("ISOBIT_HOLD_NAMES", "").split(","))
        self.process = environ.get("ISOBIT_HOLD_PROCESS", "0")
        self.preloaded = environ.get("ISOBIT_HOLD_OWNER") == str(os.getpid())
        self.never = NEVER_HELD if "secrets" in self.names else NEVER_HELD | GUESSABLE
        self.forks = 0
        self.forked = False
        self.recorder = None
        self._draws = {}
        self._said = set()

    def holds(self, name):
        return name in self.names

    # ---- Event lines

    def line(self, event, **fields):
        """Writes one event: a single write to a file opened for appending, so that it is there however we end."""
        text = json.dumps({"e": event, **fields}, separators=(",", ":"), default=str) + "\n"
        try:
            file = os.open(f"{self.events}/{os.getpid()}", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                os.write(file, text.encode("utf-8", "backslashreplace"))
            finally:
                os.close(file)
        except OSError:
            pass  # the folder is gone: the recording has ended before this process

    def line_once(self, event, **fields):
        key = (event, *sorted(fields.items()))
        if key not in self._said:
            self._said.add(key)
            self.line(event, **fields)

    def claim(self, name):
        """True in the first process of the recording that asks."""
        try:
            os.mkdir(f"{self.events}/claim-{name}")
            return True
        except OSError:
            return False

    def warn(self, text):
        self.line_once("warning", text=text)

    # ---- Numbers by name

    def bytes(self, name, n):
        """n bytes that depend on the seed, the process and the name alone, other ones at each call."""
        from hashlib import shake_256

        draw = self._draws.get(name, 0)
        self._draws[name] = draw + 1
        return shake_256(f"isobit hold 1\n{self.seed}\n{self.process}\n{name}\n{draw}".encode()).digest(n)

    def integer(self, name, bits):
        return int.from_bytes(self.bytes(name, (bits + 7) // 8), "little") & ((1 << bits) - 1)

    # ---- Who asks

    def caller(self):
        """(frame, may it be held): the function that asks for entropy, without those that only pass it on."""
        asking, outermost = None, None
        frame = sys._getframe(2)
        for _ in range(24):
            if frame is None:
                break
            root = frame.f_globals.get("__name__", "").partition(".")[0]
            if root in self.never:
                return frame, False
            if asking is None and root not in PASSING_ON:
                asking = frame
            outermost, frame = frame, frame.f_back
        return asking or outermost, True

    def ask(self, source):
        """Notes a request and gives the name of its stream, or None if it must not be held. The name holds the file
        and the function, not the line or the folder: these may change without a change of meaning."""
        frame, held = self.caller()
        code = frame.f_code
        file, at = code.co_filename, getattr(code, "co_qualname", code.co_name)
        self.line_once("entropy", source=source, by=file, at=at, held=int(held))
        return f"{source}\n{os.path.basename(file)}:{at}" if held else None

    # ---- fork

    def before_fork(self):
        self.forks += 1

    def after_fork(self):
        self.process = f"{self.process}.f{self.forks}"
        self.forks = 0
        self.forked = True
        self._draws = {}
        self._said = set()
        if self.recorder is not None:
            self.recorder.forget()
        self.line("python", path=self.process, version=sys.version.split()[0])


def begin(environ):
    global _session
    _session = Session(environ)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=_session.before_fork, after_in_child=_session.after_fork)
    return _session


def real_bytes(n):
    """Real entropy, past the hold."""
    file = os.open(REAL_ENTROPY, os.O_RDONLY | os.O_CLOEXEC)
    try:
        out = b""
        while len(out) < n:
            out += os.read(file, n - len(out))
        return out
    finally:
        os.close(file)
