/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading audit logs, and checking them.
 */
#include "priv.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>

/* ---- verify ------------------------------------------------------------------------ */

struct checking {
	struct log *l;
	uint8_t hash[AUDIT_HASH_LEN];
	struct kp_audit_report *rep;
	uint64_t seq; /* of the last one seen */
	bool head_seen;
	bool may_miss; /* the present file: nothing of it is in the head */
	struct kp_error *e;
};

static int broken(struct checking *c, uint64_t seq, const char *why)
{
	c->rep->first_bad = seq;
	kp_fail(c->e, -EBADMSG, NULL, "the audit log is not as it was written: record %llu of %s "
				      "%s",
		(unsigned long long)seq, c->l->name, why);
	return kp_hint(c->e, -EBADMSG, "compare with a backup of %s from before the change",
		       c->l->dir);
}

static int check_signature(struct checking *c, uint64_t seq, const struct signature *s,
			   const uint8_t before[static AUDIT_HASH_LEN])
{
	uint8_t text[SIGNED_MAX];
	size_t n = line_signed(c->l->name, seq - 1, before, text);

	if (memcmp(s->public, c->l->k->public, SIGN_PUBLIC_LEN) != 0)
		return broken(c, seq, "is signed by another key");
	if (sign_verify(s->public, text, n, s->sig))
		return broken(c, seq, "has a signature of something else");
	c->rep->checkpoints++;
	c->rep->checkpoint = seq;
	return 0;
}

/* Number and hash of the head must have been passed by the way. */
static void look_for_head(struct checking *c)
{
	const struct head *h = &c->l->head;

	if (c->seq == h->count && !memcmp(c->hash, h->hash, AUDIT_HASH_LEN))
		c->head_seen = true;
}

static int check_line(struct checking *c, const char *line, size_t n)
{
	uint8_t before[AUDIT_HASH_LEN];
	struct signature s;
	bool is_signed;
	const char *why;

	memcpy(before, c->hash, sizeof(before));
	why = line_check(c->l->k, c->seq + 1, line, n, c->hash, &is_signed, &s);
	if (why)
		return broken(c, c->seq + 1, why);
	c->seq++;
	c->rep->records++;
	look_for_head(c);
	return is_signed ? check_signature(c, c->seq, &s, before) : 0;
}

static int check_file(struct checking *c, uint64_t segment, bool current)
{
	char path[AUDIT_PATH_MAX], *line = NULL;
	size_t cap = 0;
	ssize_t n;
	FILE *f;
	int r = 0;

	log_segment(c->l->dir, segment, current, path);
	f = fopen(path, "re");
	if (!f && errno == ENOENT && current && c->may_miss)
		return 0;
	if (!f)
		return errno == ENOENT ? broken(c, c->seq + 1, "is missing with its whole file") :
					 log_failed(c->l, "cannot be read", errno, c->e);
	while (!r && (n = getline(&line, &cap, f)) > 0) {
		/* What a crash left of a line is none, until the log is gone on with. */
		if (line[n - 1] != '\n')
			r = current && c->head_seen ? 0 : broken(c, c->seq + 1, "is not whole");
		else
			r = check_line(c, line, (size_t)n - 1);
	}
	if (!r && ferror(f))
		r = log_failed(c->l, "cannot be read", errno, c->e);
	free(line);
	fclose(f);
	return r;
}

static int check_all(struct checking *c)
{
	const struct head *h = &c->l->head;
	uint64_t last = h->segment;
	char path[AUDIT_PATH_MAX];
	int r = 0;

	memcpy(c->hash, h->first_hash, sizeof(c->hash));
	c->seq = h->first_seq - 1;
	c->rep->first = h->first_seq;
	look_for_head(c);
	/* A rotation that a crash cut off has put away what the head calls the present one. */
	log_segment(c->l->dir, last, false, path);
	if (access(path, F_OK) == 0)
		last++;
	c->may_miss = last != h->segment || !h->size;
	for (uint64_t s = h->first_segment; s <= last && !r; s++)
		r = check_file(c, s, s == last);
	if (!r && !c->head_seen)
		r = broken(c, c->seq + 1, "is missing");
	return r;
}

int auditlog_verify(const char *state_dir, const char *name, const struct audit_keys *k,
		    struct kp_audit_report *ret, struct kp_error *e)
{
	struct checking c = { .rep = ret, .e = e };
	struct log l;
	int r = log_open(&l, state_dir, name, k, LOG_READ, e);

