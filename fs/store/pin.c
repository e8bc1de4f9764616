/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this host remembers of a volume: its fingerprint and the highest seq of
 * its keyring, volume and session file, so that old copies put back are seen
 * (cmkfs-format(5), Keyring).  One file a volume: STATE/volumes/HEX.json; one a
 * further zone: STATE/volumes/HEX-ZONE.json.
 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <sys/file.h>

#include "crypto/secret.h"
#include "fs/store/volume.h"

#define PIN_MAX 4096

static void hex(const uint8_t *p, size_t n, char *ret)
{
	for (size_t i = 0; i < n; i++)
		sprintf(ret + 2 * i, "%02x", p[i]);
}

static int unhex(const char *s, uint8_t *ret, size_t n)
{
	static const char digits[] = "0123456789abcdef";

	if (strlen(s) != 2 * n)
		return -EBADMSG;
	for (size_t i = 0; i < n; i++) {
		const char *hi = strchr(digits, s[2 * i]), *lo = strchr(digits, s[2 * i + 1]);

		if (!hi || !lo)
			return -EBADMSG;
		ret[i] = (uint8_t)((hi - digits) << 4 | (lo - digits));
	}
	return 0;
}

/* STATE/volumes, made if it is not there. */
static int open_dir(const char *state_dir, bool make, int *ret_fd)
{
	_cleanup_free_ char *path = NULL;
	int fd;

	if (asprintf(&path, "%s/volumes", state_dir) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	if (make && mkdir(state_dir, 0700) < 0 && errno != EEXIST)
		return -errno;
	if (make && mkdir(path, 0700) < 0 && errno != EEXIST)
		return -errno;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

#define FILE_NAME (4 * ID_LEN + 7)

static void file_name(const struct zone_id *z, bool root, char ret[static FILE_NAME])
{
	hex(z->vol, ID_LEN, ret);
	if (!root) {
		ret[2 * ID_LEN] = '-';
		hex(z->zone, ID_LEN, ret + 2 * ID_LEN + 1);
	}
	strcat(ret, ".json");
}

static int parse(const uint8_t *p, size_t n, struct pin *ret)
{
	json_t *j = json_loadb((const char *)p, n, JSON_REJECT_DUPLICATES, NULL);
	json_int_t keyring, volume, session;
	const char *fingerprint;
	int r = -EBADMSG;

	if (j && !json_unpack(j, "{s:s, s:I, s:I, s:I}", "fingerprint", &fingerprint, "keyring",
			      &keyring, "volume", &volume, "session", &session)) {
		ret->keyring = (uint64_t)keyring;
		ret->volume = (uint64_t)volume;
		ret->session = (uint64_t)session;
		r = unhex(fingerprint, ret->fingerprint, KEY_LEN);
	}
	json_decref(j);
	return r;
}

static int read_in(int fd, const struct zone_id *z, bool root, struct pin *ret)
{
	_cleanup_free_ uint8_t *p = NULL;
	char name[FILE_NAME];
	size_t n;
	int r;

	file_name(z, root, name);
	r = backing_read_file(fd, name, PIN_MAX, &p, &n);
	return r ? r : parse(p, n, ret);
}

int pin_read(const char *state_dir, const struct zone_id *z, bool root, struct pin *ret)
{
	_cleanup_close_ int fd = -1;
	int r = open_dir(state_dir, false, &fd);

	return r ? r : read_in(fd, z, root, ret);
}

/* ---- comparing --------------------------------------------------------------------- */

static int older(struct store_error *err, const char *what, uint64_t now, uint64_t known)
{
	return store_fail(err, -ESTALE,
			  "if you restored a backup, say --accept-rollback once; "
			  "otherwise somebody put an old copy there",
			  "the %s is older (%llu) than what this host has seen (%llu)", what,
			  (unsigned long long)now, (unsigned long long)known);
}

int pin_check(const char *state_dir, const struct zone_id *z, bool root, const struct pin *now,
	      struct store_error *err)
{
	struct pin known;
	int r = state_dir ? pin_read(state_dir, z, root, &known) : -ENOENT;

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return store_fail(err, r, "mend or remove the volume's file in its folder volumes",
				  "cannot read what this host knows of the volume (%s): %s",
				  state_dir, strerror(-r));
	if (!secret_equal(known.fingerprint, now->fingerprint, KEY_LEN))
		return store_fail(err, -EBADMSG, "this is not the volume that was mounted before",
				  "the fingerprint is not the one that this host knows");
	if (now->keyring < known.keyring)
		return older(err, "keyring", now->keyring, known.keyring);
	if (now->volume < known.volume)
		return older(err, "volume file", now->volume, known.volume);
	if (now->session < known.session)
		return older(err, "session file", now->session, known.session);
	return 0;
}

/* ---- remembering ------------------------------------------------------------------------ */

static int write_in(int fd, const struct zone_id *z, bool root, const struct pin *p)
{
	char name[FILE_NAME], fingerprint[2 * KEY_LEN + 1];
	_cleanup_free_ char *text = NULL;
	json_t *j;

	file_name(z, root, name);
	hex(p->fingerprint, KEY_LEN, fingerprint);
	j = json_pack("{s:s, s:I, s:I, s:I}", "fingerprint", fingerprint, "keyring",
		      (json_int_t)p->keyring, "volume", (json_int_t)p->volume, "session",
		      (json_int_t)p->session);
	text = j ? json_dumps(j, JSON_INDENT(2)) : NULL;
	json_decref(j);
	return text ? backing_swap(fd, name, text, strlen(text), 0600) : -ENOMEM;
}

int pin_store(const char *state_dir, const struct zone_id *z, bool root, const struct pin *now,
	      bool accept)
{
	_cleanup_close_ int fd = -1;
	struct pin known, next = *now;
	int r = state_dir ? open_dir(state_dir, true, &fd) : 0;

	if (r < 0 || !state_dir)
		return r;
	if (flock(fd, LOCK_EX) < 0) /* two mounts of one volume */
		return -errno;
	r = read_in(fd, z, root, &known);
	if (r < 0 && r != -ENOENT && !accept)
		return r;
	if (r == 0 && !accept) {
		next.keyring = MAX(next.keyring, known.keyring);
		next.volume = MAX(next.volume, known.volume);
		next.session = MAX(next.session, known.session);
		if (!memcmp(&next, &known, sizeof(next)))
			return 0;
	}
	return write_in(fd, z, root, &next);
}

void pin_forget(const char *state_dir, const struct zone_id *z)
{
	_cleanup_close_ int fd = -1;
	char name[FILE_NAME];

	if (!state_dir || open_dir(state_dir, false, &fd))
		return;
	file_name(z, false, name);
	backing_unlink(fd, name, 0); /* what stays only refuses a zone of the same ID */
}
