#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A million files in one directory.
export CMKFS_LONG=1000000
exec bash "$(dirname "$0")/io-million.sh"
