#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A loader over 9,000 samples.
export CMKFS_LONG=1
exec bash "$(dirname "$0")/real-loader.sh"
