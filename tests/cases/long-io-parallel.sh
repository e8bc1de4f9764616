#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Fifteen times the work for several processes at one file.
export CMKFS_LONG=1
exec bash "$(dirname "$0")/io-parallel.sh"
