/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The slots of a zone as a lease holds them: copied, with their keys opened,
 * and one check over all of them.  One thread at a time.
 */
#ifndef CMKFS_SLOTS_H
#define CMKFS_SLOTS_H

#include "crypto/mac.h"
#include "lease.h"

struct slot {
	char kid[KP_URI_MAX];
	uint8_t *blob;
	size_t blob_len;
	const struct kp_ops *ops; /* NULL until opened */
	struct kp *kp;
	bool accepted;
	uint8_t mark[MAC_LEN]; /* of the key that was accepted, under mark_key */
};

struct slots {
	unsigned int n, last; /* last: index of the one that opened the zone */
	uint8_t mark_key[MAC_LEN]; /* random */
	struct slot v[];
};

/* A copy; NULL: no memory. */
struct slots *slots_new(const struct lease_slot *s, unsigned int n);
void slots_free(struct slots *s); /* NULL-safe; closes the keys */

struct check {
	int code;	     /* 0: granted; else why not */
	const char *kid;     /* of the slot that granted; as long as the slots */
	struct kp_info info; /* of it */
	struct kp_error error;
	int64_t wake;	     /* unix seconds of the next not-before or expiry; 0: none */
};

/*
 * Ask for every slot until one grants.  All denied: the first denial; one that
 * could not be asked: that, for it might have granted.  RET_VK is wiped unless
 * granted.
 */
void slots_check(struct slots *s, const struct kp_context *ctx,
		 uint8_t ret_vk[static KP_SECRET_LEN], struct check *ret);

/*
 * VK, which the last slot granted, is the key of the zone: a check in which this
 * slot gives another one is denied, for only the same confirms anything.
 */
void slots_accept(struct slots *s, const uint8_t vk[static KP_SECRET_LEN]);

#endif
