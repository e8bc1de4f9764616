#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every byte of the small files and slots is flipped.
export CMKFS_LONG=1
exec bash "$(dirname "$0")/tamper-files.sh"
