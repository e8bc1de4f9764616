#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Twenty minutes of everything at once.
export CMKFS_LONG=1200
exec bash "$(dirname "$0")/io-soak.sh"
