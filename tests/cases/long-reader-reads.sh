#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The reader, over a tree of 20,000 files.
export CMKFS_LONG=1
export FILES=20000
exec bash "$(dirname "$0")/reader-reads.sh"
