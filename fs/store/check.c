/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A check as a whole: its findings, its progress, who else is at work.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/file.h>

#include "fs/store/check_internal.h"
#include "fs/store/volume.h"

#define TICK_MS 200
#define SAVE_MS 5000

static const struct {
	const char *word;
	enum check_level level;
	bool transient; /* a writer at work makes it, too */
} kinds[CHECK_KINDS] = {
	[CHECK_UNKNOWN] = { "unknown-file", CHECK_NOTE, false },
	[CHECK_UNCLEAN] = { "unclean-session", CHECK_NOTE, true },
	[CHECK_HEADER] = { "header", CHECK_DAMAGE, false },
	[CHECK_NEVER_WRITTEN] = { "never-written", CHECK_DAMAGE, true },
	[CHECK_DIR_HEADER] = { "directory-header", CHECK_DAMAGE, false },
	[CHECK_SPARE_SLOT] = { "spare-slot", CHECK_DAMAGE, false },
	[CHECK_GROUP] = { "group", CHECK_DAMAGE, false },
	[CHECK_CHUNK] = { "chunk", CHECK_DAMAGE, false },
	[CHECK_LENGTH] = { "length", CHECK_NOTE, true },
	[CHECK_BINDING] = { "binding", CHECK_DAMAGE, false },
	[CHECK_NAME] = { "name", CHECK_DAMAGE, false },
	[CHECK_SIDECAR_MISSING] = { "sidecar-missing", CHECK_DAMAGE, false },
	[CHECK_SIDECAR_ORPHAN] = { "sidecar-orphan", CHECK_NOTE, true },
	[CHECK_TEMPORARY] = { "temporary", CHECK_NOTE, true },
	[CHECK_SYMLINK] = { "symlink", CHECK_DAMAGE, false },
	[CHECK_XATTR] = { "attribute", CHECK_DAMAGE, false },
	[CHECK_UNREADABLE] = { "unreadable", CHECK_FAILED, false },
};

const char *check_word(enum check_kind k)
{
	return kinds[k].word;
}

enum check_level check_level(enum check_kind k)
{
	return kinds[k].level;
}

/* ---- paths ------------------------------------------------------------------------ */

void check_path_done(struct check_path *p)
{
	free(p->stored);
	free(p->name);
	p->stored = p->name = NULL;
}

int check_path_child(const struct check_path *up, const char *stored, const char *name,
		     struct check_path *ret)
{
	*ret = (struct check_path){ NULL, NULL };
	if (asprintf(&ret->stored, "%s/%s", up->stored, stored) < 0)
		ret->stored = NULL;
	else if (!name || !up->name)
		return 0;
	else if (asprintf(&ret->name, "%s%s%s", up->name, up->name[1] ? "/" : "", name) >= 0)
		return 0;
	ret->name = NULL;
	check_path_done(ret);
	return -ENOMEM;
}

/* ---- findings --------------------------------------------------------------------- */

static void report(struct check *c, const struct check_finding *f)
{
	pthread_mutex_lock(&c->lock);
	if (f->repaired)
		c->result.repaired++;
	else if (kinds[f->kind].level == CHECK_NOTE)
		c->result.notes++;
	else if (kinds[f->kind].level == CHECK_DAMAGE)
		c->result.damaged++;
	else
		c->result.failed++;
	c->opt->finding(c->opt->arg, f);
	pthread_mutex_unlock(&c->lock);
}

void check_report(struct check *c, enum check_kind kind, const struct check_path *p,
		  struct check_range range, const char *detail)
{
	const struct check_finding f = { kind, false, p->stored, p->name, range.offset, range.length,
					 detail };

	if (!kinds[kind].transient || !check_live(c))
		report(c, &f);
}

void check_mended(struct check *c, enum check_kind kind, const struct check_path *p,
		  const char *detail)
{
	const struct check_finding f = { kind, true, p->stored, p->name, 0, 0, detail };

	report(c, &f);
}

void check_unreadable(struct check *c, const struct check_path *p, struct check_range range,
		      int error)
{
	if ((error == -ENOENT || error == -ESTALE) && check_live(c))
		return;
	check_report(c, CHECK_UNREADABLE, p, range, strerror(-error));
}

/* ---- who else --------------------------------------------------------------------- */

static bool lock_is_held(struct check *c)
{
	_cleanup_close_ int fd = backing_open(c->st->root_fd, LOCK_FILE, O_RDONLY, 0);

	/* Given back at once: a mount that begins in between is refused, and may try again. */
	return fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
}

