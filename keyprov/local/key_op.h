/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the administration of keys shares: the operation on a key or one of its
 * versions, and how it is begun.
 */
#ifndef CMKFS_LOCAL_KEY_OP_H
#define CMKFS_LOCAL_KEY_OP_H

#include "db.h"

struct key_op {
	struct local_uri u;
	char object[KP_URI_MAX];
	bool on, deleted;
	int64_t not_before, expires;	    /* times */
	int64_t rotate_after, expire_after; /* seconds */
	struct local_key *ret;
	local_key_fn *key_fn;
	local_version_fn *version_fn;
	void *arg;
};

/* Whether the whole key is meant: no version may be named. */
enum key_scope { KEY_OR_VERSION, KEY_WHOLE };

/* Parse URI into O, and call FN with it. */
int key_op_run(struct local *l, struct call *c, const char *uri, enum key_scope scope,
	       struct key_op *o, call_fn *fn, struct kp_error *e);
/* Within a call: a vault and a key in it that are not deleted. */
int key_op_enter(struct local *l, const struct key_op *o, unsigned int perm,
		 struct vault_row *ret_vault, struct key_row *ret, struct kp_error *e);

#endif
