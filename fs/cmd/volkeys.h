/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What init and the `key` verbs share: the keyring of a volume's zone and its
 * identity, opening it, wrapping under a provider's key, and changing its
 * slots.  Functions that return an enum cmd_exit have printed their error.
 */
#ifndef CMKFS_VOLKEYS_H
#define CMKFS_VOLKEYS_H

#include "fs/lib/cmd.h"
#include "fs/lib/recovery.h"
#include "fs/lib/state.h"
#include "keyprov/open.h"

/* A zone of a volume whose keyring has been read without its keys. */
struct volkeys {
	const char *dir;
	struct volume_block vol;
	struct zone_id zone;
	char name[2 * ID_LEN + 1]; /* of the zone: "0" of the root's, else its ID */
	struct keyring *ring;
	struct state_context ctx;
	struct recovery *by; /* opens it by a recovery slot, if the operator said so */
};

/*
 * ZONE: NULL or "0", an ID, or what only one begins with.  Free with
 * volkeys_done(), also after a failure.
 */
int volkeys_load(const struct cmd *c, const char *dir, const char *zone, struct volkeys *ret);
/* The same of the zone that ID names. */
int volkeys_load_zone(const struct cmd *c, const char *dir, const struct zone_id *id,
		      struct volkeys *ret);
void volkeys_done(struct volkeys *k);

#define OPT_OPEN_WITH(var) \
	{ .name = "open-with", .arg = "FILE", \
	  .help = "open by a recovery slot: a passphrase, or a private key", .value = (var) }
/* Take the recovery secret in FILE; NULL: none, that is by the providers. */
int volkeys_open_with(struct volkeys *k, const char *file);

/* Call FN with each zone of the volume, the root's first, until it says no. */
typedef int volkeys_fn(void *arg, struct volkeys *k);
int volkeys_each(const struct cmd *c, const char *dir, volkeys_fn *fn, void *arg);

/* The vault key of GEN into RET_VK (KEY_LEN bytes of secret memory). */
int volkeys_unwrap(const struct volkeys *k, const struct generation *gen, uint8_t *ret_vk);

/*
 * Put SECRET (KEY_LEN bytes) under the key URI as the identity of CTX:
 * kp_protect(), and a word when the policy grants more than is needed.  Prints
 * no error: 0, or E is the provider's.
 */
int volkeys_wrap(const struct kp_context *ctx, const char *uri, enum slot_role role,
		 const uint8_t *secret, struct keyslot *ret_slot, struct kp_error *e);

/* ---- changing the slots (volkeys_edit.c) ---------------------------------------- */

/* The vault keys of all live generations, unwrapped. */
struct volkeys_open {
	const struct volkeys *k;
	bool again; /* the caller does it again if the keyring has changed meanwhile */
	unsigned int n;
	uint32_t g[KEYRING_GENERATIONS];
	uint8_t *vk[KEYRING_GENERATIONS]; /* secret memory */
};
int volkeys_open(const struct volkeys *k, struct volkeys_open *ret);
void volkeys_close(struct volkeys_open *o); /* wipes */

/*
 * Change the keyring by EDIT, in one replacement on disk; no other file is
 * touched.  Then the audit log has WHAT and DETAIL, and a mount of the volume is told.
 * VOLKEYS_AGAIN, where O->again is set: the keyring is another one now, nothing was done.
 */
#define VOLKEYS_AGAIN (-1)
int volkeys_commit(const struct volkeys_open *o, keyring_edit_fn *edit, void *arg,
		   const char *what, const char *detail);

/* A mount of the volume on this host reads the zone's keyring again, and asks anew. */
void volkeys_reload(const struct volkeys *k);

/*
 * Put URI in place of all providers' slots of all live generations.  Prints the
 * new kid.
 */
int volkeys_replace(const struct volkeys *k, const char *uri, enum slot_role role,
		    const char *what);

/*
 * The two halves of a kid: URI without the version, and the version ("" when
 * there is none).
 */
void volkeys_split(const char *kid, char ret_uri[static KP_URI_MAX],
		   char ret_version[static KP_URI_MAX]);
/* "service", "customer", "recovery", "share"; a combiner is "combiner". */
const char *volkeys_role(const struct keyslot *s);

#endif
