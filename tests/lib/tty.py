# SPDX-License-Identifier: Apache-2.0
"""Run a command on a terminal and answer its questions: tty.py ANSWER[|ANSWER…] COMMAND…

What it says goes to stdout; that an answer is echoed is an error.
"""
import os
import pty
import sys
import time

answers = sys.argv[1].split("|")
pid, fd = pty.fork()
if not pid:
    os.execvp(sys.argv[2], sys.argv[2:])
said = b""
for line in answers:
    end = time.monotonic() + 10
    while b": " not in said.split(b"\n")[-1] and time.monotonic() < end:
        said += os.read(fd, 1000)
    os.write(fd, line.encode() + b"\n")
    said += b"\n"
while True:
    try:
        got = os.read(fd, 1000)
    except OSError:
        break
    if not got:
        break
    said += got
for line in answers:
    assert line.encode() not in said, said
sys.stdout.buffer.write(said)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
