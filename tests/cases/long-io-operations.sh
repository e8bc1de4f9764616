#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every operation, with more kinds of mounts.
export CMKFS_LONG=1
exec bash "$(dirname "$0")/io-operations.sh"
