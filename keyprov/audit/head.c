/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening an audit log: its lock, its head, and what a crash has left.
 *
 * The head is written after its line is on disk, and not synced: after a crash
 * it may be behind, never ahead.  Lines behind it count by their own MAC.
 */
#include "priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "crypto/mac.h"
#include "crypto/secret.h"

#define HEAD_MAGIC "CMKFSAH1"
#define NUMBERS 7

int log_dir(const char *state_dir, const char *id, const char *name, char ret[static PATH_MAX])
{
	int n = snprintf(ret, PATH_MAX, "%s/audit/%s%s%s", state_dir, id, name ? "/" : "",
			 name ? name : "");

	return n < PATH_MAX ? 0 : -ENAMETOOLONG;
}

void log_segment(const char *dir, uint64_t segment, bool current, char ret[static AUDIT_PATH_MAX])
{
	if (current)
		snprintf(ret, AUDIT_PATH_MAX, "%s/log.jsonl", dir);
	else
		snprintf(ret, AUDIT_PATH_MAX, "%s/log.%06llu.jsonl", dir,
			 (unsigned long long)segment);
}

int log_genesis(const char *name, uint8_t ret[static AUDIT_HASH_LEN])
{
	static const char domain[] = "cmkfs audit log 1|";

	return audit_sha256(domain, strlen(domain), name, strlen(name), ret);
}

/* ---- the head -------------------------------------------------------------------- */

/* The numbers of a head in the order of its file. */
static void numbers(struct head *h, uint64_t *ret[static NUMBERS])
{
	uint64_t *const v[NUMBERS] = { &h->count,	  &h->checkpoint, &h->call, &h->segment,
				       &h->first_segment, &h->first_seq,  &h->size };

	memcpy(ret, v, sizeof(v));
}

static int head_mac(const struct log *l, const uint8_t *buf, uint8_t ret[static MAC_LEN])
{
	struct iovec iov[] = {
		{ (void *)(uintptr_t)l->name, strlen(l->name) + 1 },
		{ (void *)(uintptr_t)buf, HEAD_BYTES - MAC_LEN },
	};

	return mac_v(l->k->mac, sizeof(l->k->mac), iov, (int)ARRAY_SIZE(iov), ret);
}

int head_store(struct log *l, struct kp_error *e)
{
	uint8_t buf[HEAD_BYTES] = { 0 };
	uint64_t *v[NUMBERS];
	ssize_t n;

	numbers(&l->head, v);
	memcpy(buf, HEAD_MAGIC, 8);
	for (int i = 0; i < NUMBERS; i++)
		put_le64(buf + 8 + 8 * i, *v[i]);
	memcpy(buf + 64, l->head.first_hash, AUDIT_HASH_LEN);
	memcpy(buf + 96, l->head.hash, AUDIT_HASH_LEN);
	if (head_mac(l, buf, buf + HEAD_BYTES - MAC_LEN))
		return log_failed(l, "cannot be signed", EIO, e);
	do
		n = pwrite(l->head_fd, buf, sizeof(buf), 0);
	while (n < 0 && errno == EINTR);
	return n == sizeof(buf) ? 0 : log_failed(l, "cannot be written", n < 0 ? errno : ENOSPC, e);
}

static int forged(const struct log *l, struct kp_error *e)
{
	kp_fail(e, -EBADMSG, NULL, "the head of the audit log %s is not as it was written", l->dir);
	return kp_hint(e, -EBADMSG, "look at who could write there; cmkfs goes on with a new log "
		       "when this directory is moved away");
}

