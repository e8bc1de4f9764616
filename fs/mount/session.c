/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The session with the kernel: what is asked of it at INIT, mounting and
 * unmounting.
 */
#include <errno.h>
#include <linux/fuse.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "fs/lib/cmd.h"
#include "fs/lib/log.h"
#include "fs/mount/mountinfo.h"
#include "fs/mount/ops.h"
#include "fs/mount/session.h"
#include "fs/mount/takeoff.h"
#include "fs/mount/uring.h"

#define NOTIFY_INC_EPOCH 8 /* FUSE_NOTIFY_INC_EPOCH, protocol 7.44 */
#define OVER_IO_URING (1ULL << 41) /* FUSE_OVER_IO_URING, protocol 7.42 */
#define BACKGROUND 64	   /* requests that the kernel sends ahead */

extern char **environ;

/* ACLs are enforced if the backing filesystem keeps them; the umask is then ours to apply. */
static unsigned int acl_wanted(struct mount *m)
{
	ssize_t r;

	if (m->opt->no_acl)
		return 0;
	r = object_getxattr(store_root(m->store), "system.posix_acl_access", NULL, 0);
	return r == -EOPNOTSUPP ? 0 : FUSE_CAP_POSIX_ACL | FUSE_CAP_DONT_MASK;
}

static void op_init(void *userdata, struct fuse_conn_info *conn)
{
	struct mount *m = userdata;

	conn->want = conn->capable &
		     (FUSE_CAP_ASYNC_READ | FUSE_CAP_ASYNC_DIO | FUSE_CAP_PARALLEL_DIROPS |
		      FUSE_CAP_READDIRPLUS | FUSE_CAP_READDIRPLUS_AUTO | FUSE_CAP_CACHE_SYMLINKS |
		      acl_wanted(m));
	/*
	 * Only where another host writes: a page dropped because mtime has moved may
	 * be one whose write is still on its way to us, and be read back too early.
	 */
	if (m->opt->read_only)
		conn->want |= conn->capable & FUSE_CAP_AUTO_INVAL_DATA;
	/*
	 * Not wanted: ATOMIC_O_TRUNC, since O_TRUNC would be lost with opens
	 * that are not sent; splicing, since every byte must be touched;
	 * HANDLE_KILLPRIV, since its second version is, see patch_init().
	 */
#ifdef FUSE_CAP_HANDLE_KILLPRIV_V2
	conn->want |= conn->capable & FUSE_CAP_HANDLE_KILLPRIV_V2;
#endif
	if (m->writeback)
		conn->want |= conn->capable & FUSE_CAP_WRITEBACK_CACHE;
	m->writeback = conn->want & FUSE_CAP_WRITEBACK_CACHE;
	conn->max_write = POOL_IO;
	conn->max_readahead = POOL_IO;
	conn->max_background = BACKGROUND;
	conn->congestion_threshold = BACKGROUND * 3 / 4;
	conn->time_gran = 1;
}

static const struct fuse_lowlevel_ops ops = {
	.init = op_init,
	.lookup = op_lookup,
	.forget = op_forget,
	.forget_multi = op_forget_multi,
	.getattr = op_getattr,
	.setattr = op_setattr,
	.statfs = op_statfs,
	.readlink = op_readlink,
	.mknod = op_mknod,
	.mkdir = op_mkdir,
	.symlink = op_symlink,
	.link = op_link,
	.unlink = op_unlink,
	.rmdir = op_rmdir,
	.rename = op_rename,
	.opendir = op_opendir,
	.releasedir = op_releasedir,
	.readdir = op_readdir,
	.readdirplus = op_readdirplus,
	.fsyncdir = op_fsyncdir,
	.open = op_open,
	.release = op_release,
	.read = op_read,
	.write = op_write,
	.fsync = op_fsync,
	.fallocate = op_fallocate,
	.lseek = op_lseek,
	.getxattr = op_getxattr,
	.listxattr = op_listxattr,
	.setxattr = op_setxattr,
	.removexattr = op_removexattr,
};

/*
 * FUSE_HANDLE_KILLPRIV_V2 spares a GETXATTR of security.capability with every
 * write(2).  libfuse before 3.17 has no name for it, so the bit is put into the
 * INIT reply as it goes out.  What it means: set-id bits and capabilities are ours
 * to clear when a WRITE or SETATTR says so (kill_setid()).
 */
static void patch_init(const struct mount *m, const struct iovec *iov, int count, bool *ret_uring)
{
	const struct fuse_out_header *h = iov[0].iov_base;
	struct fuse_init_out *out;

	if (count < 2 || h->error || iov[1].iov_len < offsetof(struct fuse_init_out, flags2))
		return;
	out = iov[1].iov_base;
	out->flags |= (uint32_t)this_request.init_flags & FUSE_HANDLE_KILLPRIV_V2;
	if (m->uring && this_request.init_flags & OVER_IO_URING &&
	    iov[1].iov_len >= offsetof(struct fuse_init_out, unused)) {
		out->flags |= FUSE_INIT_EXT;
		out->flags2 |= (uint32_t)(OVER_IO_URING >> 32);
		*ret_uring = true;
	}
}

/* As writev(2): the length, or -1 with errno. */
static ssize_t send(struct mount *m, const struct iovec *iov, int count)
{
	if (uring_reply(m->uring, iov, count))
		return (ssize_t)((const struct fuse_out_header *)iov[0].iov_base)->len;
	return writev(m->fd, iov, count);
}

