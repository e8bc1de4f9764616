/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is done for a request on the control socket, in its connection's thread.
 */
#include "fs/lib/log.h"
#include "fs/mount/control.h"
#include "fs/mount/grant.h"
#include "fs/mount/lock.h"

static json_t *answer_error(const struct mount_failure *f)
{
	return json_pack("{s:b, s:s, s:s, s:i}", "ok", 0, "error", f->message, "hint", f->hint,
			 "code", f->exit_code);
}

static json_t *answer_lock(struct mount *m)
{
	struct lock_report rep = { 0 };

	log_notice("an operator locks");
	lock_operator(m->locker, &rep);
	return json_pack("{s:b, s:b, s:f, s:I, s:I, s:I, s:b}", "ok", 1, "was_unlocked",
			 rep.locked, "ms", rep.ms, "refused", (json_int_t)rep.refused, "lost",
			 (json_int_t)rep.lost, "failed", (json_int_t)rep.failed, "timed_out",
			 rep.timed_out);
}

static json_t *answer_unlock(struct mount *m)
{
	struct mount_failure f = { 0, "", "" };

	log_notice("an operator unlocks");
	return grant_unlock(m->grant, &f) < 0 ? answer_error(&f) : json_pack("{s:b}", "ok", 1);
}

static json_t *answer_reload(struct mount *m)
{
	struct store_error err = { "", "" };
	int r = grant_reload(m->grant, &err);

	if (r < 0)
		return json_pack("{s:b, s:s, s:s, s:i}", "ok", 0, "error",
				 err.message[0] ? err.message : strerror(-r), "hint", err.hint,
				 "code", 1);
	return json_pack("{s:b}", "ok", 1);
}

json_t *control_answer(struct mount *m, const char *cmd)
{
	if (!strcmp(cmd, "status"))
		return control_status(m);
	if (!strcmp(cmd, "stats"))
		return control_stats(m);
	if (!strcmp(cmd, "lock"))
		return answer_lock(m);
	if (!strcmp(cmd, "unlock"))
		return answer_unlock(m);
	if (!strcmp(cmd, "reload"))
		return answer_reload(m);
	return json_pack("{s:b, s:s, s:s, s:i}", "ok", 0, "error",
			 "the mount knows no such request", "hint", "is the daemon of an older version?", "code", 1);
}
