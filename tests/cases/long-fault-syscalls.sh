#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The long form of fault-syscalls.sh: each Nth backing call, until it passes untouched.
CMKFS_LONG=1 exec bash "$(dirname "$0")/fault-syscalls.sh"
