/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mount_run(): a mount from its beginning to its end.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/eventfd.h>

#include "crypto/secret.h"
#include "fs/lib/cmd.h"
#include "fs/lib/log.h"
#include "fs/lib/recovery.h"
#include "fs/lib/state.h"
#include "fs/mount/aside.h"
#include "fs/mount/audit.h"
#include "fs/mount/check.h"
#include "fs/mount/control.h"
#include "fs/mount/daemon.h"
#include "fs/mount/deploy.h"
#include "fs/mount/eraser.h"
#include "fs/mount/event.h"
#include "fs/mount/janitor.h"
#include "fs/mount/mountinfo.h"
#include "fs/mount/rekeyer.h"
#include "fs/mount/supervise.h"
#include "fs/mount/uring.h"
#include "fs/mount/zones.h"

#define SECRET_BYTES (32u << 20) /* keys of what is open; touched as needed */
#define OPEN_WAIT_MS 3000
#define OPEN_STEP_MS 20
#define TIMEOUT_RW 86400.0	 /* ended by notification */
#define TIMEOUT_RO 1.0		 /* another host may write, and cannot notify us */

void mount_options_init(struct mount_options *o, const struct conf *conf)
{
	*o = (struct mount_options){
		.conf = conf,
		.allow_other = conf->allow_other,
		.allow_deployments = conf->allow_deployments,
		.io_uring = conf->io_uring,
		.writeback = true,
		.binding = -1,
		.crash = -1,
		.drain_ms = conf->drain_ms,
		.lease_ms = conf->lease_ms,
		.grace_ms = conf->grace_ms,
		.threads = conf->threads,
		.audit_required = conf->audit,
	};
}

int mount_fail(struct mount_failure *f, int exit_code, int r, const char *hint, const char *fmt,
	       ...)
{
	va_list ap;

	f->exit_code = exit_code;
	snprintf(f->hint, sizeof(f->hint), "%s", hint ? hint : "");
	va_start(ap, fmt);
	vsnprintf(f->message, sizeof(f->message), fmt, ap);
	va_end(ap);
	return r;
}

static int fail_errno(struct mount_failure *f, int r, const char *what)
{
	return r < 0 ? mount_fail(f, CMD_FAILED, r, NULL, "%s: %s", what, strerror(-r)) : 0;
}

/* ---- the beginning ------------------------------------------------------------------ */

static int set_up(struct mount *m, const struct mount_options *o, struct mount_failure *f)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	m->opt = o;
	m->writeback = o->writeback && !o->read_only;
	m->timeout = o->read_only ? TIMEOUT_RO : TIMEOUT_RW;
	m->nthreads = o->threads ? o->threads : (unsigned int)MIN(MAX(cpus, 2), 4);
	m->end_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	m->dir = realpath(o->dir, NULL);
	if (!m->dir)
		return mount_fail(f, CMD_NOT_VOLUME, -errno, NULL, "%s: %s", o->dir,
				  strerror(errno));
	/* The parent's path, if the place itself does not answer any more. */
	m->mountpoint = realpath(o->mountpoint, NULL);
	if (!m->mountpoint)
		return mount_fail(f, CMD_USAGE, -errno,
				  errno == ENOTCONN ? "umount -l takes the dead mount away" : NULL,
				  "%s: %s", o->mountpoint, strerror(errno));
	return check_places(m, f);
}

/*
 * A daemon whose mount has just been taken off the tree by umount(8) still
 * ends its session: it is waited for.
 */
static int open_patiently(struct mount *m, const struct store_options *opt, struct store_error *err)
{
	for (unsigned int ms = 0;; ms += OPEN_STEP_MS) {
		int r = store_open(m->dir, opt, &m->store, err);

		if (r != -EBUSY || ms >= OPEN_WAIT_MS || mountinfo_has_source("fuse.cmkfs", m->dir))
			return r;
		usleep(OPEN_STEP_MS * 1000);
	}
}

static int open_store(struct mount *m, const char *state_dir, struct mount_failure *f)
{
	char holder[sizeof("mounted at ") + PATH_MAX];
	const struct store_options opt = {
		.read_only = m->opt->read_only,
		.binding = m->opt->binding,
		.crash = m->opt->crash,
		.accept_rollback = m->opt->accept_rollback,
		.state_dir = state_dir,
		.event = mount_event,
		.event_arg = m,
		.brings_keys = true,
		.holder = holder,
	};
	struct store_error err = { "", "" };
	int r;

	snprintf(holder, sizeof(holder), "mounted at %s", m->mountpoint);
	r = open_patiently(m, &opt, &err);
	if (r < 0)
		return mount_fail(f, cmd_exit_of(r), r, err.hint, "%s",
				  err.message[0] ? err.message : strerror(-r));
	m->zone = store_root_zone(m->store);
	return fail_errno(f, inode_table_new(store_root(m->store), &m->inodes), "cannot mount");
}

/* All that comes before the first thread, in the order that janitor.h and secret.h ask for. */
static int prepare(struct mount *m, const char *state_dir, struct mount_failure *f)
{
	int r = open_store(m, state_dir, f);

	if (!r)
		r = session_mount(m, f);
	if (!r)
		r = fail_errno(f, janitor_start(m, &m->janitor), "cannot fork");
	if (!r)
		r = fail_errno(f, secret_setup(SECRET_BYTES, false), "memory for keys");
	if (r < 0)
		return r;
	daemon_lock_memory();
	if (!secret_locked())
		log_warning_to_starter("raise RLIMIT_MEMLOCK", "keys are in memory that may be swapped out");
	return fail_errno(f, pool_new(m->nthreads, &m->pool), "memory for requests");
}

