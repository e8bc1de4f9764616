#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# SQLite, twenty times the transactions.
export CMKFS_LONG=1
export STEPS=1200
exec bash "$(dirname "$0")/real-sqlite.sh"
