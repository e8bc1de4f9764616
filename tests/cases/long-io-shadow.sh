#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A million random operations of each kind beside a model in memory.
CMKFS_LONG=1 exec bash "$(dirname "$0")/io-shadow.sh"
