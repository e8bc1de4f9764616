/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pkcs11 provider: RSA keys in a token or HSM.  What is wrapped is wrapped
 * here with the public half (RSA-OAEP-256) and unwrapped inside the token.
 * Everything in this header is private to the folder, but for kp_pkcs11.
 *
 * Methods: PKCS #11 v2.40 (Cryptoki), RFC 7512 (URIs, by p11-kit's parser).
 */
#ifndef CMKFS_PKCS11_H
#define CMKFS_PKCS11_H

#ifndef CRYPTOKI_GNU
#define CRYPTOKI_GNU /* names in lower case */
#endif
#include <p11-kit/pkcs11.h>
#include <p11-kit/uri.h>
#include <pthread.h>

#include "keyprov/keyprov.h"

extern const struct kp_ops kp_pkcs11;

/* ---- URIs (uri.c) -------------------------------------------------------------- */

/*
 * Parse S: a token (by label or serial number) and a key on it (by label, id
 * or both), perhaps a pin-source that is a file.  No PIN, and no module: a
 * keyring, which names keys by URI, is no place to load code from.  Freed with
 * p11_kit_uri_free().  0; -EINVAL; -EAGAIN: no memory.
 */
int p11_uri_parse(const char *s, P11KitUri **ret, struct kp_error *e);
/* The normal form.  0; -EINVAL: it would be longer than KP_URI_MAX; -EAGAIN: no memory. */
int p11_uri_format(P11KitUri *u, char ret[static KP_URI_MAX], struct kp_error *e);
/* The path of its pin-source, or NULL: it has none.  Owned by U. */
const char *p11_uri_pin_file(P11KitUri *u);
/* Whether both name the same key on the same token, in any version (id). */
bool p11_uri_same_key(P11KitUri *a, P11KitUri *b);

/* "YYYYMMDD" as unix seconds of its beginning in UTC; 0: it is not a date. */
int64_t p11_date(const struct ck_date *d);

/* ---- errors (error.c) ---------------------------------------------------------- */

enum p11_remedy {
	P11_NONE,
	P11_REOPEN, /* the session or its handles may be stale: open anew, then believe it */
	P11_DOUBT,  /* bad data, or a fault: a fresh wrap and unwrap tells them apart */
};

struct p11_error_row {
	ck_rv_t rv;
	const char *name; /* "CKR_PIN_INCORRECT" */
	int code;	  /* -errno of keyprov.h */
	enum p11_remedy remedy;
	const char *meaning, *hint;
};

extern const struct p11_error_row p11_errors[];
extern const size_t p11_nerrors;
const struct p11_error_row *p11_error_row(ck_rv_t rv); /* never NULL: unknown ones are -EAGAIN */
/* Fill E: that CALL ("C_Login") on TOKEN gave RV.  Returns the code. */
int p11_fail(struct kp_error *e, ck_rv_t rv, const char *call, const char *token);

/* ---- modules (module.c) -------------------------------------------------------- */

/*
 * A module is loaded and initialised once in a process, for all keys that use
 * it; anew in a forked child.  Thread-safe.  Each of these may hang as long as
 * the module does.
 */
struct p11_module;

/* ARGS: for C_Initialize (what some modules want in pReserved), or NULL.  0; -EAGAIN, -ENOTSUP. */
int p11_module_get(const char *path, const char *args, struct p11_module **ret, struct kp_error *e);
void p11_module_put(struct p11_module *m); /* NULL-safe; the last one ends its use of tokens */

/*
 * Around calls: *RET_GENERATION tells sessions of before a restart, or of before
 * a fork, which are gone.  0; -errno, and then there is nothing to leave.
 */
int p11_module_enter(struct p11_module *m, unsigned long *ret_generation, struct kp_error *e);
void p11_module_leave(struct p11_module *m);
/*
 * End and begin it, if it is still of generation SEEN: some notice a new token,
 * or a server that is back, only so.  Not between enter and leave.  0; -EAGAIN:
 * another thread is inside a call.
 */
int p11_module_restart(struct p11_module *m, unsigned long seen, struct kp_error *e);
struct ck_function_list *p11_module_functions(struct p11_module *m);
/* Held around C_Login, so that a wrong PIN is tried once. */
pthread_mutex_t *p11_module_login_lock(struct p11_module *m);

/* ---- PINs (pin.c) -------------------------------------------------------------- */

#define P11_PIN_MAX KP_PIN_MAX

/* Which token, for the PINs that are kept and those that were refused. */
struct p11_token {
	char label[33], serial[17];
	bool login;	   /* it wants one */
	bool pad;	   /* it asks for the PIN itself */
	bool last_try;	   /* one more wrong PIN locks it */
	bool locked;
};

/*
 * The PIN of T: of FILE, if there is one; else of the process's source.  RET is
 * secret memory of P11_PIN_MAX bytes.  A PIN that was refused is not given
 * again, lest checks lock the token.  0; -EACCES, -EKEYREJECTED, -EAGAIN.
 */
