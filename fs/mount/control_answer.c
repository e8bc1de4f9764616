/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is done for a request on the control socket, in its connection's thread.
 */
#include "fs/lib/cmd.h"
#include "fs/lib/log.h"
#include "fs/mount/audit.h"
#include "fs/mount/control.h"
#include "fs/mount/control_answer.h"
#include "fs/mount/deploy.h"
#include "fs/mount/eraser.h"
#include "fs/mount/grant.h"
#include "fs/mount/rekeyer.h"

json_t *answer_failure(const struct mount_failure *f)
{
	return json_pack("{s:b, s:s, s:s, s:i}", "ok", 0, "error", f->message, "hint", f->hint,
			 "code", f->exit_code);
}

json_t *answer_store(int r, const struct store_error *err)
{
	return json_pack("{s:b, s:s, s:s, s:i}", "ok", 0, "error",
			 err->message[0] ? err->message : strerror(-r), "hint", err->hint, "code",
			 cmd_exit_of(r));
}

json_t *answer_refused(const char *error, const char *hint, int code)
{
	return json_pack("{s:b, s:s, s:s, s:i}", "ok", 0, "error", error, "hint", hint, "code", code);
}

/* ---- which zones ---------------------------------------------------------------- */

struct zone_set {
	struct mzone **z;
	unsigned int n;
};

static bool named(const struct mzone *z, const char *name)
{
	if (!strcmp(name, "0"))
		return z == z->m->zones;
	return strlen(name) >= 4 && !strncmp(z->id, name, strlen(name));
}

static struct mzone *by_path(struct mount *m, const char *path)
{
	struct object *o, *top = NULL;
	struct mzone *z = NULL;

	if (store_resolve(m->store, path, &o))
		return NULL;
	if (!zone_top(object_zone(o), false, &top) && top == o)
		z = zone_owner(object_zone(o));
	object_put(top);
	object_put(o);
	return z && !z->gone ? z : NULL;
}

struct mzone *zones_find(struct mount *m, const char *name)
{
	struct mzone *found = NULL;

	for (struct mzone *z = m->zones; z; z = z->next) {
		if (z->gone || !named(z, name))
			continue;
		if (found)
			return NULL; /* it begins two of them */
		found = z;
	}
	return found ? found : by_path(m, name);
}

json_t *answer_no_zone(const char *name)
{
	struct mount_failure f = { 0, "", "" };

	mount_fail(&f, CMD_USAGE, 0, "cmkfs zone list MNT lists them", "there is no zone '%s'", name);
	return answer_failure(&f);
}

/* Those that REQ is about: one, or all.  NULL, or the answer that says why not. */
static json_t *select_zones(struct mount *m, const json_t *req, struct zone_set *ret)
{
	const char *name = json_string_value(json_object_get(req, "zone"));
	struct mzone *one = name ? zones_find(m, name) : NULL;
	unsigned int n = 0;

	if (name && !one)
		return answer_no_zone(name);
	for (struct mzone *z = m->zones; z; z = z->next)
		n++;
	ret->z = calloc(n, sizeof(*ret->z));
	if (!ret->z)
		return answer_refused("out of memory", "", CMD_FAILED);
	for (struct mzone *z = m->zones; z && ret->n < n; z = z->next)
		if (!z->gone && (!one || z == one))
			ret->z[ret->n++] = z;
	return NULL;
}

/* ---- requests -------------------------------------------------------------------- */

static json_t *lock_answer(const struct lock_report *r, unsigned int n)
{
	struct lock_report all = { 0 };

	for (unsigned int i = 0; i < n; i++) {
		all.locked |= r[i].locked;
		all.timed_out |= r[i].timed_out;
		all.ms = MAX(all.ms, r[i].ms);
		all.refused += r[i].refused;
		all.lost += r[i].lost;
		all.failed += r[i].failed;
	}
	return json_pack("{s:b, s:b, s:f, s:I, s:I, s:I, s:b}", "ok", 1, "was_unlocked", all.locked,
			 "ms", all.ms, "refused", (json_int_t)all.refused, "lost",
			 (json_int_t)all.lost, "failed", (json_int_t)all.failed, "timed_out",
			 all.timed_out);
}

static void note_operator(struct mount *m, const json_t *req, const char *operation)
{
	const char *zone = json_string_value(json_object_get(req, "zone"));

	audit_note_by(m->audit, operation, req, NULL, "ok", "zone %s", zone ? zone : "all");
}

