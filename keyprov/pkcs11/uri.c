/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Key URIs of tokens: what RFC 7512 allows, less what would be dangerous in a
 * keyring.
 */
#include "p11.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#define FILE_SCHEME "file:"
#define FILE_SCHEME_LEN 5

/* The URI itself is not repeated: there may be a PIN in it. */
static int refuse(struct kp_error *e, const char *hint, const char *what)
{
	return kp_fail(e, -EINVAL, hint, "the PKCS #11 URI %s", what);
}

/* Of what follows '?', p11-kit passes over names that it does not know, and keeps them. */
static int check_query(const char *s, struct kp_error *e)
{
	size_t n;

	for (s = strchr(s, '?'); s; s = s[n] ? s + n : NULL) {
		s++;
		n = strcspn(s, "&");
		if (!strncmp(s, "pin-value", 9))
			return refuse(e, "put it in a file of mode 0600 that pin-source=file:/PATH or "
				      "pin-file in [pkcs11] names", "has a PIN in it");
		if (!strncmp(s, "module-", 7))
			return refuse(e, "name the module in [pkcs11] of the configuration: "
				      "module = /PATH.so", "names a module");
		if (strncmp(s, "pin-source=", 11))
			return refuse(e, "after '?' only pin-source=file:/PATH may follow",
				      "has a query attribute that is not known");
	}
	return 0;
}

/* One that begins with a zero p11-kit leaves out of the URIs that it writes. */
static bool blank(const unsigned char *s, size_t n)
{
	while (n && (s[n - 1] == ' ' || !s[n - 1]))
		n--;
	return !n || !s[0];
}

static bool has_value(P11KitUri *u, ck_attribute_type_t type)
{
	const struct ck_attribute *a = p11_kit_uri_get_attribute(u, type);

	return a && a->value && a->value_len;
}

/* An empty name is none. */
static int check_length(P11KitUri *u, ck_attribute_type_t type, struct kp_error *e)
{
	const struct ck_attribute *a = p11_kit_uri_get_attribute(u, type);

	if (a && a->value_len > P11_ID_MAX)
		return refuse(e, "give the key a shorter label or id", "is too long");
	if (a && !a->value_len)
		p11_kit_uri_clear_attribute(u, type);
	return 0;
}

static int check_names(P11KitUri *u, struct kp_error *e)
{
	const struct ck_token_info *t = p11_kit_uri_get_token_info(u);

	if (blank(t->label, sizeof(t->label)) && blank(t->serial_number, sizeof(t->serial_number)))
		return refuse(e, "write pkcs11:token=LABEL;object=KEY, or serial=",
			      "does not say which token");
	if (!has_value(u, CKA_LABEL) && !has_value(u, CKA_ID))
		return refuse(e, "write pkcs11:token=LABEL;object=KEY, or id=%01",
			      "does not say which key");
	return check_length(u, CKA_LABEL, e) ? -EINVAL : check_length(u, CKA_ID, e);
}

/* The pair is meant, whichever half is named; the private one is what is used. */
static int check_class(P11KitUri *u, struct kp_error *e)
{
	const struct ck_attribute *a = p11_kit_uri_get_attribute(u, CKA_CLASS);
	ck_object_class_t class;

	if (!a)
		return 0;
	if (a->value_len != sizeof(class))
		return refuse(e, "leave type= out", "has no good type");
	memcpy(&class, a->value, sizeof(class));
	if (class != CKO_PRIVATE_KEY && class != CKO_PUBLIC_KEY)
		return refuse(e, "take type=private, or leave it out", "does not name a key");
	p11_kit_uri_clear_attribute(u, CKA_CLASS);
	return 0;
}

const char *p11_uri_pin_file(P11KitUri *u)
{
	const char *s = p11_kit_uri_get_pin_source(u);

	return s ? s + FILE_SCHEME_LEN : NULL;
}

