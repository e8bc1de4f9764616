#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Half a minute of faults over 8 GiB.
export CMKFS_LONG=1
exec bash "$(dirname "$0")/io-faults.sh"