bool check_live(struct check *c)
{
	uint8_t raw[FIXED_BLOCK];
	struct session_block b;

	if (c->live || !c->st->opt.read_only)
		return c->live;
	if (fixed_read(c->st->root_fd, SESSION_FILE, raw, NULL) || session_parse(raw, &b, NULL))
		return false;
	if (b.seq != c->seq || (b.open && lock_is_held(c)))
		c->live = true;
	return c->live;
}

/* ---- from time to time ------------------------------------------------------------- */

static void snapshot(struct check *c, struct check_result *ret)
{
	pthread_mutex_lock(&c->lock);
	c->result.bytes = c->bytes;
	*ret = c->result;
	pthread_mutex_unlock(&c->lock);
}

int check_tick(struct check *c)
{
	uint64_t now = now_ms();
	struct check_result r;

	if (!c->stop && c->opt->stop && *c->opt->stop)
		c->stop = -EINTR;
	if (c->stop || !c->opt->tick || now - c->ticked < TICK_MS)
		return c->stop;
	c->ticked = now;
	snapshot(c, &r);
	c->stop = c->opt->tick(c->opt->arg, &r);
	return c->stop;
}

static void save(struct check *c)
{
	const struct check_position at = { c->at ? c->at : "", c->unit };
	struct check_result r;

	if (!c->opt->checkpoint)
		return;
	check_pool_drain(c);
	snapshot(c, &r);
	c->opt->checkpoint(c->opt->arg, &at, &r);
	c->saved = now_ms();
}

static int set_position(struct check *c, const struct check_path *p, uint64_t unit)
{
	const char *below = strchr(p->stored, '/');

	below = below ? below + 1 : "";
	if (!c->at || strcmp(c->at, below)) {
		free(c->at);
		c->at = strdup(below);
		if (!c->at)
			return -ENOMEM;
	}
	c->unit = unit;
	return 0;
}

int check_reached(struct check *c, const struct check_path *p, uint64_t unit)
{
	int r = c->opt->checkpoint ? set_position(c, p, unit) : 0;

	if (r)
		return r;
	if (unit == UINT64_MAX) { /* the position and the count must agree */
		pthread_mutex_lock(&c->lock);
		c->result.objects++;
		pthread_mutex_unlock(&c->lock);
	}
	if (!c->stop && c->opt->checkpoint && now_ms() - c->saved >= SAVE_MS)
		save(c);
	return check_tick(c);
}

/* ---- all of it -------------------------------------------------------------------------- */

static int check_root(struct check *c)
{
	static const uint8_t no_dir[ID_LEN];
	struct check_path p = { strdup(TREE), strdup("/") };
	struct object *root = store_root(c->st);
	const char *from = c->opt->from.stored;
	uint8_t tag[CHECK_TAGS];
	bool sound = true;
	int r = 0;

	if (!p.stored || !p.name)
		r = -ENOMEM;
	if (!r && !(from && *from)) {
		r = binding_tag(c->st->zone->keys->bk, no_dir, "", 0, tag);
		memcpy(tag + TAG_LEN, tag, TAG_LEN);
		if (!r)
			r = check_object(c, root, &p, tag, 0, &sound);
	}
	if (!r && sound)
		r = check_tree(c, root, &p, from && *from ? from : NULL);
	check_path_done(&p);
	return r;
}

static int check_all(struct check *c)
{
	int r = zone_enter(c->st->zone, ZONE_NORMAL);

	if (r)
		return r;
	/* Those that are locked are left out, and said to be. */
	for (struct zone *z = c->st->zone->next; z; z = z->next)
		if (!zone_errno(z))
			zone_enter(z, ZONE_NORMAL);
	if (c->opt->repair)
		r = repair_sessions(c);
	if (!r && !c->opt->from.stored)
		r = check_fixed(c);
	if (!r)
		r = check_root(c);
	check_pool_drain(c); /* the keys stay until the workers are done */
	for (struct zone *z = c->st->zone->next; z; z = z->next)
		if (!zone_errno(z))
			zone_leave(z, ZONE_NORMAL);
	zone_leave(c->st->zone, ZONE_NORMAL);
	return r;
}

int store_check(struct store *st, const struct check_options *opt, struct check_result *ret)
{
	struct check c = { .st = st, .opt = opt, .seq = session_seq(st), .saved = now_ms() };
	int r;

	pthread_mutex_init(&c.lock, NULL);
	r = check_pool_start(&c);
	if (!r) {
		r = check_all(&c);
		save(&c);
	}
	check_pool_stop(&c);
	snapshot(&c, ret);
	pthread_mutex_destroy(&c.lock);
	free(c.links);
	free(c.at);
	return r;
}
