/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing to an audit log: records, checkpoints, its own rotation.
 */
#include "priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#define RESERVE 65536 /* bytes kept free for records to come */

int log_failed(const struct log *l, const char *what, int err, struct kp_error *e)
{
	kp_fail(e, -EIO, NULL, "the audit log %s %s: %s", l->name, what, strerror(err));
	return kp_hint(e, -EIO, err == ENOSPC || err == EDQUOT ? "make room in %s" :
		       "look at the rights and the filesystem of %s", l->dir);
}

static int write_all(struct log *l, const char *p, size_t n, struct kp_error *e)
{
	size_t done = 0;
	int err = 0;
	ssize_t w;

	while (done < n && !err) {
		w = write(l->fd, p + done, n - done);
		if (w > 0)
			done += (size_t)w;
		else if (!w || errno != EINTR)
			err = w ? errno : ENOSPC;
	}
	if (!err && fdatasync(l->fd) < 0)
		err = errno;
	if (!err)
		return 0;
	/* Half a line is no record: it goes again, now or when the log is opened next. */
	if (ftruncate(l->fd, (off_t)l->head.size) < 0)
		return log_failed(l, "cannot be written, nor mended", err, e);
	return log_failed(l, "cannot be written", err, e);
}

static int append(struct log *l, const struct kp_record *r, const struct signature *s,
		  struct kp_error *e)
{
	_cleanup_free_ char *line = malloc(LINE_BYTES);
	uint8_t hash[AUDIT_HASH_LEN];
	int n;

	if (!line)
		return log_failed(l, "cannot be written", ENOMEM, e);
	memcpy(hash, l->head.hash, sizeof(hash));
	n = line_format(l->k, l->head.count + 1, r, s, hash, line);
	if (n < 0)
		return log_failed(l, "cannot be written", -n, e);
	n = write_all(l, line, (size_t)n, e) ?: n;
	if (n < 0)
		return n;
	memcpy(l->head.hash, hash, sizeof(hash));
	l->head.count++;
	l->head.size += (uint64_t)n;
	l->head.call = MAX(l->head.call, r->call);
	return 0;
}

int log_write(struct log *l, const struct kp_record *r, struct kp_error *e)
{
	int ret = append(l, r, NULL, e);

	return ret ? ret : head_store(l, e);
}

int log_sign(struct log *l, struct kp_error *e)
{
	struct kp_record r = { .principal = "log", .operation = "checkpoint", .object = l->name,
			       .outcome = "ok", .detail = "signs all that is before it" };
	uint8_t text[SIGNED_MAX];
	struct signature s;
	size_t n = line_signed(l->name, l->head.count, l->head.hash, text);
	int ret;

	memcpy(s.public, l->k->public, sizeof(s.public));
	if (sign_message(l->k->sign, text, n, s.sig))
		return log_failed(l, "cannot be signed", EIO, e);
	ret = append(l, &r, &s, e);
	if (ret)
		return ret;
	l->head.checkpoint = l->head.count;
	return head_store(l, e);
}

