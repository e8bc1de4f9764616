#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The life of a volume under a key on a token of SoftHSM, whose errors and whose
# ways of losing a key are not those of NSS.
export TOKEN=softhsm
exec bash "$(dirname "$0")/provider-pkcs11.sh"
