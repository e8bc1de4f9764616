/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Using a key, whatever has become of its session meanwhile.
 */
#include "p11.h"

#include <errno.h>
#include <stdio.h>

#define SECTION "pkcs11"
#define DEFAULT_MODULE "p11-kit-proxy.so" /* all that p11-kit is configured for */

/* ---- life ------------------------------------------------------------------------- */

/* VALUE, or where that is NULL FALLBACK, which may be NULL as well. */
static bool copy(char **ret, const char *value, const char *fallback)
{
	value = value ? value : fallback;
	*ret = value ? strdup(value) : NULL;
	return !value || *ret;
}

int p11_user_init(struct p11_user *u, const struct kp_context *ctx, const char *uri,
		  struct kp_error *e)
{
	const char *imported = kp_conf(ctx, SECTION, "imported-keys");
	int r;

	memset(u, 0, sizeof(*u));
	r = p11_uri_parse(uri, &u->uri, e);
	if (r)
		return r;
	u->imported_ok = imported && !strcmp(imported, "yes");
	if (copy(&u->module, kp_conf(ctx, SECTION, "module"), DEFAULT_MODULE) &&
	    copy(&u->module_args, kp_conf(ctx, SECTION, "module-arguments"), NULL) &&
	    copy(&u->pin_file, p11_uri_pin_file(u->uri), kp_conf(ctx, SECTION, "pin-file")))
		return 0;
	p11_user_done(u);
	return kp_fail(e, -EAGAIN, NULL, "no memory for a key");
}

void p11_user_done(struct p11_user *u)
{
	unsigned long generation;

	if (u->session.open && !p11_module_enter(u->session.m, &generation, NULL)) {
		p11_session_drop(&u->session, generation == u->session.generation);
		p11_module_leave(u->session.m);
	}
	p11_module_put(u->session.m);
	p11_kit_uri_free(u->uri);
	free(u->module);
	free(u->module_args);
	free(u->pin_file);
}

/* ---- use -------------------------------------------------------------------------- */

static int attempt(struct p11_user *u, P11KitUri *uri, p11_use_fn *fn, void *arg,
		   struct kp_error *e)
{
	struct p11_session *s = &u->session;
	unsigned long generation = 0;
	struct p11_key k;
	int r = s->m ? 0 : p11_module_get(u->module, u->module_args, &s->m, e);

	s->rv = CKR_OK;
	if (!r)
		r = p11_module_enter(s->m, &generation, e);
	if (r)
		return r;
	if (generation != s->generation)
		p11_session_drop(s, false);
	s->generation = generation;
	if (!s->open)
		r = p11_session_open(s, u->uri, u->pin_file, e);
	if (!r)
		r = p11_key_find(s, uri, &k, e);
	if (!r)
		r = fn(u, &k, arg, e);
	if (r)
		p11_session_drop(s, true);
	p11_module_leave(s->m);
	return r;
}

/* A key that is not found may be on a token that was away. */
static bool may_be_stale(const struct p11_session *s, int r)
{
	return r == -ENOENT || p11_error_row(s->rv)->remedy == P11_REOPEN;
}

int p11_use(struct p11_user *u, P11KitUri *uri, p11_use_fn *fn, void *arg, struct kp_error *e)
{
	struct p11_session *s = &u->session;
	int r = attempt(u, uri, fn, arg, e);

	if (r && may_be_stale(s, r))
		r = attempt(u, uri, fn, arg, e);
	if (r && may_be_stale(s, r) && !p11_module_restart(s->m, s->generation, NULL))
		r = attempt(u, uri, fn, arg, e);
	return r;
}
