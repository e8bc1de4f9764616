#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Five hundred rounds of revoking and restoring.
export CMKFS_LONG=1
exec bash "$(dirname "$0")/lock-rounds.sh"
