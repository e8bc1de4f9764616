/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the verbs of the embedded vault share.
 */
#include "vault_common.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <time.h>

int vault_session(const struct cmd *c, enum vault_missing missing, struct vault_session *ret)
{
	struct kp_error e = { 0 };
	int r;

	ret->l = NULL;
	r = state_context(&ret->ctx, c->conf, NULL);
	if (r)
		return cmd_fail(CMD_FAILED, "CMKFS_STATE_DIR or state-dir in the configuration "
				"names it", "cannot use the state directory: %s", strerror(-r));
	if (missing == VAULT_MAY_MISS && !local_exists(ret->ctx.dir))
		return CMD_OK;
	r = local_open(ret->ctx.dir, NULL, missing == VAULT_MAKE, &ret->l, &e);
	return vault_result(r, &e);
}

void vault_session_done(struct vault_session *s)
{
	local_close(s->l);
	state_context_done(&s->ctx);
}

int vault_result(int r, const struct kp_error *e)
{
	return r ? cmd_fail_kp(e, NULL) : CMD_OK;
}

int vault_print(struct vault_session *s, int r, json_t *rows, const struct column *columns, size_t n,
		bool json)
{
	if (!r && table_print(stdout, json_incref(rows), columns, n, json))
		r = CMD_FAILED;
	json_decref(rows);
	vault_session_done(s);
	return r;
}

int vault_simple(const struct cmd *c, vault_call_fn *fn)
{
	struct kp_error e = { 0 };
	struct vault_session s;
	int r = vault_session(c, VAULT_NEEDED, &s);

	if (!r)
		r = vault_result(fn(s.l, c->argv[0], &e), &e);
	vault_session_done(&s);
	return r;
}

/* ---- times --------------------------------------------------------------------- */

/* +90d from now on, -1h before. */
static bool relative(const char *s, int64_t *ret)
{
	static const struct {
		char letter;
		int64_t seconds;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 }, { 'w', 604800 } };
	int sign = *s == '-' ? -1 : 1;
	size_t n = strspn(++s, "0123456789");

	if (!n || n > 7 || !s[n] || s[n + 1])
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(units); i++)
		if (units[i].letter == s[n]) {
			*ret = (int64_t)time(NULL) +
			       sign * strtoll(s, NULL, 10) * units[i].seconds;
			return true;
		}
	return false;
}

static bool calendar(const char *s, int64_t *ret)
{
	static const char *const formats[] = { "%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ" };
	struct tm tm;
	const char *end;

	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		memset(&tm, 0, sizeof(tm));
		end = strptime(s, formats[i], &tm);
		if (end && !*end) {
			*ret = (int64_t)timegm(&tm);
			return *ret > 0;
		}
	}
	return false;
}

static bool seconds(const char *s, int64_t *ret)
{
	uint64_t n;

	/* Up to the year 9999, which is as far as times are printed. */
	if (conf_number(s, 1, UINT64_C(253402300799), &n))
		return false;
	*ret = (int64_t)n;
	return true;
}

int vault_time(const char *s, const char *what, int64_t dflt, int64_t *ret)
{
	if (!s) {
		*ret = dflt;
		return CMD_OK;
	}
	if (!strcmp(s, "none")) {
		*ret = 0;
		return CMD_OK;
	}
	if (*s == '+' || *s == '-' ? relative(s, ret) : calendar(s, ret) || seconds(s, ret))
		return CMD_OK;
	return cmd_fail(CMD_USAGE, "write 2027-01-31, 2027-01-31T12:00:00Z, +90d or none",
			"--%s: '%s' is not a time", what, s);
}
