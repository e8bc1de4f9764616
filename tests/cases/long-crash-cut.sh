#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The long form of crash-cut.sh: 200 power cuts.
CMKFS_LONG=1 exec bash "$(dirname "$0")/crash-cut.sh"
