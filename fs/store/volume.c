/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading the fixed files of a volume, without keys.
 */
#include "fs/store/volume.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

int store_fail(struct store_error *err, int r, const char *hint, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return r;
	va_start(ap, fmt);
	vsnprintf(err->message, sizeof(err->message), fmt, ap);
	va_end(ap);
	snprintf(err->hint, sizeof(err->hint), "%s", hint ? hint : "");
	return r;
}

int volume_open_dir(const char *dir, int *ret_fd, struct store_error *err)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return store_fail(err, -errno, NULL, "cannot open %s: %s", dir, strerror(errno));
	*ret_fd = fd;
	return 0;
}

int fixed_read(int fd, const char *name, uint8_t ret[static FIXED_BLOCK], struct store_error *err)
{
	_cleanup_free_ uint8_t *p = NULL;
	size_t n;
	int r = backing_read_file(fd, name, FIXED_BLOCK, &p, &n);

	if (r == -EFBIG || r == -EMEDIUMTYPE || r == -ELOOP || (r == 0 && n != FIXED_BLOCK))
		return store_fail(err, -EBADMSG, "restore it from a backup of the volume",
				  "%s is no file of %u bytes", name, FIXED_BLOCK);
	if (r < 0)
		return store_fail(err, r, NULL, "cannot read %s: %s", name, strerror(-r));
	memcpy(ret, p, FIXED_BLOCK);
	return 0;
}

int volume_read(int fd, struct volume_block *ret, uint8_t ret_raw[static FIXED_BLOCK],
		struct store_error *err)
{
	const char *why = "";
	int r = fixed_read(fd, VOLUME_FILE, ret_raw, err);

	if (r == -ENOENT)
		return store_fail(err, -EMEDIUMTYPE,
				  "give the directory that holds " VOLUME_FILE
				  ", or make a volume with cmkfs init",
				  "this is no cmkfs volume: it has no " VOLUME_FILE);
	if (r < 0)
		return r;
	r = volume_parse(ret_raw, ret, &why);
	if (r == -EPROTONOSUPPORT)
		return store_fail(err, r, "use a newer version of cmkfs",
				  "the volume was made by a newer version");
	if (r < 0)
		return store_fail(err, r, "restore it from a backup of the volume",
				  VOLUME_FILE " is damaged: %s", why);
	return 0;
}

int volume_look(const char *dir, int *ret_fd, struct volume_block *ret, struct store_error *err)
{
	uint8_t raw[FIXED_BLOCK];
	int r = volume_open_dir(dir, ret_fd, err);

	return r ? r : volume_read(*ret_fd, ret, raw, err);
}

int volume_peek(const char *dir, struct volume_block *ret_volume, struct keyring **ret_keyring,
		struct store_error *err)
{
	_cleanup_close_ int fd = -1;
	struct volume_block v;
	struct ring_place at;
	int r = volume_look(dir, &fd, &v, err);

	if (r == 0 && ret_keyring) {
		r = ring_place_open(fd, &v, &v.root, false, &at);
		if (r == 0)
			r = keyring_read(&at, &v.root, ret_keyring, err);
	}
	if (r == 0 && ret_volume)
		*ret_volume = v;
	return r;
}
