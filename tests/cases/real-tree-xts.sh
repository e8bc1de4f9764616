#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The tree of real-tree.sh, smaller, on an XTS volume.
export CIPHER=xts FILES=3000
exec bash "$(dirname "$0")/real-tree.sh"
