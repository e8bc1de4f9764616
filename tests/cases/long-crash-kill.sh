#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The long form of crash-kill.sh: 200 deaths of the daemon.
CMKFS_LONG=1 exec bash "$(dirname "$0")/crash-kill.sh"
