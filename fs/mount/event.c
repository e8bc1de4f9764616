/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events of the store.  Called with locks held: nothing here waits but for
 * the log.  Objects are named by inode number, never by plaintext name.
 */
#include "fs/lib/log.h"
#include "fs/mount/audit.h"
#include "fs/mount/event.h"
#include "fs/mount/zones.h"

static void log_event(const struct store_event *e)
{
	static struct log_rate rate[EVENT_NAME + 1];
	uintmax_t ino = e->object ? object_ino(e->object) : 0;
	const char *why = e->reason ? e->reason : "";

	if (!log_allow(&rate[e->kind]))
		return;
	switch (e->kind) {
	case EVENT_INTEGRITY:
		log_error("cmkfs verify DIR finds all that is damaged",
			  "integrity: inode %ju, bytes %ju to %ju: %s", ino, (uintmax_t)e->offset,
			  (uintmax_t)(e->offset + e->length), why);
		break;
	case EVENT_HINT:
		log_notice("inode %ju: the stored length said something else than its header", ino);
		break;
	case EVENT_RECOVERED:
		log_warning(NULL, "inode %ju was recovered: %s", ino, why);
		break;
	case EVENT_LOST:
		log_error("the writer gets the error from fsync(2) or close(2)",
			  "data lost: inode %ju, bytes %ju to %ju: %s", ino, (uintmax_t)e->offset,
			  (uintmax_t)(e->offset + e->length), why);
		break;
	case EVENT_GENERATION:
		log_info("%s: its key is asked for", why);
		break;
	case EVENT_NAME:
		log_error("cmkfs fsck DIR lists such names",
			  "a name in directory inode %ju does not authenticate and is left out",
			  ino);
		break;
	}
}

static const char *outcome_of(enum store_event_kind kind)
{
	static const char *const word[] = {
		[EVENT_INTEGRITY] = "integrity", [EVENT_HINT] = NULL, [EVENT_RECOVERED] = "recovered",
		[EVENT_LOST] = "lost", [EVENT_GENERATION] = NULL, [EVENT_NAME] = "name",
	};

	return word[kind];
}

void mount_event(void *arg, const struct store_event *e)
{
	struct mount *m = arg;
	struct inode *i = e->object ? object_owner(e->object) : NULL;

	if (e->kind == EVENT_LOST)
		atomic_fetch_add_explicit(&m->lost, 1, memory_order_relaxed);
	if (e->kind == EVENT_LOST && e->object)
		atomic_fetch_add(&zone_counts(object_zone(e->object))->lost, 1);
	if (e->kind == EVENT_GENERATION)
		zones_hurry(m);
	if (i && e->kind == EVENT_HINT)
		atomic_store(&i->stale_size, true);
	if (outcome_of(e->kind))
		audit_note(m->audit, e->kind == EVENT_LOST ? "mount.write" : "mount.read",
			   e->object ? object_ino(e->object) : 0, outcome_of(e->kind),
			   "bytes %ju to %ju: %s", (uintmax_t)e->offset,
			   (uintmax_t)(e->offset + e->length), e->reason ? e->reason : "");
	log_event(e);
}
