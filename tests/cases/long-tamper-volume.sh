#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The whole table of tamperings.
export CMKFS_LONG=1
exec bash "$(dirname "$0")/tamper-volume.sh"
