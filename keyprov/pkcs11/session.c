/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding a token, and sessions on it.
 */
#include "p11.h"

#include <errno.h>
#include <stdio.h>

#include "crypto/secret.h"

#define MAX_SLOTS 256

static struct ck_function_list *functions(const struct p11_session *s)
{
	return p11_module_functions(s->m);
}

int p11_session_fail(struct p11_session *s, ck_rv_t rv, const char *call, struct kp_error *e)
{
	s->rv = rv;
	return p11_fail(e, rv, call, s->token.label);
}

/* ---- tokens -------------------------------------------------------------------------- */

static void copy_padded(char *d, const unsigned char *s, size_t n)
{
	while (n && (s[n - 1] == ' ' || !s[n - 1]))
		n--;
	memcpy(d, s, n);
	d[n] = '\0';
}

static void take_token(struct p11_token *t, const struct ck_token_info *i)
{
	copy_padded(t->label, i->label, sizeof(i->label));
	copy_padded(t->serial, i->serial_number, sizeof(i->serial_number));
	t->login = i->flags & CKF_LOGIN_REQUIRED;
	t->pad = i->flags & CKF_PROTECTED_AUTHENTICATION_PATH;
	t->last_try = i->flags & CKF_USER_PIN_FINAL_TRY;
	t->locked = i->flags & CKF_USER_PIN_LOCKED;
}

static bool matches(struct p11_session *s, P11KitUri *u, ck_slot_id_t slot,
		    struct ck_token_info *ret)
{
	ck_slot_id_t wanted = p11_kit_uri_get_slot_id(u);
	struct ck_slot_info info;

	return (wanted == (ck_slot_id_t)-1 || wanted == slot) &&
	       functions(s)->C_GetSlotInfo(slot, &info) == CKR_OK &&
	       p11_kit_uri_match_slot_info(u, &info) &&
	       functions(s)->C_GetTokenInfo(slot, ret) == CKR_OK &&
	       p11_kit_uri_match_token_info(u, ret);
}

static int list_slots(struct p11_session *s, ck_slot_id_t *slots, unsigned long *n,
		      struct kp_error *e)
{
	ck_rv_t rv;

	/* Some look for new tokens only when they are asked how many there are. */
	rv = functions(s)->C_GetSlotList(1, NULL, n);
	*n = MAX_SLOTS;
	if (rv == CKR_OK)
		rv = functions(s)->C_GetSlotList(1, slots, n);
	return rv == CKR_OK ? 0 : p11_session_fail(s, rv, "C_GetSlotList", e);
}

static int find_slot(struct p11_session *s, P11KitUri *u, struct kp_error *e)
{
	const struct ck_token_info *named = p11_kit_uri_get_token_info(u);
	ck_slot_id_t slots[MAX_SLOTS];
	struct ck_token_info info;
	unsigned long n = 0;
	unsigned int found = 0;
	int r;

	copy_padded(s->token.label, named->label, sizeof(named->label));
	r = list_slots(s, slots, &n, e);
	if (r)
		return r;
	for (unsigned long i = 0; i < n; i++)
		if (matches(s, u, slots[i], &info)) {
			s->slot = slots[i];
			take_token(&s->token, &info);
			found++;
		}
	if (!found)
		return p11_session_fail(s, CKR_TOKEN_NOT_PRESENT, "looking for it", e);
	if (found > 1)
		return kp_fail(e, -EKEYREJECTED, "add serial= to the URI: p11-kit list-modules shows "
			       "those of all tokens", "%u tokens are called %s", found,
			       s->token.label);
	return 0;
}

/* ---- login --------------------------------------------------------------------------- */

/* Whether this process is logged in: by another session, that is. */
static bool logged_in(struct p11_session *s)
{
	struct ck_session_info i;

	return functions(s)->C_GetSessionInfo(s->h, &i) == CKR_OK &&
	       (i.state == CKS_RO_USER_FUNCTIONS || i.state == CKS_RW_USER_FUNCTIONS);
}

static int try_pin(struct p11_session *s, const char *pin_file, char *pin, size_t n,
		   struct kp_error *e)
{
	ck_rv_t rv = functions(s)->C_Login(s->h, CKU_USER, (unsigned char *)pin, n);

	if (rv == CKR_OK || rv == CKR_USER_ALREADY_LOGGED_IN) {
		if (pin)
			p11_pin_worked(&s->token, pin_file, pin, n);
		return 0;
	}
	if (rv == CKR_PIN_INCORRECT && pin)
		p11_pin_refused(&s->token, pin, n);
	return p11_session_fail(s, rv, "C_Login", e);
}

static int login_locked(struct p11_session *s, const char *pin_file, struct kp_error *e)
{
	_cleanup_secret_ char *pin = NULL;
	size_t n = 0;
	int r;

	if (logged_in(s))
		return 0;
	if (s->token.locked)
		return p11_session_fail(s, CKR_PIN_LOCKED, "C_GetTokenInfo", e);
	if (s->token.last_try)
		return kp_fail(e, -EKEYREJECTED, "log in by hand, with the right PIN: pkcs11-tool "
			       "--module MODULE --login --test",
			       "one more wrong PIN locks token %s: it is not tried by a program",
			       s->token.label);
	if (s->token.pad)
		return try_pin(s, NULL, NULL, 0, e);
	pin = secret_alloc(P11_PIN_MAX);
	r = pin ? p11_pin_get(&s->token, pin_file, pin, &n, e) :
		  kp_fail(e, -EAGAIN, NULL, "no memory for a PIN");
	return r ? r : try_pin(s, pin_file, pin, n, e);
}

int p11_session_open(struct p11_session *s, P11KitUri *u, const char *pin_file, struct kp_error *e)
{
	int r = find_slot(s, u, e);
	ck_rv_t rv;

	if (r)
		return r;
	rv = functions(s)->C_OpenSession(s->slot, CKF_SERIAL_SESSION, NULL, NULL, &s->h);
	if (rv != CKR_OK)
		return p11_session_fail(s, rv, "C_OpenSession", e);
	s->open = true;
	if (!s->token.login)
		return 0;
	pthread_mutex_lock(p11_module_login_lock(s->m));
	r = login_locked(s, pin_file, e);
	pthread_mutex_unlock(p11_module_login_lock(s->m));
	if (r)
		p11_session_drop(s, true);
	return r;
}

void p11_session_drop(struct p11_session *s, bool close)
{
	if (s->open && close)
		functions(s)->C_CloseSession(s->h);
	s->open = false;
}
