/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One opened volume: the lock of its only writer, its limits, its end.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/resource.h>

#include "crypto/secret.h"
#include "fs/store/entry.h"
#include "fs/store/touched.h"

#define SECRET_ASSUMED (1u << 20) /* the arena that is made without secret_setup() */
#define FDS_KEPT 256u		  /* descriptors for everything but resident objects */
#define RESIDENT_MIN 16u
#define RESIDENT_MAX 16384u /* each takes some 5 KiB and a descriptor */
#define GROUPS_MIN 256u
#define GROUPS_MAX 16384u
#define PENDING_MAX (32u << 20)
#define BATCH_ENOUGH (8u << 20)
#define REMOVED_MS 300
#define ROOM_PAUSE_US 5000

void store_set_limits(struct store *st)
{
	size_t used, total;
	struct rlimit fds;
	uint64_t resident, groups;

	secret_usage(&used, &total);
	total = MAX(total, SECRET_ASSUMED);
	/* Half the arena for objects, a quarter for groups; the rest for keys in passing. */
	resident = total / 2 / (sizeof(struct object_keys) + 2 * KEY_LEN);
	groups = total / 4 / GK_LEN;
	if (!getrlimit(RLIMIT_NOFILE, &fds) && fds.rlim_cur != RLIM_INFINITY)
		resident = MIN(resident, fds.rlim_cur - MIN(fds.rlim_cur * 5 / 8, FDS_KEPT));
	st->resident_max = MAX(RESIDENT_MIN, MIN(resident, RESIDENT_MAX));
	st->groups_max = MAX(GROUPS_MIN, MIN(groups, GROUPS_MAX));
	st->pending_max = PENDING_MAX;
	st->batch_enough = BATCH_ENOUGH;
}

struct store *store_new(void)
{
	struct store *st = calloc(1, sizeof(*st));

	if (!st)
		return NULL;
	st->session = session_new();
	st->touched = touched_new();
	st->settling = settling_new();
	moved_init(&st->rekey_moved, MOVED_REKEY);
	if (!st->session || !st->touched || !st->settling) {
		session_free(st->session);
		touched_free(st->touched);
		settling_free(st->settling);
		moved_destroy(&st->rekey_moved);
		free(st);
		return NULL;
	}
	st->root_fd = st->lock_fd = -1;
	for (unsigned int i = 0; i < TABLE_SHARDS; i++)
		pthread_mutex_init(&st->shards[i].lock, NULL);
	pthread_mutex_init(&st->zones_lock, NULL);
	pthread_mutex_init(&st->dirty_lock, NULL);
	TAILQ_INIT(&st->dirty);
	pthread_mutex_init(&st->clock_lock, NULL);
	TAILQ_INIT(&st->clock);
	store_set_limits(st);
	return st;
}

/* ---- descriptors ---------------------------------------------------------------------- */

static pthread_mutex_t open_lock = PTHREAD_MUTEX_INITIALIZER; /* taken with any other held */
static LIST_HEAD(, store) open_stores = LIST_HEAD_INITIALIZER(open_stores);

static bool relieve_all(void)
{
	bool r = false;
	struct store *st;

	pthread_mutex_lock(&open_lock);
	LIST_FOREACH(st, &open_stores, open_link)
		r |= store_relieve(st);
	pthread_mutex_unlock(&open_lock);
	return r;
}

/* What was just removed takes room until the kernel has forgotten it. */
static bool room_comes(void)
{
	bool r = false;
	struct store *st;

	pthread_mutex_lock(&open_lock);
	LIST_FOREACH(st, &open_stores, open_link)
		r |= st->removed_at && now_ms() - st->removed_at < REMOVED_MS;
	pthread_mutex_unlock(&open_lock);
	if (r)
		usleep(ROOM_PAUSE_US);
	return r;
}

static void open_note(struct store *st)
{
	pthread_mutex_lock(&open_lock);
	backing_relief = relieve_all;
	backing_room = room_comes;
	LIST_INSERT_HEAD(&open_stores, st, open_link);
	st->open = true;
	pthread_mutex_unlock(&open_lock);
}

static void open_forget(struct store *st)
{
	pthread_mutex_lock(&open_lock);
	if (st->open)
		LIST_REMOVE(st, open_link);
	pthread_mutex_unlock(&open_lock);
}

/* ---- the one writer ------------------------------------------------------------------- */

static int lock_refused(struct store *st, const char *dir, struct store_error *err)
{
	char holder[160];
	ssize_t n = backing_read(st->lock_fd, holder, sizeof(holder) - 1, 0);

	holder[MAX(n, 0)] = '\0';
	holder[strcspn(holder, "\n")] = '\0';
	return store_fail(err, -EBUSY, "unmount it there, or mount it read-only (-o ro)",
			  "%s is in use: %s", dir, holder[0] ? holder : "by another process");
}

static int take_lock(struct store *st, struct store_error *err)
{
	char text[160], host[64] = "";
	int n, r;

	st->lock_fd = backing_open(st->root_fd, LOCK_FILE, O_RDWR | O_CREAT, FIXED_MODE);
	if (st->lock_fd < 0)
		return store_fail(err, st->lock_fd, "mount it read-only (-o ro)",
				  "cannot open " LOCK_FILE ": %s", strerror(-st->lock_fd));
	if (flock(st->lock_fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno == EWOULDBLOCK)
			return lock_refused(st, st->dir, err);
		r = -errno;
		return store_fail(err, r, "the filesystem beneath must have locks",
				  "cannot lock " LOCK_FILE ": %s", strerror(-r));
	}
	gethostname(host, sizeof(host) - 1);
	n = snprintf(text, sizeof(text), "process %ld on %s%s%s\n", (long)getpid(), host,
		     st->opt.holder ? ", " : "", st->opt.holder ? st->opt.holder : "");
	n = MIN(n, (int)sizeof(text) - 1);
	/* Only for people: that it could not be written is no reason to refuse. */
	if (!backing_write(st->lock_fd, text, (size_t)n, 0))
		backing_truncate(st->lock_fd, (uint64_t)n);
	return 0;
}

