#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The long form of crash-db.sh: 100 deaths under SQLite.
CMKFS_LONG=1 exec bash "$(dirname "$0")/crash-db.sh"
