#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# cmkfs builds with Debian's newer libfuse, linked in from its source package,
# and mounts behave with it as with the system's; build-fuse-uring.sh: over io_uring.
. "$(dirname "$0")/../lib/case.sh"
. "$TOP/tests/lib/ways.sh"
need_fuse
use_newer_fuse
run_cases cmd-mount io-operations lock-ways kill-ways
