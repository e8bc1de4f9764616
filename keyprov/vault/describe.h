/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a transit key is in the words of keyprov.h, and why it is refused.
 */
#ifndef CMKFS_VAULT_DESCRIBE_H
#define CMKFS_VAULT_DESCRIBE_H

#include "hashivault.h"
#include "keyprov/net/text.h"

#define HV_PATH_MAX (HV_MOUNT_MAX + HV_NAME_MAX + 32)

struct hv_rights {
	bool get, wrap, unwrap;
	bool more; /* any other right over the key */
};

/* The question for sys/capabilities-self about the key U, and its answer. */
void hv_rights_question(const struct hv_uri *u, struct text *t);
int hv_read_rights(const json_t *j, const struct hv_uri *u, struct hv_rights *ret,
		   struct kp_error *e);

/* The version that U names, or the newest. */
void hv_describe(const struct hv_uri *u, const struct hv_key *k, const struct hv_rights *rights,
		 struct kp_info *ret);

#endif