void session_answer(struct mount *m, uint64_t unique, uint8_t *p, ssize_t n)
{
	size_t len = (size_t)MAX(n, 0);
	struct fuse_out_header out = { .len = (uint32_t)(sizeof(out) + len),
				       .error = (int)MIN(n, 0), .unique = unique };
	struct iovec iov[] = { { &out, sizeof(out) }, { p, len } };

	send(m, iov, len ? 2 : 1); /* it fails if nobody waits any more */
}

static ssize_t io_writev(int fd, struct iovec *iov, int count, void *userdata)
{
	struct mount *m = userdata;
	bool over = false;
	ssize_t n;

	(void)fd;
	if (this_request.opcode != FUSE_INIT)
		return send(m, iov, count);
	patch_init(m, iov, count, &over);
	n = writev(m->fd, iov, count);
	if (m->uring)
		uring_go(m->uring, over && n > 0);
	return n;
}

static ssize_t io_read(int fd, void *buf, size_t n, void *userdata)
{
	(void)userdata;
	return read(fd, buf, n);
}

static void log_nothing(enum fuse_log_level level, const char *fmt, va_list ap)
{
	(void)level;
	(void)fmt;
	(void)ap;
}

static void log_fuse(enum fuse_log_level level, const char *fmt, va_list ap)
{
	log_va((int)level, fmt, ap);
}

/* Commas and backslashes of a path as an option's value. */
static void escape(char *ret, size_t n, const char *s)
{
	size_t i = 0;

	for (; *s && i + 2 < n; s++) {
		if (*s == ',' || *s == '\\')
			ret[i++] = '\\';
		ret[i++] = *s;
	}
	ret[i] = 0;
}

static int session_new(struct mount *m)
{
	char name[2 * PATH_MAX], opts[2 * PATH_MAX + 512];
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	int r = -ENOMEM;

	escape(name, sizeof(name), m->dir);
	snprintf(opts, sizeof(opts), "-odefault_permissions,subtype=cmkfs,fsname=%s%s%s%s%s", name,
		 m->opt->allow_other ? ",allow_other" : "", m->opt->read_only ? ",ro" : "",
		 m->opt->kernel_options ? "," : "",
		 m->opt->kernel_options ? m->opt->kernel_options : "");
	if (fuse_opt_add_arg(&args, "cmkfs") || fuse_opt_add_arg(&args, opts) ||
	    (m->opt->debug && m->opt->foreground && fuse_opt_add_arg(&args, "-d")))
		goto out;
	m->se = fuse_session_new(&args, &ops, sizeof(ops), m);
	r = m->se ? 0 : -EINVAL;
out:
	fuse_opt_free_args(&args);
	return r;
}

/*
 * Have libfuse send by io_writev().  From 3.18.3 it may be built without that:
 * it then names all that patch_init() is for.
 */
static int send_by_hand(struct mount *m)
{
	static const struct fuse_custom_io io = { .writev = io_writev, .read = io_read };
	int r;

	fuse_set_log_func(log_nothing);
	r = fuse_session_custom_io(m->se, &io, m->fd);
	fuse_set_log_func(log_fuse);
	m->by_hand = !r;
#ifdef FUSE_CAP_HANDLE_KILLPRIV_V2
	return r == -ENOTSUP ? 0 : r;
#else
	return r;
#endif
}

int session_mount(struct mount *m, struct mount_failure *f)
{
	int r;

	fuse_set_log_func(log_fuse);
	r = session_new(m);
	if (r < 0)
		return mount_fail(f, CMD_USAGE, r, "see the options of mount in cmkfs(1)",
				  "cannot mount: a mount option is not known");
	if (fuse_session_mount(m->se, m->mountpoint) < 0)
		return mount_fail(f, CMD_FAILED, -EIO,
				  geteuid() ? "is fuse3 installed, and user_allow_other in "
					      "/etc/fuse.conf if it is asked for?" :
					      "is /dev/fuse there?",
				  "cannot mount at %s", m->mountpoint);
	m->fd = fuse_session_fd(m->se);
	atomic_store(&m->mounted, true);
	r = send_by_hand(m);
	if (!r)
		r = mountinfo_find(m->mountpoint, &m->dev_major, &m->dev_minor);
	if (r < 0) {
		session_unmount(m);
		return mount_fail(f, CMD_FAILED, r, NULL, "cannot mount at %s: %s", m->mountpoint,
				  strerror(-r));
	}
	return 0;
}

/* What a user without privileges unmounts by. */
static void unmount_by_helper(const char *mountpoint)
{
	char *argv[] = { "fusermount3", "-u", "-z", "-q", "--", (char *)mountpoint, NULL };
	pid_t pid;

	if (!posix_spawnp(&pid, "fusermount3", NULL, NULL, argv, environ))
		waitpid(pid, NULL, 0);
}

void session_unmount(struct mount *m)
{
	_cleanup_close_ int held = -1;

	if (!atomic_exchange(&m->mounted, false))
		return;
	/* Somebody else's mount may be there by now, above or instead of ours, and by our number. */
	held = mount_hold(m->mountpoint, m->dev_major, m->dev_minor, m->fd);
	if (held >= 0 && mount_take_off(held, MNT_DETACH) < 0)
		unmount_by_helper(m->mountpoint);
}

int session_new_epoch(struct mount *m)
{
	struct fuse_out_header h = { .len = sizeof(h), .error = NOTIFY_INC_EPOCH };

	return write(m->fd, &h, sizeof(h)) < 0 ? -errno : 0;
}
