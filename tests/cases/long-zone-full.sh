#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A directory of thousands of files becomes a zone through fifty kills.
export CMKFS_LONG=1
exec bash "$(dirname "$0")/zone-full.sh"
