/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading /proc/self/mountinfo:
 * "36 35 98:0 /root /mnt/point opts … - type source superopts", with blanks in
 * paths as \040.
 */
#include <errno.h>
#include <stdio.h>

#include "fs/mount/mountinfo.h"

static void unescape(char *s)
{
	char *to = s;

	while (*s) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] && s[3]) {
			*to++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 4;
		} else {
			*to++ = *s++;
		}
	}
	*to = 0;
}

struct mount_line {
	unsigned int major, minor;
	char *path, *type, *source;
};

/* Take LINE apart, in place. */
static bool parse_line(char *line, struct mount_line *ret)
{
	char *save = NULL;
	int at = 0;

	/* The fifth field; the fourth is the root within its filesystem. */
	if (sscanf(line, "%*s %*s %u:%u %*s %n", &ret->major, &ret->minor, &at) != 2 || !at)
		return false;
	ret->path = line + at;
	ret->type = strstr(ret->path, " - ");
	if (!ret->type)
		return false;
	ret->type = strtok_r(ret->type + 3, " \n", &save);
	ret->source = strtok_r(NULL, " \n", &save);
	ret->path[strcspn(ret->path, " ")] = 0;
	if (!ret->type || !ret->source)
		return false;
	unescape(ret->path);
	unescape(ret->source);
	return true;
}

/* Call FN for each mount until it returns false.  0 or -errno. */
typedef bool mount_line_fn(void *arg, const struct mount_line *l);

static int each_mount(mount_line_fn *fn, void *arg)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	_cleanup_free_ char *line = NULL;
	struct mount_line l;
	size_t cap = 0;

	if (!f)
		return -errno;
	while (getline(&line, &cap, f) > 0)
		if (parse_line(line, &l) && !fn(arg, &l))
			break;
	fclose(f);
	return 0;
}

struct query {
	const char *path, *type, *source;
	unsigned int major, minor;
	bool found;
};

static bool match_path(void *arg, const struct mount_line *l)
{
	struct query *q = arg;

	if (!strcmp(l->path, q->path)) {
		q->major = l->major; /* the last one is on top */
		q->minor = l->minor;
		q->found = true;
	}
	return true;
}

static bool match_dev(void *arg, const struct mount_line *l)
{
	struct query *q = arg;

	q->found = l->major == q->major && l->minor == q->minor;
	return !q->found;
}

static bool match_source(void *arg, const struct mount_line *l)
{
	struct query *q = arg;

	q->found = !strcmp(l->type, q->type) && !strcmp(l->source, q->source);
	return !q->found;
}

int mountinfo_find(const char *path, unsigned int *ret_major, unsigned int *ret_minor)
{
	struct query q = { .path = path };
	int r = each_mount(match_path, &q);

	if (r < 0)
		return r;
	if (!q.found)
		return -ENOENT;
	*ret_major = q.major;
	*ret_minor = q.minor;
	return 0;
}

bool mountinfo_top_is(const char *path, unsigned int major, unsigned int minor)
{
	unsigned int ma, mi;

	return !mountinfo_find(path, &ma, &mi) && ma == major && mi == minor;
}

bool mountinfo_mounted(unsigned int major, unsigned int minor)
{
	struct query q = { .major = major, .minor = minor };

	return each_mount(match_dev, &q) < 0 || q.found;
}

bool mountinfo_has_source(const char *type, const char *source)
{
	struct query q = { .type = type, .source = source };

	return !each_mount(match_source, &q) && q.found;
}