int p11_pin_get(const struct p11_token *t, const char *file, char *ret, size_t *ret_n,
		struct kp_error *e);
void p11_pin_refused(const struct p11_token *t, const char *pin, size_t n);
/* It was right: kept in secret memory for the next time, unless it came from a file. */
void p11_pin_worked(const struct p11_token *t, const char *file, const char *pin, size_t n);

/* ---- sessions and keys (session.c, key.c) ---------------------------------------- */

struct p11_session {
	struct p11_module *m; /* got at the first call */
	unsigned long generation;
	bool open;
	ck_slot_id_t slot;
	ck_session_handle_t h;
	struct p11_token token;
	ck_rv_t rv; /* the last that was not CKR_OK, for the remedy */
};

/* Note RV for the remedy, and p11_fail(). */
int p11_session_fail(struct p11_session *s, ck_rv_t rv, const char *call, struct kp_error *e);
/* Find the token of U, open a session on it, log in.  Between enter and leave. */
int p11_session_open(struct p11_session *s, P11KitUri *u, const char *pin_file,
		     struct kp_error *e);
/* Let go of it; CLOSE: tell the module, which knows it still. */
void p11_session_drop(struct p11_session *s, bool close);

#define P11_ID_MAX 128
#define P11_MODULUS_MAX 1024 /* 8192 bits: to be refused with its size */

struct p11_key {
	ck_object_handle_t h;
	unsigned long kind; /* CKK_RSA */
	uint8_t id[P11_ID_MAX];
	size_t id_len;
	uint8_t modulus[P11_MODULUS_MAX], exponent[16];
	size_t modulus_len, exponent_len;
	bool decrypt, more, sensitive, extractable, imported, each_time;
	int64_t start, end; /* unix seconds; 0: none.  END is when it is over */
};

/*
 * The private key that U names; of several with one label and no id, the one
 * with the newest start date that has come.  0; -ENOENT; -EKEYREJECTED: it
 * cannot be told which.
 */
int p11_key_find(struct p11_session *s, P11KitUri *u, struct p11_key *ret, struct kp_error *e);
/* U with the id of K: its version. */
int p11_key_kid(P11KitUri *u, const struct p11_key *k, char ret[static KP_URI_MAX],
		struct kp_error *e);
/* SECRET (KP_SECRET_LEN bytes) under the public half of K. */
int p11_key_wrap(const struct p11_key *k, const uint8_t *secret, uint8_t ret[static KP_BLOB_MAX],
		 size_t *ret_n, struct kp_error *e);
/* RET (KP_SECRET_LEN bytes of secret memory) is wiped on failure. */
int p11_key_unwrap(struct p11_session *s, const struct p11_key *k, const char *pin_file,
		   const uint8_t *blob, size_t n, uint8_t *ret, struct kp_error *e);

/* ---- calls with a deadline (bounded.c) -------------------------------------------- */

/*
 * A call into a module cannot be interrupted.  So each is made by a thread of
 * its own, which is waited for until the deadline and then left behind: it
 * frees what it holds when the module comes back.  From then on exit() ends the
 * process without the handlers that were there before.
 */
typedef int p11_bounded_fn(void *arg, struct kp_error *e);
typedef void p11_bounded_free_fn(void *arg);

/*
 * FN's result, and ARG is the caller's again; or -EAGAIN with *RET_LEFT: not
 * within MS, and the thread will call FREE_FN(ARG).
 */
int p11_bounded(unsigned int ms, p11_bounded_fn *fn, p11_bounded_free_fn *free_fn, void *arg,
		bool *ret_left, struct kp_error *e);

/* ---- what is done with a key (operation.c) ------------------------------------------ */

struct p11_user { /* of one key; used by one thread at a time */
	char *module, *module_args, *pin_file; /* immutable, as uri is */
	bool imported_ok;
	P11KitUri *uri;
	struct p11_session session;
};

/* Settings from CTX.  0; -EINVAL, -EAGAIN. */
int p11_user_init(struct p11_user *u, const struct kp_context *ctx, const char *uri,
		  struct kp_error *e);
/* Ends the session, and frees; may hang as long as the module does. */
void p11_user_done(struct p11_user *u);

typedef int p11_use_fn(struct p11_user *u, const struct p11_key *k, void *arg, struct kp_error *e);

/*
 * Find the key URI, and call FN inside the module; again with a new session, and
 * then after a restart of the module, where what it said may be due to a stale one.
 */
int p11_use(struct p11_user *u, P11KitUri *uri, p11_use_fn *fn, void *arg, struct kp_error *e);

/* What there is to say of K, named URI; a p11_use_fn would call it. */
int p11_describe(struct p11_user *u, P11KitUri *uri, const struct p11_key *k,
		 struct kp_info *ret, struct kp_error *e);

#endif
