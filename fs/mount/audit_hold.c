/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Locking for want of an audit log: see audit_hold.h.
 */
#include <stdio.h>

#include "fs/lib/log.h"
#include "fs/mount/audit_hold.h"
#include "fs/mount/deploy.h"
#include "fs/mount/grant.h"

static void hold_one(struct mzone *z)
{
	struct lock_report rep = { 0 };
	struct lock_status s;

	lock_status(z->locker, &s);
	if (z->gone || s.operator_locked)
		return;
	atomic_store(&z->unrecorded, true);
	lock_operator(&z->locker, 1, &rep);
}

void audit_hold(struct mount *m)
{
	deploys_hold(m, true);
	for (struct mzone *z = zones_next(m, NULL); z; z = zones_next(m, z))
		hold_one(z);
}

void audit_release(struct mount *m)
{
	struct mount_failure f = { 0, "", "" };

	deploys_hold(m, false);
	for (struct mzone *z = zones_next(m, NULL); z; z = zones_next(m, z)) {
		struct grant *g = z->grant;

		if (!atomic_exchange(&z->unrecorded, false) || z->gone || !g)
			continue;
		if (grant_unlock(g, &f) < 0)
			log_warning(f.hint, "%sit stays locked: %s", zones_label(z), f.message);
	}
}
