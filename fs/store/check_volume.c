/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files beside tree/: that they authenticate was seen when the zone was
 * unlocked; here, what else lies there, and what the session file says.
 */
#include <errno.h>
#include <stdio.h>

#include "fs/store/check_internal.h"
#include "fs/store/touched.h"

static const struct check_range whole = { 0, 0 };

static bool is_known(const char *name)
{
	static const char *const names[] = {
		".", "..", TREE, VOLUME_FILE, KEYRING_FILE, SESSION_FILE, LOCK_FILE, "cmkfs.zones",
		SESSION_FILE ".new", JOURNAL_DIR, "cmkfs.seals", "lost+found",
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(name, names[i]))
			return true;
	return !strncmp(name, TOUCHED_PREFIX, strlen(TOUCHED_PREFIX));
}

/* What an interrupted replacement left; the next one writes over it. */
static bool is_new(const char *name)
{
	return !strcmp(name, VOLUME_FILE ".new") || !strcmp(name, KEYRING_FILE ".new");
}

static void check_sessions(struct check *c)
{
	const struct check_path p = { (char *)(uintptr_t)SESSION_FILE, NULL };
	uint8_t raw[FIXED_BLOCK];
	struct session_block b;
	char detail[80];
	unsigned int n;

	/* It authenticated a moment ago: what cannot be read now is being replaced. */
	if (fixed_read(c->st->root_fd, SESSION_FILE, raw, NULL) || session_parse(raw, &b, NULL))
		return;
	n = b.nunclean + (b.open != 0 && b.open != session_current(c->st));
	if (!n)
		return;
	snprintf(detail, sizeof(detail), "%u did not end; the next mount settles what %s left", n,
		 n == 1 ? "it" : "they");
	check_report(c, CHECK_UNCLEAN, &p, whole, detail);
}

static int check_name(void *arg, const struct dirent64 *d)
{
	const struct check_path p = { (char *)(uintptr_t)d->d_name, NULL };

	if (is_new(d->d_name))
		check_report(arg, CHECK_TEMPORARY, &p, whole, NULL);
	else if (!is_known(d->d_name))
		check_report(arg, CHECK_UNKNOWN, &p, whole, NULL);
	return 0;
}

int check_fixed(struct check *c)
{
	int r = backing_each(c->st->root_fd, check_name, c);

	check_sessions(c);
	return r;
}
