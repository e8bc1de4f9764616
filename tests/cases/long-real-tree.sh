#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A tree of 100,000 files.
export CMKFS_LONG=1
export FILES=100000
exec bash "$(dirname "$0")/real-tree.sh"
