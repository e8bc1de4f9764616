/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the leases of a zone say, for the log and for the record.
 */
#include <stdio.h>
#include <time.h>

#include "fs/lib/log.h"
#include "fs/mount/audit.h"
#include "fs/mount/grant_set.h"

#define DAY 86400

void grant_tell_near(const struct part *p)
{
	const char *label = zones_label(p->set->g->z);
	intmax_t days = (intmax_t)((p->status.expires - (int64_t)time(NULL)) / DAY);

	if (p->status.state == LEASE_GRANTED && p->status.expiry_near)
		log_warning("give the key another expiry, or the volume another key, before that",
			    "%sthe key %s expires in %jd days: access ends then", label,
			    p->status.kid, days);
}

void grant_tell_loss(struct part *p, const struct grant_set *s)
{
	struct grant *g = s->g;
	bool lost = !part_usable(p);

	if (lost == p->said || !p->told || s->n < 2)
		return;
	p->said = lost;
	if (lost)
		log_warning(p->status.error.hint, "%sslot %u (%s) is lost: %s", zones_label(g->z),
			    p->slot->id, p->slot->kid, p->status.error.message);
	else
		log_notice("%sslot %u (%s) is back", zones_label(g->z), p->slot->id, p->slot->kid);
	audit_note_key(g->z->m->audit, "key.slot", p->slot->kid, lost ? "lost" : "ok",
		       "zone %s, slot %u", g->z->id, p->slot->id);
}

void grant_tell_grace(const struct part *p)
{
	log_warning(p->status.error.hint,
		    "%sthe key's provider cannot be asked: %s; access ends in %jd s",
		    zones_label(p->set->g->z), p->status.error.message,
		    (intmax_t)(p->status.grace_left_ms / 1000));
}

void grant_note_answer(const struct part *p, const struct lease_status *new)
{
	static const char *const what[] = { "lease.confirm", "lease.grace", "lease.deny", "lease.lost" };
	const struct lease_status *old = &p->status;
	struct mzone *z = p->set->g->z;

	if (p->told && old->state == new->state && old->error.code == new->error.code &&
	    !strcmp(old->newest, new->newest) && old->expiry_near == new->expiry_near)
		return;
	audit_note_key(z->m->audit, what[new->state], p->slot->kid,
		       new->error.code ? kp_error_row(new->error.code)->name : "ok",
		       "zone %s, slot %u%s%s%s", z->id, p->slot->id,
		       new->error.code ? ": " : "", new->error.message,
		       !new->error.code && new->expiry_near ? ", the key expires soon" : "");
}
