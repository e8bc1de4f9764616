/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text of an element in the XML that STS answers with: see aws.h.
 */
#include "aws.h"

#include <errno.h>
#include <stdio.h>

int aws_xml_text(const char *xml, const char *element, char *ret, size_t cap)
{
	char tag[64];
	const char *p, *end;
	size_t n;

	snprintf(tag, sizeof(tag), "<%s>", element);
	p = strstr(xml, tag);
	if (!p)
		return -ENOENT;
	p += strlen(tag);
	/* What is of interest has neither elements nor entities in it. */
	n = strcspn(p, "<&");
	end = p + n;
	snprintf(tag, sizeof(tag), "</%s>", element);
	if (strncmp(end, tag, strlen(tag)) != 0)
		return -EPROTO;
	if (n >= cap)
		return -EMSGSIZE;
	memcpy(ret, p, n);
	ret[n] = '\0';
	return 0;
}
