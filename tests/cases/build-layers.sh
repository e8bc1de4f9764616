#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Dependencies point one way: fs → keyprov.h → crypto.
. "$(dirname "$0")/../lib/case.sh"

cd "$TOP" || exit
O="$O" tests/lib/layers.sh
