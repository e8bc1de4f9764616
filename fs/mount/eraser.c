/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread that erases, and what the control socket asks of it.
 */
#include "fs/mount/eraser.h"

#include <errno.h>
#include <stdio.h>
#include <sys/prctl.h>

#include "crypto/mac.h"
#include "fs/lib/cmd.h"
#include "fs/lib/erased.h"
#include "fs/lib/log.h"
#include "fs/lib/state.h"
#include "fs/mount/audit.h"
#include "fs/mount/control_answer.h"

#define AUDIT_EACH 100u	  /* records of single objects in a run; then the sum must do */
#define ANSWER_BYTES 500000u /* of what was erased in one answer, about */

enum state { NONE, RUNNING, DONE, STOPPED, FAILED };
static const char *const state_words[] = { "none", "running", "done", "stopped", "failed" };

struct eraser {
	struct mount *m;
	pthread_mutex_t lock; /* protects thread, started, ended, paths, npaths */
	pthread_t thread;
	bool started, ended;
	char **paths;
	unsigned int npaths;
	_Atomic bool stop;
	_Atomic int state;
	struct erasure job;
	struct store_error err; /* these two after it has ended */
	int r;
	pthread_mutex_t done_lock; /* protects done */
	json_t *done;
};

/* ---- the work ----------------------------------------------------------------------- */

/* Dirty pages are written by this, as the store still takes them; or thrown out, when it does not. */
static void let_go(void *arg, struct object *o)
{
	const struct eraser *e = arg;
	const struct inode *i = object_owner(o);

	if (i)
		fuse_lowlevel_notify_inval_inode(e->m->se, i->id, 0, 0);
}

static void name_gone(void *arg, struct object *dir, const char *name)
{
	const struct eraser *e = arg;
	const struct inode *i = object_owner(dir);

	if (i)
		fuse_lowlevel_notify_inval_entry(e->m->se, i->id, name, strlen(name));
}

static void done(void *arg, const struct erased *what, const char *const *names, unsigned int n)
{
	struct eraser *e = arg;
	char id[2 * ID_LEN + 1];

	state_hex(what->object_id, ID_LEN, id);
	if (e->job.files + e->job.dirs <= AUDIT_EACH)
		audit_note(e->m->audit, "erase.object", what->ino, "ok", "object %s, generation %u, %u names",
			   id, what->vk_gen, n);
	pthread_mutex_lock(&e->done_lock);
	json_array_append_new(e->done, erased_json(what, names, n));
	pthread_mutex_unlock(&e->done_lock);
}

static void *eraser_main(void *arg)
{
	struct eraser *e = arg;
	int r;

	prctl(PR_SET_NAME, "cmkfs-eraser");
	r = store_erase(e->m->store, (const char *const *)e->paths, e->npaths, &e->job, &e->err);
	crypto_forget();
	audit_note(e->m->audit, "erase", 0, !r ? "ok" : r == -EINTR ? "stopped" : strerrorname_np(-r),
		   "%ju of %ju files, %ju directories, %ju bytes", (uintmax_t)e->job.files,
		   (uintmax_t)e->job.all_files, (uintmax_t)e->job.dirs, (uintmax_t)e->job.bytes);
	log_notice("erased: %ju files, %ju directories", (uintmax_t)e->job.files,
		   (uintmax_t)e->job.dirs);
	e->r = r;
	e->state = !r ? DONE : r == -EINTR ? STOPPED : FAILED;
	return NULL;
}

/* ---- beginning and ending -------------------------------------------------------------- */

int eraser_start(struct mount *m, struct eraser **ret)
{
	struct eraser *e = calloc(1, sizeof(*e));

	if (!e)
		return -ENOMEM;
	e->m = m;
	pthread_mutex_init(&e->lock, NULL);
	pthread_mutex_init(&e->done_lock, NULL);
	*ret = e;
	return 0;
}

static void clear(struct eraser *e) /* lock is held, there is no thread */
{
	while (e->npaths)
		free(e->paths[--e->npaths]);
	free(e->paths);
	e->paths = NULL;
	json_decref(e->done);
	e->done = NULL;
}

static void join(struct eraser *e) /* lock is held */
{
	if (e->started)
		pthread_join(e->thread, NULL);
	e->started = false;
}

void eraser_halt(struct eraser *e)
{
	if (!e)
		return;
	pthread_mutex_lock(&e->lock);
	e->ended = true;
	e->stop = true;
	join(e);
	pthread_mutex_unlock(&e->lock);
}

