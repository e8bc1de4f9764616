/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cmkfs mount`, and the same as mount(8) calls it: mount.cmkfs DIR MNT
 * [-sfnv] [-o OPTIONS] [-t TYPE] [-N NAMESPACE].
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <time.h>

#include "fs/lib/cmd.h"
#include "fs/lib/passphrase.h"
#include "fs/lib/pin.h"
#include "fs/lib/state.h"
#include "fs/mount/control.h"
#include "keyprov/local/local.h"
#include "mount_helper.h"
#include "mount_opts.h"

#define DAY 86400
#define EXPIRY_DAYS 30

static bool foreground, debug;
static char *options;
static const char *recovery;

static const struct opt opts[] = {
	{ .name = "options", .letter = 'o', .arg = "LIST", .help = "mount options, commas between",
	  .list = &options },
	{ .name = "foreground", .letter = 'f', .help = "stay in the foreground, log to standard error",
	  .flag = &foreground },
	{ .name = "recovery", .arg = "FILE",
	  .help = "open by a recovery slot: a passphrase, or a private key", .value = &recovery },
	{ .name = "debug", .letter = 'd', .help = "libfuse's debug output; implies -f", .flag = &debug },
	OPT_END
};

/* An existing directory's real path: the daemon leaves the present one. */
static int real_dir(const char *path, char **ret)
{
	*ret = realpath(path, NULL);
	if (!*ret)
		return cmd_fail(CMD_USAGE, "both directories are to exist", "%s: %s", path,
				strerror(errno));
	return CMD_OK;
}

static void warn_of_xts(const char *dir)
{
	struct store_error err;
	struct volume_block v;

	if (!volume_peek(dir, &v, NULL, &err) && v.suite == SUITE_XTS)
		cmd_note_xts();
}

/* A key that ends soon is said where somebody reads it. */
static void warn_of_expiry(const struct conf *conf, const char *dir)
{
	_cleanup_free_ char *state = NULL;
	_cleanup_close_ int fd = -1;
	json_t *req = NULL, *status = NULL, *z;
	size_t i;

	if (state_dir(conf, &state) || control_connect(state, dir, &fd))
		return;
	req = json_pack("{s:s}", "cmd", "status");
	if (!control_request(fd, req, &status))
		json_array_foreach(json_object_get(status, "zones"), i, z) {
			json_int_t at = json_integer_value(json_object_get(z, "expires"));
			long long days = (at - (long long)time(NULL)) / DAY;
			const char *kid = json_string_value(json_object_get(z, "kid"));

			if (at && days < EXPIRY_DAYS)
				cmd_note("the key %s expires in %lld days: access ends then",
					 kid ? kid : "", days);
		}
	json_decref(req);
	json_decref(status);
}

/* The vault's passphrase and a token's PIN are asked for while there is a terminal. */
static int hand_over(const struct conf *conf)
{
	_cleanup_free_ char *dir = NULL;
	struct kp_error e = { 0 };
	int r = state_dir(conf, &dir);

	if (r) /* as the mount will say itself */
		return CMD_OK;
	return local_master_hand_over(dir, &e) || pin_hand_over(conf, &e) ? cmd_fail_kp(&e, NULL) :
									     CMD_OK;
}

static int mount_volume(const struct conf *conf, const char *dir, const char *mnt,
			const char *text)
{
	_cleanup_free_ char *real_mnt = NULL, *real = NULL, *real_recovery = NULL;
	struct mount_parsed p = { .kernel = NULL };
	struct mount_failure failure = { 0, "", "" };
	bool daemon = false;
	int r;

	mount_options_init(&p.o, conf);
	p.o.foreground = foreground || debug;
	p.o.debug = debug;
	r = mount_opts_parse(&p, text);
	if (!r)
		r = real_dir(dir, &real);
	if (!r)
		r = real_dir(mnt, &real_mnt);
	if (!r && recovery) {
		real_recovery = realpath(recovery, NULL);
		p.o.recovery = real_recovery;
		if (!real_recovery)
			r = cmd_fail(CMD_USAGE, "it holds a passphrase, or a private RSA key in PEM",
				     "%s: %s", recovery, strerror(errno));
	}
	if (!r)
		r = hand_over(conf);
	if (!r) {
		warn_of_xts(real);
		p.o.dir = real;
		p.o.mountpoint = real_mnt;
		r = mount_run(&p.o, &failure, &daemon);
		if (r && !daemon)
			r = cmd_fail(failure.exit_code, failure.hint, "%s", failure.message);
		else if (!daemon)
			warn_of_expiry(conf, real);
	}
	free(p.kernel);
	return r;
}

static int run(const struct cmd *c)
{
	int r = mount_volume(c->conf, c->argv[0], c->argv[1], options);

	free(options);
	return r;
}

const struct verb verb_mount = {
	.name = "mount",
	.args = "DIR MNT",
	.summary = "Mount a volume",
	.opts = opts,
	.more_help = mount_opts_help,
	.min_args = 2,
	.max_args = 2,
	.run = run,
};

/* ---- as mount(8)'s helper -------------------------------------------------------- */

/* mount(8) knows 1 (wrong use) and 32 (the mount failed). */
static int helper_exit(int r)
{
	return r == CMD_OK ? 0 : r == CMD_USAGE ? 1 : 32;
}

static int helper_run(const char *dir, const char *mnt, const char *text)
{
	static struct conf *conf; /* kept to the end: see conf_provider() */
	struct conf_error err;
	int r = conf_load(&conf, &err);

	if (r)
		return cmd_fail(CMD_USAGE, err.hint, "%s", err.message);
	passphrase_setup(conf);
	return mount_volume(conf, dir, mnt, text);
}

int mount_helper(int argc, char **argv)
{
	const char *text = NULL;
	bool fake = false;
	int c;

	opterr = 0;
	while ((c = getopt(argc, argv, "sfnvo:t:N:h")) != -1) {
		switch (c) {
		case 'o':
			text = optarg;
			break;
		case 'f':
			fake = true;
			break;
		case 'h':
			opts_help(&verb_mount);
			return 0;
		case '?':
			return helper_exit(cmd_fail(CMD_USAGE, "usage: mount.cmkfs DIR MNT -o OPTIONS",
						    "there is no option -%c", optopt));
		default: /* said by mount(8), nothing to do */
			break;
		}
	}
	if (argc - optind != 2)
		return helper_exit(cmd_fail(CMD_USAGE, "usage: mount.cmkfs DIR MNT -o OPTIONS",
					    "a directory and a mount point are needed"));
	return fake ? 0 : helper_exit(helper_run(argv[optind], argv[optind + 1], text));
}