/* ---- open, close -------------------------------------------------------------------------- */

static int take_options(struct store *st, const char *dir, const struct store_options *opt)
{
	st->opt = *opt;
	st->opt.state_dir = opt->state_dir ? strdup(opt->state_dir) : NULL;
	st->dir = strdup(dir);
	return st->dir && (st->opt.state_dir || !opt->state_dir) ? 0 : -ENOMEM;
}

static int open_tree(struct store *st, struct store_error *err)
{
	struct stat sb;
	int r = backing_stat(st->root_fd, TREE, &sb);

	if (r == -ENOENT || (r == 0 && !S_ISDIR(sb.st_mode)))
		return store_fail(err, -EBADMSG, "restore it from a backup of the volume",
				  "the volume has no directory " TREE);
	if (r < 0)
		return store_fail(err, r, NULL, "cannot look at " TREE ": %s", strerror(-r));
	st->dev = sb.st_dev;
	st->root = table_get(st, NULL, TREE, &sb);
	return st->root ? 0 : -ENOMEM;
}

static int open_volume(struct store *st, struct store_error *err)
{
	int r = volume_open_dir(st->dir, &st->root_fd, err);

	if (r == 0)
		r = volume_read(st->root_fd, &st->vol, st->vol_raw, err);
	if (r < 0)
		return r;
	if (st->vol.ro_compat) /* a newer version made it so: to be read, not written */
		st->opt.read_only = true;
	if (st->opt.binding >= 0)
		st->vol.binding = (uint8_t)st->opt.binding;
	if (st->opt.crash >= 0)
		st->vol.crash = (uint8_t)st->opt.crash;
	if (!st->opt.read_only)
		r = take_lock(st, err);
	if (r < 0)
		return r;
	st->zone = zone_new(st, &st->vol.root, NULL, st->vol.fingerprint);
	if (!st->zone)
		return -ENOMEM;
	r = zones_load(st, err);
	return r ? r : open_tree(st, err);
}

int store_open(const char *dir, const struct store_options *opt, struct store **ret,
	       struct store_error *err)
{
	struct store *st = store_new();
	int r = -ENOMEM;

	if (err)
		*err = (struct store_error){ "", "" };
	if (st)
		r = take_options(st, dir, opt);
	if (r == 0)
		r = open_volume(st, err);
	if (r == -ENOMEM)
		store_fail(err, r, NULL, "no memory");
	if (r < 0) {
		store_close(st);
		return r;
	}
	st->opt.holder = NULL; /* the caller's */
	open_note(st);
	*ret = st;
	return 0;
}

/* Objects that are still referred to: their holders are gone. */
static void free_objects(struct store *st)
{
	for (unsigned int i = 0; i < TABLE_SHARDS; i++) {
		struct shard *s = &st->shards[i];

		for (size_t b = 0; b < s->nbuckets; b++)
			while (s->buckets[b])
				table_forget(s, s->buckets[b]);
		free(s->buckets);
		pthread_mutex_destroy(&s->lock);
	}
}

void store_close(struct store *st)
{
	struct zone *z, *next;

	if (!st)
		return;
	open_forget(st);
	for (z = st->zone; z; z = z->next) {
		zone_lock_begin(z, ENOKEY);
		zone_wipe(z);
	}
	free_objects(st);
	for (z = st->zone; z; z = next) {
		next = z->next;
		zone_free(z);
	}
	session_free(st->session);
	touched_free(st->touched);
	settling_free(st->settling);
	moved_destroy(&st->rekey_moved);
	cleanup_close(&st->lock_fd); /* ends the flock */
	cleanup_close(&st->root_fd);
	pthread_mutex_destroy(&st->zones_lock);
	pthread_mutex_destroy(&st->dirty_lock);
	pthread_mutex_destroy(&st->clock_lock);
	free((char *)st->opt.state_dir);
	free(st->dir);
	free(st);
}

/* ---- the end of a session -------------------------------------------------------------------- */

static int flush_all(struct store *st)
{
	struct zone *z;
	int r = 0, first = 0;

	for (z = st->zone; z; z = z->next) {
		if (zone_enter(z, ZONE_DRAIN))
			continue; /* locked: nothing of it is left in memory */
		r = store_flush_all(z);
		zone_leave(z, ZONE_DRAIN);
		first = first ? first : r;
	}
	return first;
}

int store_end_session(struct store *st, bool lost)
{
	struct pin now = { 0 };
	int r, s;

	if (st->opt.read_only || !session_current(st))
		return 0;
	r = flush_all(st);
	s = backing_syncfs(st->root_fd);
	if (r == 0)
		r = s;
	if (r < 0 || lost || st->ndirty) /* a batch that no flush began may have failed after it */
		return r;
	r = session_close(st);
	if (r < 0)
		return r;
	now.session = session_seq(st);
	memcpy(now.fingerprint, st->vol.fingerprint, KEY_LEN);
	/* Not remembered is no loss: the host only knows an older seq. */
	pin_store(st->opt.state_dir, &st->vol.root, true, &now, false);
	return 0;
}