void eraser_free(struct eraser *e)
{
	if (!e)
		return;
	clear(e);
	pthread_mutex_destroy(&e->lock);
	pthread_mutex_destroy(&e->done_lock);
	free(e);
}

static int take_paths(struct eraser *e, const json_t *list)
{
	const json_t *v;
	size_t i;

	e->paths = calloc(json_array_size(list) + 1, sizeof(char *));
	if (!e->paths)
		return -ENOMEM;
	json_array_foreach(list, i, v) {
		const char *hex = json_string_value(v);
		size_t n = hex ? strlen(hex) / 2 : 0;
		char *path = hex ? calloc(1, n + 1) : NULL;

		if (!path || state_unhex(hex, (uint8_t *)path, n) || strlen(path) != n) {
			free(path);
			return -EINVAL;
		}
		e->paths[e->npaths++] = path;
	}
	return e->npaths ? 0 : -EINVAL;
}

static int begin_locked(struct eraser *e, const json_t *req, struct mount_failure *f)
{
	int r;

	if (e->ended)
		return mount_fail(f, CMD_FAILED, -EBUSY, NULL, "the mount is ending");
	if (e->m->opt->read_only)
		return mount_fail(f, CMD_FAILED, -EROFS, "mount it read-write",
				  "the mount is read-only");
	if (e->state == RUNNING)
		return mount_fail(f, CMD_BUSY, -EBUSY, "wait until that is done",
				  "something is being erased in this mount already");
	join(e);
	clear(e);
	r = take_paths(e, json_object_get(req, "paths"));
	if (r)
		return mount_fail(f, CMD_USAGE, r, NULL, "these are no paths");
	e->stop = false;
	e->err = (struct store_error){ "", "" };
	e->done = json_array();
	e->job = (struct erasure){
		.recursive = json_is_true(json_object_get(req, "recursive")), .stop = &e->stop,
		.let_go = let_go, .name_gone = name_gone, .done = done, .arg = e,
	};
	e->state = RUNNING;
	r = -pthread_create(&e->thread, NULL, eraser_main, e);
	e->started = !r;
	if (r)
		e->state = NONE;
	return r ? mount_fail(f, CMD_FAILED, r, NULL, "cannot start a thread: %s", strerror(-r)) : 0;
}

json_t *eraser_begin(struct mount *m, const json_t *req)
{
	struct mount_failure f = { 0, "", "" };
	int r;

	pthread_mutex_lock(&m->eraser->lock);
	r = begin_locked(m->eraser, req, &f);
	pthread_mutex_unlock(&m->eraser->lock);
	if (r)
		return answer_failure(&f);
	audit_note_by(m->audit, "erase.begin", req, NULL, "ok", "%zu paths%s",
		      json_array_size(json_object_get(req, "paths")),
		      json_is_true(json_object_get(req, "recursive")) ? ", recursive" : "");
	return eraser_status(m, req);
}

/* From number FROM on, as much as an answer may hold. */
static json_t *some_done(struct eraser *e, size_t from)
{
	json_t *some = json_array(), *v;
	size_t bytes = 0;

	pthread_mutex_lock(&e->done_lock);
	for (; bytes < ANSWER_BYTES && (v = json_array_get(e->done, from)); from++) {
		bytes += json_dumpb(v, NULL, 0, JSON_COMPACT);
		json_array_append(some, v);
	}
	pthread_mutex_unlock(&e->done_lock);
	return some;
}

json_t *eraser_status(struct mount *m, const json_t *req)
{
	json_int_t from = json_integer_value(json_object_get(req, "from"));
	struct eraser *e = m->eraser;
	int state = e->state;
	bool failed = state == FAILED;

	return json_pack("{sb ss so so si sI sI sI sI sI so}", "ok", 1, "state", state_words[state],
			 "error", erased_text(failed ? e->err.message : ""), "hint",
			 erased_text(failed ? e->err.hint : ""), "code", failed ? cmd_exit_of(e->r) : 0,
			 "all_files", (json_int_t)e->job.all_files, "all_bytes",
			 (json_int_t)e->job.all_bytes, "files", (json_int_t)e->job.files,
			 "directories", (json_int_t)e->job.dirs, "bytes", (json_int_t)e->job.bytes,
			 "erased", some_done(e, (size_t)MAX(from, 0)));
}

json_t *eraser_stop(struct mount *m, const json_t *req)
{
	struct eraser *e = m->eraser;

	pthread_mutex_lock(&e->lock);
	e->stop = true;
	join(e);
	pthread_mutex_unlock(&e->lock);
	return eraser_status(m, req);
}
