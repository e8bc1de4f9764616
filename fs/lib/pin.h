/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PINs of tokens that are in no file: from the credential `cmkfs-pkcs11-pin` of
 * systemd, the descriptor whose number is in CMKFS_PKCS11_PIN_FD, or the
 * terminal; never from the command line or the environment.
 */
#ifndef CMKFS_PIN_H
#define CMKFS_PIN_H

#include "fs/lib/config.h"
#include "keyprov/keyprov.h"

/* Before threads. */
void pin_setup(void);

/*
 * If [pkcs11] of CONF says pin-prompt, have a short-lived process ask for the
 * PIN while there is a terminal, and keep it in a pipe for the process that this
 * one forks: secrets do not survive a fork.  Before threads and secrets.  0;
 * -EACCES.
 */
int pin_hand_over(const struct conf *conf, struct kp_error *e);

#endif
