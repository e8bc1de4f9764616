/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deployments made, deleted and listed.  In the log they are inode numbers, as
 * every file is.
 */
#include <errno.h>

#include "fs/lib/cmd.h"
#include "fs/lib/erased.h"
#include "fs/lib/log.h"
#include "fs/lib/state.h"
#include "fs/lib/table.h"
#include "fs/mount/audit.h"
#include "fs/mount/control_answer.h"
#include "fs/mount/deploy_priv.h"
#include "fs/mount/uring.h"

#define AGAIN_US 10000 /* for what is on its way into the kernel's cache */

/* The top of what it keeps. */
static const struct object *top(const struct deployment *d)
{
	uint32_t i = 0;

	while (i < d->n && d->v[i].way)
		i++;
	return i < d->n ? d->v[i].o : NULL;
}

static void note(struct mount *m, const struct deployment *d, const char *operation)
{
	audit_note(m->audit, operation, object_ino(top(d)), "ok",
		   "%ju files, %ju directories, %ju bytes", (uintmax_t)d->files, (uintmax_t)d->dirs,
		   (uintmax_t)d->bytes);
}

/* The same, and who asked for it. */
static void note_by(struct mount *m, const struct deployment *d, const char *operation,
		    const json_t *req)
{
	audit_note_by(m->audit, operation, req, NULL, "ok",
		      "inode %ju: %ju files, %ju directories, %ju bytes",
		      (uintmax_t)object_ino(top(d)), (uintmax_t)d->files, (uintmax_t)d->dirs,
		      (uintmax_t)d->bytes);
}

/* ---- the list ------------------------------------------------------------------------- */

static json_t *one_json(const struct deployment *d)
{
	char zone[2 * ID_LEN + 1];

	state_hex(zone_id(d->zone)->zone, ID_LEN, zone);
	return json_pack("{so ss sI sI sI so ss}", "path", erased_text(*d->path ? d->path : "."), "zone",
			 zone, "files", (json_int_t)d->files, "directories", (json_int_t)d->dirs,
			 "bytes", (json_int_t)d->bytes, "since", table_time(d->since), "state",
			 zone_state(d->zone) == ZONE_UNLOCKED ? "ready" : "serving");
}

json_t *deploys_json(struct mount *m)
{
	json_t *list = json_array();

	pthread_rwlock_rdlock(&m->deploys->lock);
	for (const struct deployment *d = m->deploys->first; d; d = d->next)
		json_array_append_new(list, one_json(d));
	pthread_rwlock_unlock(&m->deploys->lock);
	return list;
}

void deploys_note_lock(struct mount *m, const struct mzone *z)
{
	pthread_rwlock_rdlock(&m->deploys->lock);
	for (const struct deployment *d = m->deploys->first; d; d = d->next) {
		if (d->zone != z->zone)
			continue;
		note(m, d, "deploy.serving");
		log_notice("%sa deployment stays readable: inode %ju, %ju files", zones_label(z),
			   (uintmax_t)object_ino(top(d)), (uintmax_t)d->files);
	}
	pthread_rwlock_unlock(&m->deploys->lock);
}

/* ---- deleting ---------------------------------------------------------------------------- */

static void throw_out(struct mount *m, const struct deployment *d)
{
	for (uint32_t n = 0; n < d->n; n++) {
		const struct inode *i = object_owner(d->v[n].o);

		if (i)
			fuse_lowlevel_notify_inval_inode(m->se, i->id, 0, 0);
	}
}

/* D is off the list, so that nobody is let in by it, nor uses it any more. */
static void end_one(struct mount *m, struct deployment *d, const json_t *req)
{
	bool locked = zone_state(d->zone) != ZONE_UNLOCKED;

	if (req)
		note_by(m, d, "deploy.delete", req);
	else
		note(m, d, "deploy.delete");
	log_notice("a deployment was deleted: inode %ju", (uintmax_t)object_ino(top(d)));
	for (uint32_t n = d->n; n--;)
		if (d->v[n].kept) {
			object_undeploy(d->v[n].o);
			d->v[n].kept = false;
		}
	if (locked) {
		throw_out(m, d);
		usleep(AGAIN_US);
		throw_out(m, d);
		pool_wipe(m->pool);
		uring_wipe(m->uring);
	}
	deployment_free(d);
}

/* Delete what WANTED says, for the request REQ or NULL; how many. */
static unsigned int end_some(struct mount *m, bool (*wanted)(const struct deployment *d, const void *arg),
			     const void *arg, const json_t *req)
{
	struct deployment **p, *d, *gone = NULL;
	unsigned int n = 0;

	pthread_mutex_lock(&m->deploys->making);
	pthread_rwlock_wrlock(&m->deploys->lock);
	for (p = &m->deploys->first; (d = *p);) {
		if (!wanted(d, arg)) {
			p = &d->next;
			continue;
		}
		*p = d->next;
		d->next = gone;
		gone = d;
		atomic_fetch_sub(&m->deploys->n, 1);
	}
	pthread_rwlock_unlock(&m->deploys->lock);
	pthread_mutex_unlock(&m->deploys->making);
	for (; gone; n++) {
		d = gone;
		gone = d->next;
		end_one(m, d, req);
	}
	return n;
}

static bool any(const struct deployment *d, const void *arg)
{
	(void)d;
	(void)arg;
	return true;
}

