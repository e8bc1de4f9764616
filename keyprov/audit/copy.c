/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checking a copy of an audit log by the public key of its signatures, on a
 * host that has no other.
 */
#include "priv.h"

#include <errno.h>
#include <stdio.h>

struct copy {
	char name[AUDIT_NAME_MAX];
	const uint8_t *public;
	uint64_t seq; /* of the last one seen */
	uint8_t hash[AUDIT_HASH_LEN];
	struct kp_audit_report *rep;
	struct kp_error *e;
};

static int broken(struct copy *c, uint64_t seq, const char *why)
{
	c->rep->first_bad = seq;
	return kp_fail(c->e, -EBADMSG, "compare with the log that it was copied from",
		       "the copy of %s is not as it was written: record %llu %s", c->name,
		       (unsigned long long)seq, why);
}

/*
 * A copy may begin in the middle: the hash of its first line is taken as it
 * stands, and signed further down; the line itself cannot be checked.
 */
static int begin(struct copy *c, const char *line, size_t n)
{
	if (!line_begin(line, n, &c->seq, c->hash))
		return broken(c, 1, "is not whole");
	c->rep->first = c->seq + 1;
	return 0;
}

static int check_signature(struct copy *c, const struct signature *s,
			   const uint8_t before[static AUDIT_HASH_LEN])
{
	uint8_t text[SIGNED_MAX];
	size_t n = line_signed(c->name, c->seq - 1, before, text);

	if (memcmp(s->public, c->public, SIGN_PUBLIC_LEN) != 0)
		return broken(c, c->seq, "is signed by another key");
	if (sign_verify(s->public, text, n, s->sig))
		return broken(c, c->seq, "has a signature of something else");
	c->rep->checkpoints++;
	c->rep->checkpoint = c->seq;
	return 0;
}

static int check(void *arg, const char *line, size_t n)
{
	uint8_t before[AUDIT_HASH_LEN];
	struct copy *c = arg;
	struct signature s;
	bool is_signed;
	const char *why;

	if (!c->seq && strncmp(line, "{\"seq\":1,", 9) != 0)
		return begin(c, line, n);
	if (!c->seq && log_genesis(c->name, c->hash))
		return kp_fail(c->e, -EIO, NULL, "hashing failed");
	memcpy(before, c->hash, sizeof(before));
	why = line_check(NULL, c->seq + 1, line, n, c->hash, &is_signed, &s);
	if (why)
		return broken(c, c->seq + 1, why);
	c->seq++;
	c->rep->records++;
	if (c->seq == 1)
		c->rep->first = 1;
	return is_signed ? check_signature(c, &s, before) : 0;
}

static int take_name(const char *dir, struct copy *c)
{
	_cleanup_free_ char *real = realpath(dir, NULL);
	const char *base = real ? strrchr(real, '/') + 1 : "";

	if (!real)
		return kp_fail(c->e, -ENOENT, "give the directory of a log, under its name",
			       "%s: %s",
			       dir, strerror(errno));
	if (strlen(base) >= sizeof(c->name))
		return kp_fail(c->e, -ENOENT, "give the directory of a log, under its name",
			       "%s is not named as a log is", dir);
	memcpy(c->name, base, strlen(base) + 1);
	return 0;
}

int auditlog_verify_copy(const char *dir, const uint8_t public[static SIGN_PUBLIC_LEN],
			 struct kp_audit_report *ret, struct kp_error *e)
{
	struct copy c = { .public = public, .rep = ret, .e = e };
	struct kp_audit_cursor at = { 0 };
	int r;

	memset(ret, 0, sizeof(*ret));
	r = take_name(dir, &c);
	if (!r)
		r = log_read(dir, c.name, &at, check, &c, e);
	if (!r && !c.rep->checkpoints)
		r = broken(&c, c.seq + 1, "would be signed, but none is");
	return r;
}
