/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two-line errors and the exit codes that belong to them.
 */
#include "cmd.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

/* PREFIX and the message, one line, as one write. */
static void say(const char *prefix, const char *fmt, va_list ap)
	__attribute__((format(printf, 2, 0)));

static void say(const char *prefix, const char *fmt, va_list ap)
{
	char line[1024];

	vsnprintf(line, sizeof(line), fmt, ap);
	for (char *p = line; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
	fflush(stdout);
	fprintf(stderr, "%s%s\n", prefix, line);
}

int cmd_fail(int code, const char *hint, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say("cmkfs: error: ", fmt, ap);
	va_end(ap);
	if (hint && *hint)
		fprintf(stderr, "cmkfs: hint: %s\n", hint);
	return code;
}

void cmd_note(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say("cmkfs: ", fmt, ap);
	va_end(ap);
}

void cmd_note_xts(void)
{
	cmd_note("XTS does not detect tampering with contents: see cmkfs-security(7)");
}

int cmd_fail_kp(const struct kp_error *e, const char *what)
{
	const struct kp_error_row *row = kp_error_row(e->code);
	const char *hint = *e->hint ? e->hint :
			   e->code == -EAGAIN ? "try again when the key's vault can be reached" : NULL;
	const char *message = *e->message ? e->message : row->meaning;
	int code = row->code == e->code ? row->exit_code : /* one of local.h's own */
		   e->code == -EPERM	? CMD_LOCKED : CMD_FAILED;

	if (what)
		return cmd_fail(code, hint, "%s: %s", what, message);
	return cmd_fail(code, hint, "%s", message);
}

int cmd_exit_of(int err)
{
	switch (err) {
	case -EMEDIUMTYPE:
	case -EBADMSG:
	case -EPROTONOSUPPORT:
	case -EUCLEAN:
		return CMD_NOT_VOLUME;
	case -EKEYREJECTED:
	case -EKEYREVOKED:
	case -EKEYEXPIRED:
	case -ENOKEY:
		return CMD_LOCKED;
	case -EAGAIN:
	case -EPROTO:
		return CMD_UNREACHABLE;
	case -EBUSY:
		return CMD_BUSY;
	case -ESTALE:
		return CMD_INTEGRITY;
	case -EINVAL:
	case -ENOTDIR:
	case -ENOENT:
	case -ENOTEMPTY:
	case -EEXIST:
		return CMD_USAGE;
	default:
		return CMD_FAILED;
	}
}

int cmd_fail_store(int err, const struct store_error *e, const char *dir)
{
	if (*e->message)
		return cmd_fail(cmd_exit_of(err), e->hint, "%s", e->message);
	return cmd_fail(cmd_exit_of(err), e->hint, "%s: %s", dir, strerror(-err));
}