static bool in_zone(const struct deployment *d, const void *z)
{
	return d->zone == z;
}

static bool at_path(const struct deployment *d, const void *path)
{
	return !strcmp(d->path, path);
}

void deploys_end(struct mount *m)
{
	if (!m->deploys)
		return;
	pthread_mutex_lock(&m->deploys->making);
	m->deploys->ended = true;
	pthread_mutex_unlock(&m->deploys->making);
	end_some(m, any, NULL, NULL);
}

bool deploys_any(struct mount *m)
{
	return atomic_load(&m->deploys->n);
}

void deploys_hold(struct mount *m, bool on)
{
	if (!m->deploys)
		return;
	pthread_mutex_lock(&m->deploys->making);
	atomic_store(&m->deploys->held, on);
	for (int i = 0; on && i < 2 && m->deploys->first; i++) {
		for (const struct deployment *d = m->deploys->first; d; d = d->next)
			throw_out(m, d);
		usleep(AGAIN_US);
	}
	pthread_mutex_unlock(&m->deploys->making);
}

void deploys_drop_zone(struct mount *m, const struct zone *z)
{
	end_some(m, in_zone, z, NULL);
}

/* ---- requests ------------------------------------------------------------------------------- */

/* "path" of REQ, malloc'd, without what leads nowhere.  NULL: none. */
static char *path_of(const json_t *req)
{
	const char *hex = json_string_value(json_object_get(req, "path"));
	size_t n = hex ? strlen(hex) / 2 : 0, len = 0;
	_cleanup_free_ char *raw = calloc(1, n + 1);
	char *ret = calloc(1, n + 1), *save = NULL;

	if (!hex || !raw || !ret || state_unhex(hex, (uint8_t *)raw, n) || strlen(raw) != n) {
		free(ret);
		return NULL;
	}
	for (char *w = strtok_r(raw, "/", &save); w; w = strtok_r(NULL, "/", &save)) {
		if (!strcmp(w, "."))
			continue;
		if (len)
			ret[len++] = '/';
		strcpy(ret + len, w);
		len += strlen(w);
	}
	return ret;
}

static bool exists(struct deploys *ds, const char *path)
{
	const struct deployment *d;

	pthread_rwlock_rdlock(&ds->lock);
	for (d = ds->first; d && strcmp(d->path, path); d = d->next)
		;
	pthread_rwlock_unlock(&ds->lock);
	return d;
}

static json_t *why_not(int r)
{
	if (r == -EXDEV)
		return answer_refused("another zone begins in it", "deploy what is in each zone by itself",
				      CMD_USAGE);
	if (r == -EMFILE)
		return answer_refused("it is more than may be kept open",
				      "raise RLIMIT_NOFILE, or deploy less", CMD_FAILED);
	if (r == -EINVAL)
		return answer_refused("it is neither a directory nor a file",
				      "deploy the directory that it is in", CMD_USAGE);
	return answer_refused(strerror(-r), r == -EIO ? "cmkfs verify DIR says what is damaged" :
			      "give the path of what is to be deployed, while it can be read",
			      cmd_exit_of(r));
}

static json_t *create(struct mount *m, char *path, const json_t *req)
{
	struct deploys *ds = m->deploys;
	struct deployment *d;
	json_t *a;
	int r;

	if (ds->ended)
		return answer_refused("the mount is ending", "", CMD_FAILED);
	if (exists(ds, path))
		return answer_refused("it is deployed already", "cmkfs deploy delete it first", CMD_BUSY);
	r = deployment_make(m, path, &d);
	if (r)
		return why_not(r);
	d->since = (int64_t)time(NULL);
	note_by(m, d, "deploy.create", req);
	log_notice("deployed: inode %ju, %ju files, readable until deleted, whatever becomes of the key",
		   (uintmax_t)object_ino(top(d)), (uintmax_t)d->files);
	a = json_pack("{sb so}", "ok", 1, "deployment", one_json(d));
	pthread_rwlock_wrlock(&ds->lock);
	d->next = ds->first;
	ds->first = d;
	atomic_fetch_add(&ds->n, 1);
	pthread_rwlock_unlock(&ds->lock);
	return a;
}

json_t *answer_deploy_create(struct mount *m, const json_t *req)
{
	_cleanup_free_ char *path = path_of(req);
	json_t *a;

	if (!m->opt->allow_deployments)
		return answer_refused("deployments are not allowed in this mount",
				      "mount it with -o allow-deployments, or set that in the configuration",
				      CMD_USAGE);
	if (!path)
		return answer_refused("a path is needed", "", CMD_USAGE);
	pthread_mutex_lock(&m->deploys->making);
	a = create(m, path, req);
	pthread_mutex_unlock(&m->deploys->making);
	return a;
}

json_t *answer_deploy_delete(struct mount *m, const json_t *req)
{
	_cleanup_free_ char *path = path_of(req);

	if (!path || !end_some(m, at_path, path, req))
		return answer_refused("nothing is deployed there", "cmkfs deploy list MNT lists what is",
				      CMD_USAGE);
	return json_pack("{sb}", "ok", 1);
}

json_t *answer_deploy_list(struct mount *m, const json_t *req)
{
	(void)req;
	return json_pack("{sb so}", "ok", 1, "deployments", deploys_json(m));
}
