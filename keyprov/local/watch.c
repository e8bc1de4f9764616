/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inotify on the files of the embedded vault.  The directory is watched, not
 * the files, so that one that is replaced, removed or put back is seen; and
 * the log of the database, because that is where a commit is written.
 */
#include "watch.h"

#include <stdio.h>
#include <sys/inotify.h>
#include <sys/timerfd.h>

#define FILES (IN_MODIFY | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ATTRIB | \
	       IN_DELETE_SELF | IN_MOVE_SELF)
/* Events without a name that matter: the directory itself, or some were lost. */
#define WHOLE (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED | IN_Q_OVERFLOW | IN_UNMOUNT)

#define LOOK_NS 500000000L

enum news { NOTHING, MAYBE, SURELY };

static void watch_identities(struct watch *w, const char *state_dir)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", state_dir, IDENTITY_DIR);
	w->identity_wd = inotify_add_watch(w->fd, path, FILES);
}

static void open_timer(struct watch *w)
{
	const struct itimerspec every = { { 0, LOOK_NS }, { 0, LOOK_NS } };

	watch_close(w);
	w->timer = true;
	w->fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (w->fd >= 0)
		timerfd_settime(w->fd, 0, &every, NULL);
}

void watch_open(struct watch *w, const char *state_dir)
{
	w->changes = -1;
	w->identity_wd = -1;
	w->timer = false;
	w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (w->fd < 0 || inotify_add_watch(w->fd, state_dir, FILES) < 0)
		open_timer(w);
	else
		watch_identities(w, state_dir);
}

void watch_close(struct watch *w)
{
	if (w->fd >= 0)
		close(w->fd);
	w->fd = -1;
}

static enum news judge(const struct watch *w, const struct inotify_event *ev,
		       const char *principal)
{
	const char *name = ev->len ? ev->name : "";
	size_t n = strlen(principal);

	if (ev->mask & WHOLE)
		return SURELY;
	if (ev->wd == w->identity_wd)
		return n && !strncmp(name, principal, n) && !strcmp(name + n, ".cred") ? SURELY :
											 NOTHING;
	if (!strcmp(name, VAULT_KEY_FILE) || !strcmp(name, IDENTITY_DIR))
		return SURELY;
	return !strncmp(name, VAULT_DB, strlen(VAULT_DB)) ? MAYBE : NOTHING;
}

static enum news drain(const struct watch *w, const char *principal)
{
	_Alignas(struct inotify_event) char buf[8192];
	const struct inotify_event *ev;
	enum news news = NOTHING;
	ssize_t n;

	if (w->timer)
		return read(w->fd, buf, sizeof(buf)) > 0 ? MAYBE : NOTHING;
	while ((n = read(w->fd, buf, sizeof(buf))) > 0)
		for (char *p = buf; p < buf + n; p += sizeof(*ev) + ev->len) {
			ev = (const struct inotify_event *)p;
			news = MAX(news, judge(w, ev, principal));
		}
	return news;
}

void watch_discard(struct watch *w)
{
	drain(w, "");
}

bool watch_drain(struct watch *w, struct local *l, const char *principal)
{
	enum news news = drain(w, principal);
	int64_t before = w->changes;
	bool other = false;

	if (news == NOTHING)
		return false;
	if (!w->timer && news == SURELY)
		watch_identities(w, l->state_dir); /* it may have been made since */
	if (db_changes(l, &w->changes, &other)) {
		/* Say once that it cannot be read any more; a check says why. */
		w->changes = -1;
		return news == SURELY || before != -1;
	}
	return news == SURELY || other || w->changes != before;
}