	memset(ret, 0, sizeof(*ret));
	c.l = &l;
	if (!r)
		r = check_all(&c);
	else if (r == -EBADMSG)
		ret->first_bad = 1;
	log_close(&l);
	return r;
}

/* ---- read -------------------------------------------------------------------------- */

/* The file of segment S, whether it is the present one or not; NULL with errno. */
static FILE *open_segment(const char *dir, uint64_t s, bool *ret_current)
{
	char path[AUDIT_PATH_MAX];
	FILE *f;

	*ret_current = false;
	log_segment(dir, s, false, path);
	f = fopen(path, "re");
	if (f || errno != ENOENT)
		return f;
	*ret_current = true;
	log_segment(dir, s, true, path);
	f = fopen(path, "re");
	/* It may have been put away between the two looks. */
	log_segment(dir, s, false, path);
	if (f && access(path, F_OK) == 0) {
		fclose(f);
		*ret_current = false;
		f = fopen(path, "re");
	}
	return f;
}

static uint64_t oldest_segment(const char *dir)
{
	uint64_t found = 0;
	struct dirent *d;
	DIR *v = opendir(dir);

	while (v && (d = readdir(v))) {
		unsigned long long n;
		int end = 0;

		if (sscanf(d->d_name, "log.%llu.jsonl%n", &n, &end) == 1 && end &&
		    !d->d_name[end])
			found = found ? MIN(found, n) : n;
	}
	if (v)
		closedir(v);
	return found ? found : UINT64_MAX;
}

/* Where the present file stands in the row: after all that are put away. */
static uint64_t newest_segment(const char *dir)
{
	char path[AUDIT_PATH_MAX];
	uint64_t s = oldest_segment(dir);

	if (s == UINT64_MAX)
		return 1;
	do
		log_segment(dir, ++s, false, path);
	while (access(path, F_OK) == 0);
	return s;
}

static int read_lines(FILE *f, struct kp_audit_cursor *c, kp_audit_line_fn *fn, void *arg)
{
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;
	int r = fseeko(f, (off_t)c->offset, SEEK_SET) < 0 ? -errno : 0;

	while (!r && (n = getline(&line, &cap, f)) > 0 && line[n - 1] == '\n') {
		c->offset += (uint64_t)n;
		r = fn(arg, line, (size_t)n - 1);
	}
	free(line);
	return r;
}

int log_read(const char *dir, const char *name, struct kp_audit_cursor *c, kp_audit_line_fn *fn,
	     void *arg, struct kp_error *e)
{
	bool current = false;
	int r = 0;

	if (!c->segment || c->segment < oldest_segment(dir)) {
		uint64_t s = MIN(oldest_segment(dir), newest_segment(dir));

		if (s > c->segment)
			*c = (struct kp_audit_cursor){ .segment = s };
	}
	while (!r && !current) {
		FILE *f = open_segment(dir, c->segment, &current);

		if (!f && errno == ENOENT)
			return 0; /* not begun yet */
		if (!f)
			return kp_fail(e, -EIO, NULL, "cannot read the audit log %s: %s", name,
				       strerror(errno));
		r = read_lines(f, c, fn, arg);
		fclose(f);
		if (!r && !current)
			*c = (struct kp_audit_cursor){ .segment = c->segment + 1 };
	}
	return r;
}

int auditlog_read(const char *state_dir, const char *name, const char *id,
		  struct kp_audit_cursor *c, kp_audit_line_fn *fn, void *arg, struct kp_error *e)
{
	char dir[PATH_MAX];

	if (log_dir(state_dir, id, name, dir))
		return kp_fail(e, -EIO, NULL, "the path of the audit log %s is too long", name);
	return log_read(dir, name, c, fn, arg, e);
}

int auditlog_names(const char *state_dir, const char *id, kp_audit_name_fn *fn, void *arg,
		   struct kp_error *e)
{
	char dir[PATH_MAX];
	struct dirent **v;
	int n, r = 0;

	if (log_dir(state_dir, id, NULL, dir))
		return kp_fail(e, -EIO, NULL, "the path of the audit logs is too long");
	n = scandir(dir, &v, NULL, alphasort);
	if (n < 0 && errno == ENOENT)
		return 0;
	if (n < 0)
		return kp_fail(e, -EIO, NULL, "cannot read %s: %s", dir, strerror(errno));
	for (int i = 0; i < n; i++) {
		if (!r && v[i]->d_name[0] != '.' && strlen(v[i]->d_name) < AUDIT_NAME_MAX)
			r = fn(arg, v[i]->d_name);
		free(v[i]);
	}
	free(v);
	return r;
}
