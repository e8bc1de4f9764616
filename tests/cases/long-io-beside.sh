#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Five minutes of readers beside a writer.
export CMKFS_LONG=300
exec bash "$(dirname "$0")/io-beside.sh"
