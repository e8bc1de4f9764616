/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Getting a token: one that a file or the environment holds, which is renewed
 * ahead of its end, or by a login, which is made anew ahead of it.
 */
#include <errno.h>
#include <stdio.h>

#include "crypto/secret.h"
#include "hashivault.h"
#include "keyprov/net/file.h"
#include "keyprov/net/json.h"
#include "keyprov/net/text.h"

#define BODY_MAX_BYTES 65536

/* ---- a token that we are given --------------------------------------------------- */

/* What `vault login` leaves behind, where nothing is set. */
static int home_token(const struct hv_session *s, char *ret, struct kp_error *e)
{
	const char *home = getenv("HOME");
	char path[512];

	snprintf(path, sizeof(path), "%s/.vault-token", home ? home : "");
	if (!access(path, F_OK))
		return net_read_word(path, true, ret, HV_TOKEN_MAX, e);
	return kp_fail(e, -EIO, "set token-file, or another auth, in [vault] of cmkfs.conf(5)",
		       "there is no token for %s: no token-file, no VAULT_TOKEN", s->uri.host);
}

/* Into RET, secret memory of HV_TOKEN_MAX bytes. */
static int given_token(const struct hv_session *s, char *ret, struct kp_error *e)
{
	const char *token = getenv("VAULT_TOKEN");
	int r = 0;

	if (s->set.token_file)
		r = net_read_word(s->set.token_file, true, ret, HV_TOKEN_MAX, e);
	else if (token && *token)
		snprintf(ret, HV_TOKEN_MAX, "%s", token);
	else
		r = home_token(s, ret, e);
	if (!r && !hv_token_ok(ret))
		r = kp_fail(e, -EIO, "vault token create -policy=POLICY makes one",
			    "what is to be the token for %s is none", s->uri.host);
	return r;
}

/*
 * Ask about TOKEN, or for more of it.  A success tells its life.  A token that
 * may not even be looked up serves until it is refused; one that the server
 * does not know is told from it by the text alone.
 */
static int ask_life(struct hv_session *s, const char *token, bool renew, struct hv_lifetime *l,
		    struct kp_error *e)
{
	_cleanup_json_ json_t *j = NULL;
	const char *same;
	char why[128];
	long status = 0;
	int r = hv_send(s, renew ? "auth/token/renew-self" : "auth/token/lookup-self", token,
			renew ? "{}" : NULL, &status, &j, e);

	if (r)
		return r;
	if (status / 100 == 2)
		return renew ? hv_read_login(j, &same, l, e) : hv_read_lookup(j, l, e);
	if (status != 403 && !renew)
		return hv_refusal(status, j, &s->uri, e);
	hv_read_errors(j, why, sizeof(why));
	s->token_dead = !renew && (!strcmp(why, "permission denied") || strstr(why, "token"));
	*l = (struct hv_lifetime){ .ttl = 0 };
	return renew ? -EACCES : 0;
}

static int take_given(struct hv_session *s, char *ret, int64_t *ret_life_ms, struct kp_error *e)
{
	struct hv_lifetime l = { .ttl = 0 };
	bool same;
	int r = given_token(s, ret, e);

	if (r)
		return r;
	same = s->token.value && !strcmp(s->token.value, ret);
	s->token_dead = false;
	if (!same || !s->renewable || ask_life(s, ret, true, &l, e))
		r = ask_life(s, ret, false, &l, e);
	s->renewable = l.renewable;
	*ret_life_ms = l.ttl * 1000;
	return r;
}

/* ---- logins ---------------------------------------------------------------------- */

static void member(struct text *t, const char *name, const char *value)
{
	text_addf(t, "%s\"%s\":", t->n > 1 ? "," : "", name);
	text_json(t, value);
}

static int file_member(struct text *t, const char *name, const char *path, bool own,
		       struct kp_error *e)
{
	_cleanup_secret_ char *value = secret_alloc(TOKEN_MAX);
	int r = value ? net_read_word(path, own, value, TOKEN_MAX, e) :
			kp_fail(e, -EAGAIN, NULL, "no memory for a login");

	if (!r)
		member(t, name, value);
	return r;
}

static int login_body(const struct hv_settings *s, struct text *t, struct kp_error *e)
{
	int r = 0;

	text_begin(t, BODY_MAX_BYTES);
	text_add(t, "{");
	switch (s->method) {
	case HV_APPROLE:
		member(t, "role_id", s->role_id);
		r = file_member(t, "secret_id", s->secret_id_file, true, e);
		break;
	case HV_KUBERNETES:
	case HV_JWT:
		member(t, "role", s->role);
		r = file_member(t, "jwt", s->jwt_file, false, e);
		break;
	default: /* the certificate of the connection says who we are */
		if (s->role)
			member(t, "name", s->role);
		break;
	}
	text_add(t, "}");
	if (!r && !text_ok(t))
		r = kp_fail(e, -EAGAIN, NULL, "no memory for a login");
	return r;
}

/* What is asked for is refused as it stands: only a busy server is asked again. */
static int login_refused(const struct hv_session *s, long status, const json_t *j,
			 struct kp_error *e)
{
	char why[160];

	if (http_status_busy(status))
		return hv_refusal(status, j, &s->uri, e);
	hv_read_errors(j, why, sizeof(why));
	kp_fail(e, -EKEYREJECTED, NULL, "%s refuses the login at auth/%.60s: %s", s->uri.host,
		s->set.auth_mount, why[0] ? why : "no reason");
	return kp_hint(e, -EKEYREJECTED, "look at the role, and at what auth = %s uses in [vault] of "
		       "cmkfs.conf(5)", s->set.method_name);
}

static int take_login(struct hv_session *s, char *ret, int64_t *ret_life_ms, struct kp_error *e)
{
	_cleanup_text_ struct text body = { 0 };
	_cleanup_json_ json_t *j = NULL;
	struct hv_lifetime l = { .ttl = 0 };
	const char *token = NULL;
	char path[160];
	long status = 0;
	int r = login_body(&s->set, &body, e);

	snprintf(path, sizeof(path), "auth/%s/login", s->set.auth_mount);
	if (!r)
		r = hv_send(s, path, NULL, body.s, &status, &j, e);
	if (!r && status / 100 != 2)
		r = login_refused(s, status, j, e);
	if (!r)
		r = hv_read_login(j, &token, &l, e);
	if (r)
		return r;
	*ret_life_ms = l.ttl * 1000;
	memcpy(ret, token, strlen(token) + 1); /* hv_token_ok() */
	return 0;
}

int hv_log_in(void *arg, char *ret, int64_t *ret_life_ms, struct kp_error *e)
{
	struct hv_session *s = arg;

	return s->set.method == HV_TOKEN ? take_given(s, ret, ret_life_ms, e) :
					   take_login(s, ret, ret_life_ms, e);
}
