#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The build with Debian's newer libfuse gives over io_uring what it gives over the device.
. "$(dirname "$0")/../lib/case.sh"
. "$TOP/tests/lib/ways.sh"
need_uring
use_newer_fuse
run_cases io-uring
