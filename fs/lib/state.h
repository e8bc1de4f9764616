/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state of the host (embedded vaults, pins, audit, control sockets):
 * where it is, and the context that providers get from it.
 */
#ifndef CMKFS_STATE_H
#define CMKFS_STATE_H

#include "crypto/format.h"
#include "fs/lib/config.h"
#include "keyprov/keyprov.h"

/*
 * CMKFS_STATE_DIR of the environment, else `state-dir` of the configuration,
 * else /var/lib/cmkfs for root and $XDG_STATE_HOME/cmkfs (~/.local/state/cmkfs)
 * for a user.  Made, 0700, when it is not there.  *RET is an absolute path,
 * malloc'd.  0; -EPERM: it belongs to somebody else or others may write to it;
 * other -errno.
 */
int state_dir(const struct conf *conf, char **ret);

#define STATE_PRINCIPAL_LEN (6 + 2 * ID_LEN + 1) /* "cmkfs-" and the volume's ID in hex */
#define STATE_ZONE_PRINCIPAL_LEN (STATE_PRINCIPAL_LEN + 9) /* and the first 8 digits of the zone's */
#define STATE_BINDING_LEN (4 * ID_LEN + 1)	 /* volume and zone in hex */

/* What a struct kp_context points to.  Must outlive it and not move. */
struct state_context {
	struct kp_context kp;
	char principal[STATE_ZONE_PRINCIPAL_LEN], binding[STATE_BINDING_LEN];
	char *dir; /* owned */
};

/*
 * Fill C for the volume's zone Z, which asks as itself if it has an identity,
 * else as the volume; Z may be NULL: the operator's own context
 * (no principal).  CONF must outlive it.  Free with state_context_done().
 * Prints nothing; errors as state_dir().
 */
int state_context(struct state_context *c, const struct conf *conf, const struct zone_id *z);
void state_context_done(struct state_context *c);

/* The principal of a volume. */
void state_principal(const uint8_t vol[static ID_LEN], char ret[static STATE_PRINCIPAL_LEN]);
/*
 * That of a zone which has an identity of its own: whether it has one on this
 * host, its credential says (STATE/identities/PRINCIPAL.cred).
 */
void state_zone_principal(const struct zone_id *z, char ret[static STATE_ZONE_PRINCIPAL_LEN]);

/* 2 N digits of lower-case hex as N bytes.  0, -EINVAL. */
int state_unhex(const char *s, uint8_t *ret, size_t n);
/* N bytes as lower-case hex and a NUL. */
void state_hex(const uint8_t *p, size_t n, char *ret);

#endif