/* "file:/p", "file:///p" and "/p" become file:/p. */
static int check_pin_source(P11KitUri *u, struct kp_error *e)
{
	const char *s = p11_kit_uri_get_pin_source(u);
	char normal[KP_URI_MAX];

	if (!s)
		return 0;
	if (!strncmp(s, FILE_SCHEME, FILE_SCHEME_LEN))
		s += FILE_SCHEME_LEN;
	while (s[0] == '/' && s[1] == '/')
		s++;
	if (s[0] != '/' || snprintf(normal, sizeof(normal), FILE_SCHEME "%s", s) >= KP_URI_MAX)
		return refuse(e, "write pin-source=file:/PATH", "has a pin-source that is no file");
	p11_kit_uri_set_pin_source(u, normal);
	return 0;
}

int p11_uri_parse(const char *s, P11KitUri **ret, struct kp_error *e)
{
	P11KitUri *u = p11_kit_uri_new();
	char normal[KP_URI_MAX];
	int r = 0;

	if (!u)
		return kp_fail(e, -EAGAIN, NULL, "no memory for a key");
	if (strlen(s) >= KP_URI_MAX)
		r = refuse(e, "leave out what does not tell it from others", "is too long");
	if (!r)
		r = check_query(s, e);
	if (!r && (p11_kit_uri_parse(s, P11_KIT_URI_FOR_OBJECT_ON_TOKEN_AND_MODULE |
				     P11_KIT_URI_FOR_SLOT, u) ||
		   p11_kit_uri_any_unrecognized(u)))
		r = refuse(e, "p11tool --list-all and p11-kit list-modules show such URIs",
			   "is malformed, or has attributes that are not known");
	if (!r)
		r = check_names(u, e);
	if (!r)
		r = check_class(u, e);
	if (!r)
		r = check_pin_source(u, e);
	if (!r)
		r = p11_uri_format(u, normal, e);
	if (!r)
		r = check_query(normal, e); /* where path attributes land that are not known */
	if (r)
		p11_kit_uri_free(u);
	else
		*ret = u;
	return r;
}

int p11_uri_format(P11KitUri *u, char ret[static KP_URI_MAX], struct kp_error *e)
{
	char *s = NULL;
	int r = 0;

	if (p11_kit_uri_format(u, P11_KIT_URI_FOR_OBJECT_ON_TOKEN_AND_MODULE | P11_KIT_URI_FOR_SLOT,
			       &s) || !s)
		return kp_fail(e, -EAGAIN, NULL, "no memory for a key");
	if (strlen(s) >= KP_URI_MAX)
		r = refuse(e, "leave out what does not tell it from others", "is too long");
	else
		memcpy(ret, s, strlen(s) + 1);
	free(s);
	return r;
}

static bool same_attribute(P11KitUri *a, P11KitUri *b, ck_attribute_type_t type)
{
	const struct ck_attribute *x = p11_kit_uri_get_attribute(a, type);
	const struct ck_attribute *y = p11_kit_uri_get_attribute(b, type);

	if (!x || !y)
		return x == y;
	return x->value_len == y->value_len && !memcmp(x->value, y->value, x->value_len);
}

bool p11_uri_same_key(P11KitUri *a, P11KitUri *b)
{
	const struct ck_token_info *x = p11_kit_uri_get_token_info(a);
	const struct ck_token_info *y = p11_kit_uri_get_token_info(b);

	/* Of a key that has a label, the id is the version. */
	return !memcmp(x->label, y->label, sizeof(x->label)) &&
	       !memcmp(x->serial_number, y->serial_number, sizeof(x->serial_number)) &&
	       same_attribute(a, b, CKA_LABEL) &&
	       (has_value(a, CKA_LABEL) || same_attribute(a, b, CKA_ID));
}

static int digits(const unsigned char *s, size_t n)
{
	int v = 0;

	for (size_t i = 0; i < n; i++) {
		if (s[i] < '0' || s[i] > '9')
			return -1;
		v = v * 10 + (s[i] - '0');
	}
	return v;
}

int64_t p11_date(const struct ck_date *d)
{
	struct tm tm = { .tm_year = digits(d->year, sizeof(d->year)) - 1900,
			 .tm_mon = digits(d->month, sizeof(d->month)) - 1,
			 .tm_mday = digits(d->day, sizeof(d->day)) };

	if (tm.tm_year < 0 || tm.tm_mon < 0 || tm.tm_mon > 11 || tm.tm_mday < 1 || tm.tm_mday > 31)
		return 0;
	return timegm(&tm);
}