/* 1: there is one; 0: the file is empty. */
static int head_load(struct log *l, struct kp_error *e)
{
	uint8_t buf[HEAD_BYTES + 1], m[MAC_LEN];
	uint64_t *v[NUMBERS];
	ssize_t n;

	do
		n = pread(l->head_fd, buf, sizeof(buf), 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return log_failed(l, "cannot be read", errno, e);
	if (!n)
		return 0;
	if (n != HEAD_BYTES || memcmp(buf, HEAD_MAGIC, 8) != 0 || head_mac(l, buf, m) ||
	    !secret_equal(m, buf + HEAD_BYTES - MAC_LEN, MAC_LEN))
		return forged(l, e);
	numbers(&l->head, v);
	for (int i = 0; i < NUMBERS; i++)
		*v[i] = get_le64(buf + 8 + 8 * i);
	memcpy(l->head.first_hash, buf + 64, AUDIT_HASH_LEN);
	memcpy(l->head.hash, buf + 96, AUDIT_HASH_LEN);
	return 1;
}

static int begin(struct log *l, struct kp_error *e)
{
	char path[AUDIT_PATH_MAX];

	log_segment(l->dir, 1, true, path);
	if (access(path, F_OK) == 0)
		return forged(l, e); /* a log, but no head */
	l->head = (struct head){ .segment = 1, .first_segment = 1, .first_seq = 1 };
	if (log_genesis(l->name, l->head.hash))
		return log_failed(l, "cannot be begun", EIO, e);
	memcpy(l->head.first_hash, l->head.hash, AUDIT_HASH_LEN);
	/* On disk before the first record, which without it would look like a forged log. */
	if (head_store(l, e))
		return -EIO;
	return fsync(l->head_fd) < 0 ? log_failed(l, "cannot be begun", errno, e) : 0;
}

/* ---- what a crash has left --------------------------------------------------------- */

/* Whole lines of ours behind the head; returns their bytes, or -EBADMSG. */
static ssize_t take_lines(struct log *l, const char *p, size_t n)
{
	size_t done = 0;

	for (const char *end; (end = memchr(p + done, '\n', n - done)); ) {
		size_t len = (size_t)(end - (p + done));
		struct signature s;
		bool is_signed;

		if (line_check(l->k, l->head.count + 1, p + done, len, l->head.hash, &is_signed,
			       &s))
			return -EBADMSG;
		l->head.count++;
		l->head.call = MAX(l->head.call, line_call(p + done, len));
		if (is_signed)
			l->head.checkpoint = l->head.count;
		done += len + 1;
	}
	return (ssize_t)done;
}

int log_mend(struct log *l, uint64_t size, struct kp_error *e)
{
	size_t n = (size_t)(size - l->head.size);
	_cleanup_free_ char *p = malloc(n + 1);
	ssize_t got, taken;
	struct kp_record torn = { .principal = "log", .operation = "log.mend", .object = l->name,
				  .outcome = "ok", .detail = "a record that was not whole after a "
				  "crash was cut off" };

	if (!p)
		return log_failed(l, "cannot be read", ENOMEM, e);
	got = pread(l->fd, p, n, (off_t)l->head.size);
	if (got < 0)
		return log_failed(l, "cannot be read", errno, e);
	taken = take_lines(l, p, (size_t)got);
	if (taken < 0)
		return forged(l, e);
	l->head.size += (uint64_t)taken;
	if (l->head.size == size)
		return head_store(l, e);
	if (ftruncate(l->fd, (off_t)l->head.size) < 0)
		return log_failed(l, "cannot be mended", errno, e);
	return log_write(l, &torn, e);
}

/* ---- opening --------------------------------------------------------------------- */

int log_sync_dir(const struct log *l)
{
	_cleanup_close_ int fd = open(l->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -1 : fsync(fd);
}

static int make_dirs(const char *state_dir, struct log *l)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/audit", state_dir);
	if ((mkdir(path, 0700) < 0 && errno != EEXIST) ||
	    log_dir(state_dir, l->k->id, NULL, path) ||
	    (mkdir(path, 0700) < 0 && errno != EEXIST) ||
	    (mkdir(l->dir, 0700) < 0 && errno != EEXIST))
		return -errno;
	return 0;
}

static int open_head(struct log *l, const char *state_dir, enum log_mode mode, struct kp_error *e)
{
	int flags = O_CLOEXEC | O_NOFOLLOW | (mode == LOG_READ ? O_RDONLY : O_RDWR);
	char path[AUDIT_PATH_MAX];

	snprintf(path, sizeof(path), "%s/head", l->dir);
	l->head_fd = open(path, flags);
	if (l->head_fd < 0 && errno == ENOENT && mode == LOG_CREATE && !make_dirs(state_dir, l))
		l->head_fd = open(path, flags | O_CREAT, 0600);
	if (l->head_fd < 0 && errno == ENOENT && mode != LOG_CREATE) {
		log_segment(l->dir, 1, true, path);
		if (access(path, F_OK) == 0)
			return forged(l, e);
		return kp_fail(e, -ENOENT, "it begins with the first record",
			       "there is no audit log %s", l->name);
	}
	if (l->head_fd < 0)
		return log_failed(l, "cannot be opened", errno, e);
	while (flock(l->head_fd, mode == LOG_READ ? LOCK_SH : LOCK_EX) < 0)
		if (errno != EINTR)
			return log_failed(l, "cannot be locked", errno, e);
	return 0;
}

/* After a crash within a rotation the head may be of before it. */
static bool rotation_was_cut(const struct log *l)
{
	char old[AUDIT_PATH_MAX];

	log_segment(l->dir, l->head.segment, false, old);
	return access(old, F_OK) == 0;
}

static int open_file(struct log *l, enum log_mode mode, struct kp_error *e)
{
	char path[AUDIT_PATH_MAX];
	struct stat st;

	if (mode == LOG_READ)
		return 0;
	log_segment(l->dir, l->head.segment, true, path);
	if (rotation_was_cut(l)) {
		l->head.segment++;
		l->head.size = 0;
	}
	l->fd = open(path, O_CLOEXEC | O_NOFOLLOW | O_RDWR | O_APPEND |
		     (l->head.size ? 0 : O_CREAT), 0600);
	if (l->fd < 0 && errno == ENOENT)
		return forged(l, e);
	if (l->fd < 0 || fstat(l->fd, &st) < 0 || (!l->head.size && log_sync_dir(l) < 0))
		return log_failed(l, "cannot be opened", errno, e);
	if ((uint64_t)st.st_size < l->head.size)
		return forged(l, e);
	return (uint64_t)st.st_size > l->head.size ? log_mend(l, (uint64_t)st.st_size, e) : 0;
}

int log_open(struct log *l, const char *state_dir, const char *name, const struct audit_keys *k,
	     enum log_mode mode, struct kp_error *e)
{
	int r;

	*l = (struct log){ .k = k, .name = name, .head_fd = -1, .fd = -1 };
	if (log_dir(state_dir, k->id, name, l->dir))
		return kp_fail(e, -EIO, "move the state directory to a shorter path",
			       "the path of the audit log %s is too long", name);
	r = open_head(l, state_dir, mode, e);
	if (!r)
		r = head_load(l, e);
	if (!r)
		r = mode == LOG_CREATE ? begin(l, e) : forged(l, e);
	if (r > 0)
		r = 0;
	if (!r)
		r = open_file(l, mode, e);
	if (r == -EBADMSG && mode != LOG_READ) {
		if (e)
			e->code = -EIO;
		r = -EIO;
	}
	return r;
}

void log_close(struct log *l)
{
	if (l->fd >= 0)
		close(l->fd);
	if (l->head_fd >= 0)
		close(l->head_fd); /* and the lock */
}