static json_t *answer_lock(struct mount *m, const json_t *req)
{
	struct zone_set s = { NULL, 0 };
	json_t *a = select_zones(m, req, &s);
	struct lock_report *reports;
	struct locker **l;

	if (a)
		return a;
	log_notice("an operator locks");
	note_operator(m, req, "operator.lock");
	reports = calloc(s.n, sizeof(*reports));
	l = calloc(s.n, sizeof(struct locker *));
	if (reports && l) {
		for (unsigned int i = 0; i < s.n; i++) {
			l[i] = s.z[i]->locker;
			atomic_store(&s.z[i]->unrecorded, false); /* his from now on */
		}
		lock_operator(l, s.n, reports);
		a = lock_answer(reports, s.n);
	} else {
		a = answer_refused("out of memory", "", CMD_FAILED);
	}
	free(reports);
	free(l);
	free(s.z);
	return a;
}

/* The root's first; the first that stays locked is told. */
static json_t *answer_unlock(struct mount *m, const json_t *req)
{
	struct mount_failure f = { 0, "", "" }, first = { 0, "", "" };
	struct zone_set s = { NULL, 0 };
	json_t *a = select_zones(m, req, &s);
	struct audit_state log;
	bool failed = false;

	if (a)
		return a;
	audit_state(m->audit, &log);
	if (log.failed.code && m->opt->audit_required) {
		free(s.z);
		return answer_refused(log.failed.message, log.failed.hint, CMD_LOCKED);
	}
	log_notice("an operator unlocks");
	note_operator(m, req, "operator.unlock");
	for (unsigned int i = 0; i < s.n; i++) {
		struct grant *g = s.z[i]->grant;

		if (!g)
			mount_fail(&f, CMD_LOCKED, 0, "cmkfs key show DIR", "no key was ever asked for");
		if (g && !grant_unlock(g, &f))
			continue;
		if (!failed)
			first = f;
		failed = true;
	}
	free(s.z);
	return failed ? answer_failure(&first) : json_pack("{s:b}", "ok", 1);
}

static json_t *answer_reload(struct mount *m, const json_t *req)
{
	struct store_error err = { "", "" };
	struct zone_set s = { NULL, 0 };
	json_t *a = select_zones(m, req, &s);
	int r = 0;

	for (unsigned int i = 0; !a && i < s.n && !r; i++)
		r = s.z[i]->grant ? grant_reload(s.z[i]->grant, &err) : zones_retry(s.z[i]);
	free(s.z);
	if (a)
		return a;
	return r ? answer_store(r, &err) : json_pack("{s:b}", "ok", 1);
}

static json_t *answer_status(struct mount *m, const json_t *req)
{
	(void)req;
	return control_status(m);
}

static json_t *answer_stats(struct mount *m, const json_t *req)
{
	(void)req;
	return control_stats(m);
}

typedef json_t *answer_fn(struct mount *m, const json_t *req);

/* These look at zones that another of them might be changing. */
static bool wants_peace(const char *cmd)
{
	return !strcmp(cmd, "zone-create") || !strcmp(cmd, "zone-destroy") || !strcmp(cmd, "rekey") ||
	       !strcmp(cmd, "deploy-create");
}

static json_t *in_peace(answer_fn *fn, struct mount *m, const json_t *req)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	json_t *a;

	pthread_mutex_lock(&lock);
	a = fn(m, req);
	pthread_mutex_unlock(&lock);
	return a;
}

json_t *control_answer(struct mount *m, const json_t *req)
{
	static const struct {
		const char *cmd;
		answer_fn *fn;
	} table[] = {
		{ "status", answer_status }, { "stats", answer_stats },	  { "lock", answer_lock },
		{ "unlock", answer_unlock }, { "reload", answer_reload }, { "zones", answer_zones },
		{ "zone-create", answer_zone_create }, { "zone-destroy", answer_zone_destroy },
		{ "rekey", rekeyer_begin }, { "rekey-status", rekeyer_status },
		{ "rekey-stop", rekeyer_stop },	{ "erase", eraser_begin },
		{ "erase-status", eraser_status }, { "erase-stop", eraser_stop },
		{ "deploy-create", answer_deploy_create }, { "deploy-delete", answer_deploy_delete },
		{ "deploy-list", answer_deploy_list },
	};
	const char *cmd = json_string_value(json_object_get(req, "cmd"));

	for (size_t i = 0; cmd && i < ARRAY_SIZE(table); i++)
		if (!strcmp(cmd, table[i].cmd))
			return wants_peace(cmd) ? in_peace(table[i].fn, m, req) : table[i].fn(m, req);
	return answer_refused("the mount knows no such request", "is the daemon of an older version?",
		       CMD_FAILED);
}
