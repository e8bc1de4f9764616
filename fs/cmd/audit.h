/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the verbs of the audit logs share: whose records are meant.  Functions
 * return an enum cmd_exit and have printed their error.
 */
#ifndef CMKFS_CMD_AUDIT_H
#define CMKFS_CMD_AUDIT_H

#include "vault_common.h"

#define AUDIT_NAME_LEN 80

struct audit_subject {
	struct kp_audit *log;
	char name[AUDIT_NAME_LEN];	     /* of the volume's log, or the vault's */
	char principal[STATE_PRINCIPAL_LEN]; /* of a volume; "": it is a vault */
};

/*
 * Find what ARG names, a volume's directory or a vault, and open the logs.
 * Close in every case.
 */
int audit_subject(const struct cmd *c, const char *arg, struct audit_subject *ret);
void audit_subject_done(struct audit_subject *s);

/* Whether the log NAME can hold records of S: its own, and what vaults and host say of it. */
bool audit_concerns(const struct audit_subject *s, const char *name);

#endif
