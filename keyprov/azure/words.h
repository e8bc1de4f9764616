/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why a key in Azure is refused, and in which words.
 */
#ifndef CMKFS_AZURE_WORDS_H
#define CMKFS_AZURE_WORDS_H

#include "azure.h"

enum az_cause {
	AZ_BAD_CREDENTIAL,
	AZ_DISABLED,
	AZ_EXPIRED,
	AZ_EARLY,
	AZ_FIREWALL,
	AZ_POLICY,
	AZ_OPERATION,
	AZ_FORBIDDEN,
	AZ_DELETED,
	AZ_GONE,
	AZ_BAD_BLOB,
	AZ_THROTTLED,
	AZ_BUSY,
	AZ_STRANGE,
	AZ_NO_SOFT_DELETE,
	AZ_NO_PURGE_PROTECTION,
	AZ_KIND,
	AZ_SIZE,
	AZ_TENANT,
};

struct az_words { /* what messages may name */
	const struct az_uri *uri;
	const char *operation; /* $O */
	long status;	       /* $S */
	const char *type;      /* $T */
	unsigned int bits;     /* $B */
	char object_id[64];    /* $I */
	const char *tenant, *wanted; /* $A, $W */
};

/* Fill E (may be NULL) and return the code of CAUSE. */
int az_say(enum az_cause cause, const struct az_words *w, struct kp_error *e);

#endif