/* Signed, so that a segment that is put away is whole by itself. */
int log_rotate(struct log *l, struct kp_error *e)
{
	char current[AUDIT_PATH_MAX], old[AUDIT_PATH_MAX];
	int r = l->head.checkpoint == l->head.count ? 0 : log_sign(l, e);

	if (r)
		return r;
	log_segment(l->dir, l->head.segment, true, current);
	log_segment(l->dir, l->head.segment, false, old);
	/* Each step on disk before the next one: see rotation_was_cut(). */
	if (fsync(l->head_fd) < 0 || rename(current, old) < 0 || log_sync_dir(l) < 0)
		return log_failed(l, "cannot be rotated", errno, e);
	close(l->fd);
	l->fd = open(current, O_RDWR | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (l->fd < 0)
		return log_failed(l, "cannot be rotated", errno, e);
	l->head.segment++;
	l->head.size = 0;
	return head_store(l, e);
}

/* ---- from outside ------------------------------------------------------------------ */

static int undone(struct log *l, uint64_t *call, struct kp_error *e)
{
	struct kp_record r = { .principal = "log", .operation = "call.undone", .object = l->name,
			       .outcome = "ok", .detail = "the last call recorded here was not "
			       "kept: it was cut off, or an older copy of the vault was put back" };

	if (!call || l->head.call < *call)
		return 0;
	*call = l->head.call + 1;
	return log_write(l, &r, e);
}

int auditlog_append(const char *state_dir, const char *name, const struct audit_keys *k,
		    const struct kp_record *rec, uint64_t *call, struct kp_error *e)
{
	struct kp_record r = *rec;
	struct log l;
	int ret = log_open(&l, state_dir, name, k, LOG_CREATE, e);

	if (!ret)
		ret = undone(&l, call, e);
	r.call = call ? *call : 0;
	if (!ret)
		ret = log_write(&l, &r, e);
	if (!ret && l.head.count - l.head.checkpoint >= CHECKPOINT_EVERY)
		ret = log_sign(&l, e);
	if (!ret && l.head.size >= SEGMENT_MAX)
		ret = log_rotate(&l, e);
	log_close(&l);
	return ret;
}

int auditlog_probe(const char *state_dir, const char *name, const struct audit_keys *k,
		   struct kp_error *e)
{
	struct log l;
	int r = log_open(&l, state_dir, name, k, LOG_CREATE, e);

	if (!r && fallocate(l.fd, FALLOC_FL_KEEP_SIZE, (off_t)l.head.size, RESERVE) < 0 &&
	    errno != EOPNOTSUPP && errno != EINTR)
		r = log_failed(&l, "cannot be written", errno, e);
	log_close(&l);
	return r;
}

int auditlog_checkpoint(const char *state_dir, const char *name, const struct audit_keys *k,
			struct kp_error *e)
{
	struct log l;
	int r = log_open(&l, state_dir, name, k, LOG_WRITE, e);

	if (!r && l.head.count > l.head.checkpoint)
		r = log_sign(&l, e);
	log_close(&l);
	return r == -ENOENT ? 0 : r;
}

/* The next segment's first record is chained to the last of this one. */
static int drop_oldest(struct log *l, struct kp_error *e)
{
	struct head next = l->head;
	char path[AUDIT_PATH_MAX], *line = NULL;
	size_t cap = 0;
	ssize_t n;
	FILE *f;
	int r = 0;

	log_segment(l->dir, l->head.first_segment, false, path);
	f = fopen(path, "re");
	if (!f)
		return log_failed(l, "cannot be read", errno, e);
	while (!r && (n = getline(&line, &cap, f)) > 0) {
		struct signature s;
		bool is_signed;

		if (line_check(l->k, next.first_seq, line, (size_t)n - 1, next.first_hash,
			       &is_signed, &s))
			r = log_failed(l, "is not as it was written", EBADMSG, e);
		next.first_seq++;
	}
	free(line);
	fclose(f);
	if (r)
		return r;
	next.first_segment++;
	l->head = next;
	r = head_store(l, e);
	if (!r && fsync(l->head_fd) < 0)
		r = log_failed(l, "cannot be written", errno, e);
	if (!r && unlink(path) < 0)
		r = log_failed(l, "cannot be shortened", errno, e);
	return r;
}

int auditlog_rotate(const char *state_dir, const char *name, const struct audit_keys *k,
		    uint64_t min_bytes, unsigned int keep, unsigned int *ret_removed,
		    struct kp_error *e)
{
	unsigned int removed = 0;
	struct log l;
	int r = log_open(&l, state_dir, name, k, LOG_WRITE, e);

	if (!r && l.head.size && l.head.size >= min_bytes)
		r = log_rotate(&l, e);
	while (!r && keep && l.head.segment - l.head.first_segment > keep) {
		r = drop_oldest(&l, e);
		removed += !r;
	}
	if (!r && removed) {
		char detail[80];
		struct kp_record rec = { .principal = "log", .operation = "log.shorten",
					 .object = l.name, .outcome = "ok", .detail = detail };

		snprintf(detail, sizeof(detail), "%u old files removed; it begins with record %llu",
			 removed, (unsigned long long)l.head.first_seq);
		r = log_write(&l, &rec, e);
	}
	log_close(&l);
	if (ret_removed)
		*ret_removed = removed;
	return r == -ENOENT ? 0 : r;
}