static int load_recovery(struct mount *m, struct mount_failure *f)
{
	char why[256];
	int r = m->opt->recovery ? recovery_load(m->opt->recovery, &m->recovery, why) : 0;

	return r ? mount_fail(f, CMD_USAGE, r, "it holds a passphrase, or a private RSA key in PEM",
			      "%s: %s", m->opt->recovery, why) : 0;
}

static int serve(struct mount *m, const char *state_dir, struct mount_failure *f)
{
	int r = fail_errno(f, audit_start(m, state_dir, &m->audit), "cannot start a thread");

	if (!r)
		r = audit_required(m->audit, f);
	if (!r)
		r = fail_errno(f, flusher_start(m, &m->flusher), "cannot start a thread");
	if (!r)
		r = fail_errno(f, deploys_new(&m->deploys), "memory");
	if (!r)
		r = fail_errno(f, zones_start(m), "cannot start a thread");
	if (!r && !m->opt->read_only)
		r = fail_errno(f, aside_start(m, &m->aside), "cannot start a thread");
	if (!r)
		r = load_recovery(m, f);
	if (!r)
		r = zones_ask(m, f);
	recovery_free(m->recovery);
	m->recovery = NULL; /* it is not kept */
	/* Nobody is answered before there is a key: who came too early has waited. */
	if (!r)
		r = fail_errno(f, workers_start(m, m->nthreads, &m->workers),
			       "cannot start a thread");
	if (!r)
		r = fail_errno(f, rekeyer_start(m, &m->rekeyer), "memory");
	if (!r)
		r = fail_errno(f, eraser_start(m, &m->eraser), "memory");
	if (!r)
		r = fail_errno(f, control_start(m, state_dir, &m->control), "control socket");
	if (!r)
		r = fail_errno(f, settler_start(m, &m->settler), "cannot start a thread");
	if (!r)
		r = fail_errno(f, zones_watch(m), "cannot start a thread");
	if (!r)
		supervise_tune(m);
	return r;
}

/* ---- the end ------------------------------------------------------------------------- */

/*
 * Everything is locked first, while the workers still answer; then the mount
 * goes off the tree, and when the janitor has gone the device closes with us.
 * Takes what there is.
 */
static void wind_up(struct mount *m)
{
	struct lock_report rep = { 0 };
	bool quiet;
	int r = 0;

	settler_stop(m->settler);
	rekeyer_halt(m->rekeyer);
	eraser_halt(m->eraser);
	deploys_end(m);
	zones_end(m, &rep);
	session_unmount(m);
	quiet = control_stop(m->control);
	aside_stop(m->aside);
	if (m->store)
		r = store_end_session(m->store, atomic_load(&m->lost) > 0 || rep.failed > 0);
	if (r < 0)
		log_error("cmkfs verify DIR says whether anything is missing",
			  "the session was not closed cleanly: %s", strerror(-r));
	workers_stop(m->workers);
	flusher_stop(m->flusher); /* workers give it work */
	m->flusher = NULL;
	audit_note(m->audit, "mount.end", 0, r < 0 || rep.failed ? "not clean" : "ok", "%s", m->mountpoint);
	audit_stop(m->audit);
	m->audit = NULL;
	janitor_stop(m->janitor);
	if (!quiet)
		return; /* a connection still uses all of it; we exit now */
	zones_stop(m);
	if (m->control)
		control_farewell(m->control, atomic_load(&m->lost));
	rekeyer_free(m->rekeyer);
	eraser_free(m->eraser);
	deploys_free(m->deploys);
	inode_table_free(m->inodes);
	if (m->store)
		store_close(m->store);
	pool_free(m->pool);
	uring_free(m->uring);
}

static int run(struct mount *m, const char *state_dir, int report_fd, struct mount_failure *f)
{
	int r;

	kp_audit_set_best_effort(!m->opt->audit_required);
	daemon_harden();
	supervise_block_signals();
	r = prepare(m, state_dir, f);
	if (!r)
		r = serve(m, state_dir, f);
	if (!r) {
		log_info("mounted %s at %s", m->dir, m->mountpoint);
		audit_note(m->audit, "mount.begin", 0, "ok", "%s", m->mountpoint);
		audit_arm(m->audit);
		if (report_fd >= 0)
			daemon_ready(report_fd);
		supervise(m);
	}
	wind_up(m);
	if (!r)
		log_info("unmounted %s", m->mountpoint);
	else if (report_fd >= 0)
		daemon_failed(report_fd, f);
	return r < 0 ? f->exit_code : CMD_OK;
}

int mount_run(const struct mount_options *o, struct mount_failure *ret_failure, bool *ret_daemon)
{
	static struct mount m; /* libfuse's session keeps a pointer to it until the very end */
	_cleanup_free_ char *state = NULL;
	int fd = -1, r;

	*ret_daemon = false;
	memset(ret_failure, 0, sizeof(*ret_failure));
	r = set_up(&m, o, ret_failure);
	if (!r)
		r = fail_errno(ret_failure, state_dir(o->conf, &state), "state directory");
	if (r < 0)
		return ret_failure->exit_code;
	if (!o->foreground) {
		r = daemon_fork(ret_failure, &fd);
		if (r <= 0)
			return -r;
		*ret_daemon = true;
		log_setup(LOG_TO_SYSLOG, LOG_INFO);
	} else if (o->debug) {
		log_setup(LOG_TO_STDERR, LOG_DEBUG);
	}
	r = run(&m, state, fd, ret_failure);
	free(m.dir);
	free(m.mountpoint);
	return r;
}
